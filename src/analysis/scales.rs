//! Scales that stand further on: sums of products of whole numbers become real numbers by a later multiplication.

use super::graph::{Graph, TensorId};

/// A scale stands at most this many nodes behind the sums.
const REACH: usize = 4;

/// The constant that a tensor is multiplied with before anything else happens to it.
pub fn scale_after(graph: &Graph, tensor: TensorId) -> Option<TensorId> {
    let mut tensor = tensor;
    for _ in 0..REACH {
        let mut readers = graph.inputs.iter().enumerate().filter(|(_, inputs)| inputs.contains(&Some(tensor)));
        let ((node, inputs), None) = (readers.next()?, readers.next()) else { return None };
        let factors = graph.operator(node)?.factors();
        let at = inputs.iter().position(|id| *id == Some(tensor))?;
        if !factors.contains(&at) {
            return None;
        }
        let others = factors.iter().filter(|k| **k != at).filter_map(|k| inputs.get(*k).copied().flatten());
        if let Some(found) = others.filter_map(|id| constant_factor(graph, id)).next() {
            return Some(found);
        }
        tensor = graph.outputs[node].first().copied().flatten()?;
    }
    None
}

/// The tensor itself, or what it is a product with, where that is constant.
fn constant_factor(graph: &Graph, tensor: TensorId) -> Option<TensorId> {
    let constant = |id: &TensorId| graph.constants[*id].is_some();
    if constant(&tensor) {
        return Some(tensor);
    }
    let node = graph.producer[tensor]?;
    let factors = graph.operator(node)?.factors();
    factors.iter().filter_map(|k| graph.inputs[node].get(*k).copied().flatten()).find(constant)
}
