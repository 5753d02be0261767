//! Names that nothing in a graph has.

use std::collections::{HashMap, HashSet};

use crate::onnx::proto::{GraphProto, ModelProto};
use crate::onnx::walk;

/// The names that are taken: of tensors and of nodes alike, subgraphs included.
#[derive(Clone, Debug, Default)]
pub struct Names {
    taken: HashSet<String>,
    /// The last number that was put behind a name.
    last: HashMap<String, usize>,
    tag: Option<&'static str>,
}

impl Names {
    /// All names of a graph and its subgraphs are taken.
    pub fn of(graph: &GraphProto) -> Names {
        let mut names = Names::default();
        names.add(graph);
        names
    }

    /// All names of a model are taken, those of its training graphs included.
    pub fn of_model(model: &ModelProto) -> Names {
        let mut names = Names::default();
        walk::graphs(model).for_each(|g| names.add(g));
        names
    }

    /// Every fresh name tells what it is of: `base_tag_1`, `base_tag_2`, …
    pub fn tagged(self, tag: &'static str) -> Names {
        Names { tag: Some(tag), ..self }
    }

    fn add(&mut self, g: &GraphProto) {
        self.taken.extend(g.input.iter().chain(&g.output).map(|v| v.name().to_owned()));
        self.taken.extend(g.initializer.iter().map(|t| t.name().to_owned()));
        self.taken.extend(g.sparse_initializer.iter().filter_map(|s| s.values.as_ref()).map(|t| t.name().to_owned()));
        for n in &g.node {
            self.taken.extend(n.input.iter().chain(&n.output).cloned());
            self.taken.insert(n.name().to_owned());
            walk::subgraphs(n).for_each(|b| self.add(b));
        }
    }

    /// Takes a name; whether it was free.
    pub fn take(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_owned())
    }

    /// A free name: `base` if it can be, else `base_2`, `base_3`, …; see [`tagged`](Names::tagged), too.
    pub fn fresh(&mut self, base: &str) -> String {
        if let Some(tag) = self.tag {
            return self.numbered(&format!("{base}_{tag}"));
        }
        if self.take(base) { base.to_owned() } else { self.next(base, 1) }
    }

    /// A free name with a number: `base_1`, `base_2`, …
    pub fn numbered(&mut self, base: &str) -> String {
        self.next(base, 0)
    }

    fn next(&mut self, base: &str, after: usize) -> String {
        let n = self.last.entry(base.to_owned()).or_insert(after);
        loop {
            *n += 1;
            let name = format!("{base}_{n}");
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_free_and_stay_close_to_what_was_asked_for() {
        let mut names = Names::default();
        assert_eq!(["x", "x", "x"].map(|b| names.fresh(b)), ["x", "x_2", "x_3"]);
        assert!(names.take("y_2") && !names.take("y_2"));
        assert_eq!(["y", "y", "y"].map(|b| names.numbered(b)), ["y_1", "y_3", "y_4"]);
        assert_eq!(names.fresh("y"), "y");
        assert!(names.take("z_cut_1"));
        assert_eq!(names.tagged("cut").fresh("z"), "z_cut_2");
    }
}
