//! Which subgraphs of control flow a run went through.

use std::collections::HashSet;

use crate::algebra::Kept;
use crate::analysis::{Analysis, Group};
use crate::onnx::{self, proto::GraphProto};
use crate::runtime::Tensor;

/// A subgraph of the main graph that some run may skip.
struct Subgraph {
    scope: usize,
    /// Tensors that decide, each with the answer that lets the subgraph run.
    asks: Vec<(String, bool)>,
}

/// The subgraphs that hold something that shrinks.
pub struct Branches {
    subgraphs: Vec<Subgraph>,
    /// Groups with a use in a subgraph, and the subgraphs.
    inside: Vec<(String, Vec<usize>)>,
    taken: HashSet<usize>,
}

impl Branches {
    /// The subgraphs of a model.
    pub fn of(a: &Analysis, kept: &Kept) -> Branches {
        let g = &a.graph;
        let mut subgraphs = Vec::new();
        for (i, node) in g.numbered().filter(|(i, _)| !g.subgraphs[*i].is_empty()) {
            let names = node.attribute.iter().filter(|at| at.g.is_some()).map(|at| at.name());
            for (scope, attribute) in g.subgraphs[i].iter().zip(names) {
                let inputs: &[(usize, bool)] = match (node.op_type(), attribute) {
                    ("If", "then_branch") => &[(0, true)],
                    ("If", "else_branch") => &[(0, false)],
                    ("Loop", _) => &[(0, true), (1, true)],
                    _ => &[],
                };
                let ask = |(k, answer): &(usize, bool)| {
                    let id = g.inputs[i].get(*k).copied().flatten()?;
                    g.constants[id].is_none().then(|| (g.name(id).to_owned(), *answer))
                };
                // What a subgraph within a subgraph hangs on is not seen from outside.
                let hidden = g.scope_of(i) != 0 && !inputs.is_empty();
                let asks: Vec<_> = inputs.iter().filter_map(ask).collect();
                let asks = if hidden && !asks.is_empty() { vec![(String::new(), true)] } else { asks };
                subgraphs.push(Subgraph { scope: *scope, asks });
            }
        }
        let shrunk = a.groups.iter().filter(|group| kept.contains_key(&group.atom));
        let inside: Vec<(String, Vec<usize>)> = shrunk
            .map(|group| (group.name.clone(), scopes(a, group)))
            .filter(|(_, scopes)| !scopes.is_empty())
            .collect();
        Branches { subgraphs, inside, taken: HashSet::new() }
    }

    /// Makes what decides an output. Gives the number of outputs that were added.
    ///
    /// # Errors
    /// When the graph has no such tensor.
    pub fn tap(&self, graph: &mut GraphProto) -> onnx::Result<usize> {
        if self.inside.is_empty() {
            return Ok(0);
        }
        let before = graph.output.len();
        // What only a node decides by that nothing reads is gone with it.
        let made: HashSet<String> = graph.node.iter().flat_map(|n| &n.output).cloned().collect();
        let asked = self.subgraphs.iter().flat_map(|b| &b.asks).map(|(name, _)| name);
        let computed = asked.filter(|name| !name.is_empty() && made.contains(*name));
        onnx::add_outputs(graph, computed.map(|name| onnx::untyped(name)).collect::<Vec<_>>())?;
        Ok(graph.output.len() - before)
    }

    /// Notes the subgraphs that a run with these values went through.
    pub fn note(&mut self, values: &[(String, Tensor)]) {
        for subgraph in &self.subgraphs {
            let yes = |(name, answer): &(String, bool)| {
                let value = values.iter().find(|(n, _)| n == name).and_then(|(_, t)| t.to_f64_vec().first().copied());
                value.is_some_and(|x| (x > 0.0) == *answer)
            };
            if subgraph.asks.iter().all(yes) {
                self.taken.insert(subgraph.scope);
            }
        }
    }

    /// Groups of which some use did not run.
    pub fn unchecked(&self) -> Vec<String> {
        let skipped = |scopes: &&(String, Vec<usize>)| scopes.1.iter().any(|s| !self.taken.contains(s));
        self.inside.iter().filter(skipped).map(|(name, _)| name.clone()).collect()
    }
}

/// The subgraphs, and those around them, that read a group's weights.
fn scopes(a: &Analysis, group: &Group) -> Vec<usize> {
    let mut out = Vec::new();
    for at in group.items.iter().flat_map(|item| &a.views[item.view].uses) {
        let mut scope = a.graph.scope_of(at.node);
        while scope != 0 && !out.contains(&scope) {
            out.push(scope);
            scope = a.graph.scopes[scope].parent.unwrap_or(0);
        }
    }
    out
}
