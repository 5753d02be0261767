//! Streams: tensors that several layers read and add to.

use std::collections::HashSet;

use super::graph::{Graph, PerTensor, TensorId};
use super::relations::Axes;
use crate::algebra::{Term, Terms};

/// Looking back ends after this many nodes, with the answer that keeps more.
const REACH: usize = 1 << 13;

/// Whether tensor `a` is, along its axis `t`, a stream that tensor `b` is computed from: `b` reads it, or what it was
/// before steps that read nothing else and leave the axis.
pub fn continues(
    graph: &Graph,
    tensors: &PerTensor<Option<Axes>>,
    settled: &PerTensor<bool>,
    terms: &Terms,
    (a, t): (TensorId, Term),
    b: TensorId,
) -> bool {
    let leaves = terms.leaves(t);
    let carries = |id: TensorId| tensors[id].iter().flatten().any(|x| leaves.iter().any(|l| terms.carries(*x, *l)));
    let mut stream = a;
    for _ in 0..REACH {
        let Some(node) = graph.producer[stream] else { break };
        let mut read = graph.inputs[node].iter().flatten().filter(|id| !settled[**id]);
        let (Some(&before), None) = (read.next(), read.next()) else { break };
        if !carries(before) {
            break;
        }
        stream = before;
    }
    let twin = |id: TensorId| {
        let node = graph.producer[id].filter(|n| graph.producer[stream] == Some(*n));
        node.is_some_and(|n| graph.entry_of(n).is_none() && !graph.is_entry(n)) && carries(id)
    };
    reads(graph, stream, twin, b)
}

/// Whether `to` is computed from `from` or a twin of it.
fn reads(graph: &Graph, from: TensorId, twin: impl Fn(TensorId) -> bool, to: TensorId) -> bool {
    let first = graph.producer[from];
    let (mut queue, mut seen) = (vec![to], HashSet::from([to]));
    while let Some(id) = queue.pop() {
        // What comes out of one node together is as good as one: a sum and the same normalised.
        if id == from || twin(id) || seen.len() > REACH {
            return true;
        }
        // Nodes stand in order: what comes before `from` does not read it.
        let Some(node) = graph.producer[id].filter(|n| first.is_none_or(|f| *n > f)) else { continue };
        queue.extend(graph.inputs[node].iter().flatten().filter(|id| seen.insert(**id)));
    }
    false
}
