//! Other sizes for the axes that a file leaves open.

use std::collections::BTreeMap;

use crate::algebra::Bindings;
use crate::analysis::{Analysis, Flaws, Open, flaws, is_derived, open_sizes, other_sizes, settled, stored_sizes};
use crate::runtime::Tensor;

/// Sizes that were run, by open size.
pub type Checked = BTreeMap<String, Vec<i64>>;

/// Finds sizes.
pub struct Sizes<'a> {
    a: &'a Analysis,
    /// What is open.
    pub open: Vec<Open>,
    stored: Vec<i64>,
    usual: Flaws,
}

impl<'a> Sizes<'a> {
    /// For a model.
    pub fn of(a: &'a Analysis) -> Self {
        let usual = flaws(&a.graph, &a.facts, &a.facts.bindings);
        Sizes { a, open: open_sizes(&a.graph, &a.facts), stored: stored_sizes(&a.graph), usual }
    }

    /// The sizes that figures are given for.
    pub fn usual(&self) -> Bindings {
        self.a.facts.bindings.clone()
    }

    fn fits(&self, sizes: &Bindings) -> bool {
        flaws(&self.a.graph, &self.a.facts, sizes) <= self.usual
    }

    /// With some sizes changed, and what follows from them.
    fn changed(&self, from: &Bindings, changes: &[(&str, i64)]) -> Bindings {
        let mut sizes = from.clone();
        sizes.extend(changes.iter().map(|(name, n)| ((*name).to_owned(), *n)));
        let given = changes.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        settled(sizes, &self.open, &given)
    }

    /// All open sizes moved as far as they go together: those that are equal by one number, where that fits, else each
    /// by itself. `None` where none moves.
    pub fn all_moved(&self) -> Option<Bindings> {
        let start = &self.a.facts.bindings;
        let mut now = start.clone();
        let mut done: Vec<&str> = Vec::new();
        for o in &self.open {
            let Some(n) = start.get(&o.name) else { continue };
            if done.contains(&o.name.as_str()) || now.get(&o.name) != Some(n) {
                continue;
            }
            let alike: Vec<&str> = self
                .open
                .iter()
                .filter(|p| (p.axis == 0) == (o.axis == 0) && start.get(&p.name) == Some(n))
                .map(|p| p.name.as_str())
                .collect();
            for names in [&alike[..], &[o.name.as_str()]] {
                let moved = self.candidates(o).into_iter().map(|n| {
                    let changes: Vec<(&str, i64)> = names.iter().map(|name| (*name, n)).collect();
                    self.changed(&now, &changes)
                });
                if let Some(moved) = moved.take(TRIED).find(|sizes| self.fits(sizes)) {
                    now = moved;
                    done.extend(names);
                    break;
                }
            }
        }
        (now != *start).then_some(now)
    }

    /// All sizes but the batch small: tables of positions and the like may be shorter than what is usual.
    pub fn small(&self) -> Vec<Bindings> {
        let of = |n: i64| {
            let inner = self.open.iter().filter(|o| o.axis > 0 && !is_derived(&o.name, &self.open));
            let changes: Vec<(&str, i64)> = inner.map(|o| (o.name.as_str(), n)).collect();
            self.changed(&self.a.facts.bindings, &changes)
        };
        SMALL.map(of).into_iter().filter(|sizes| *sizes != self.a.facts.bindings && self.fits(sizes)).collect()
    }

    /// One size alone moved, in several ways.
    pub fn moved(&self, o: &Open) -> Vec<Bindings> {
        let moved = self.candidates(o).into_iter().map(|n| self.changed(&self.a.facts.bindings, &[(&o.name, n)]));
        moved.filter(|sizes| self.fits(sizes)).take(RUN).collect()
    }

    fn candidates(&self, o: &Open) -> Vec<i64> {
        let now = self.a.facts.bindings.get(&o.name).copied().unwrap_or(1);
        other_sizes(now, o.axis == 0, &self.stored)
    }
}

/// Sizes that little is too short for.
const SMALL: [i64; 3] = [8, 4, 1];

/// Sizes of one axis that are looked at, and that are run, at most.
const TRIED: usize = 80;
const RUN: usize = 4;

/// Notes the sizes of a run.
pub fn note(checked: &mut Checked, open: &[Open], inputs: &[(String, Tensor)]) {
    for o in open {
        let input = inputs.iter().find(|(name, _)| *name == o.input);
        if let Some(n) = input.and_then(|(_, t)| i64::try_from(*t.shape().get(o.axis)?).ok()) {
            let known = checked.entry(o.name.clone()).or_default();
            if !known.contains(&n) {
                known.push(n);
            }
        }
    }
}
