//! Which integers an input may hold, by what reads it.

use std::collections::HashSet;

use super::facts::Facts;
use super::graph::{Graph, TensorId};
use crate::ops::Numbers;

/// What the readers of a tensor take its integers for; nothing where none says so.
pub fn whole_numbers(graph: &Graph, facts: &Facts, tensor: TensorId) -> Vec<Numbers> {
    let (mut out, mut seen, mut open) = (Vec::new(), HashSet::new(), vec![tensor]);
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for (i, inputs) in graph.inputs.enumerate() {
            let own = graph.node(i).input.len().min(inputs.len());
            for k in (0..own).filter(|k| inputs[*k] == Some(id)) {
                let Some(op) = graph.operator(i).filter(|_| !graph.is_entry(i)) else { continue };
                match op.numbers(&graph.view(i, &facts.tensors), k) {
                    Some(Numbers::Same) => open.extend(graph.outputs[i].first().copied().flatten()),
                    Some(n) => out.push(n),
                    None => {}
                }
            }
        }
    }
    out
}
