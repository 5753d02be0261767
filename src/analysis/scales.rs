//! Scales that stand further on: sums of products of integers become real numbers by a later multiplication.

use std::collections::{HashMap, HashSet};

use super::facts::Facts;
use super::graph::{Graph, NodeId, PerTensor, TensorId};
use super::relations::Use;
use crate::onnx::{self};

/// Where each tensor is read.
pub struct Readers(PerTensor<Vec<Use>>);

impl Readers {
    /// Looks at all nodes once.
    pub fn of(graph: &Graph) -> Readers {
        let mut all = graph.per_tensor(Vec::new());
        for (node, inputs) in graph.inputs.enumerate() {
            for (input, id) in inputs.iter().enumerate() {
                id.iter().for_each(|id| all[*id].push(Use { node, input }));
            }
        }
        Readers(all)
    }

    /// The only place that reads a tensor.
    fn only(&self, tensor: TensorId) -> Option<Use> {
        match self.0[tensor][..] {
            [at] => Some(at),
            _ => None,
        }
    }
}

/// A scale stands at most this many nodes behind the sums.
const REACH: usize = 4;

/// The constant that a tensor is multiplied with before anything else happens to it.
pub fn scale_after(graph: &Graph, readers: &Readers, tensor: TensorId) -> Option<TensorId> {
    let mut tensor = tensor;
    for _ in 0..REACH {
        let Use { node, input: at } = readers.only(tensor)?;
        let inputs = &graph.inputs[node];
        let factors = graph.operator(node)?.factors();
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

/// How numbers that become floats at a Cast stand for real ones.
pub struct Dequantized {
    /// The scale, one or a vector along `axis`.
    pub scale: Option<TensorId>,
    /// The zero point, likewise.
    pub zero_point: Option<TensorId>,
    /// The axis of the numbers that both follow.
    pub axis: usize,
    /// Where both are read.
    pub parameters: Vec<Use>,
}

/// Follows the floats that node `cast` makes of numbers: a zero point is subtracted, then a scale multiplies, here or
/// behind the product with an activation, whose `columns` say which axis of a weight that writes.
///
/// `None` where the numbers that stand for zero cannot be told.
pub fn dequantized(
    graph: &Graph,
    facts: &Facts,
    readers: &Readers,
    derived: &PerTensor<bool>,
    cast: NodeId,
    columns: &HashMap<Use, usize>,
) -> Option<Dequantized> {
    let shape = |id: TensorId| facts.tensors[id].known_shape().unwrap_or_default();
    let numbers = graph.inputs[cast].first().copied().flatten()?;
    let mut tensor = graph.outputs[cast].first().copied().flatten()?;
    let rank = shape(numbers).len();
    let mut out = Dequantized { scale: None, zero_point: None, axis: 0, parameters: Vec::new() };
    // Axes of scale and zero point.
    let mut axes = Vec::new();
    for _ in 0..REACH {
        let Some(at) = readers.only(tensor) else { break };
        let op = graph.operator(at.node)?;
        if let Some(&axis) = columns.get(&at) {
            let size = shape(numbers).get(axis).copied();
            let fits = |id: &TensorId| size.is_some_and(|n| shape(*id).iter().filter(|d| **d != 1).all(|d| *d == n));
            let product = graph.outputs[at.node].first().copied().flatten()?;
            out.scale =
                out.scale.or_else(|| scale_after(graph, readers, product).filter(fits).inspect(|_| axes.push(axis)));
            break;
        }
        let other =
            |k: usize| graph.inputs[at.node].get(k).copied().flatten().map(|id| (id, Use { node: at.node, input: k }));
        match op.subtracts().filter(|_| at.input == 0).and_then(other) {
            Some((zero, place)) if out.zero_point.is_none() && out.scale.is_none() => {
                let (zero, place) = origin(graph, zero, place)?;
                if !whole(graph, facts, numbers, zero) {
                    return None;
                }
                axes.extend(axis_of(&shape(zero), rank)?);
                out.zero_point = Some(zero);
                out.parameters.push(place);
            }
            _ if op.factors().contains(&at.input) => {
                let factor = op.factors().iter().filter(|k| **k != at.input).find_map(|k| other(*k));
                if let Some((scale, place)) = factor.filter(|(id, _)| graph.constants[*id].is_some())
                    && let Some(axis) = axis_of(&shape(scale), rank)
                {
                    axes.extend(axis);
                    out.scale = Some(scale);
                    out.parameters.push(place);
                    tensor = graph.outputs[at.node].first().copied().flatten()?;
                    break;
                }
            }
            _ => break,
        }
        tensor = graph.outputs[at.node].first().copied().flatten()?;
    }
    if !keeps_zero(graph, facts, readers, derived, tensor) {
        return None;
    }
    out.axis = axes.first().copied().unwrap_or(0);
    // Scales along two axes are none that can be told; zero points must be.
    if axes.iter().any(|a| *a != out.axis) {
        if out.zero_point.is_some() {
            return None;
        }
        out.scale = None;
    }
    Some(out)
}

/// The constant that a tensor is, or is a Cast of, and where that is read.
fn origin(graph: &Graph, tensor: TensorId, at: Use) -> Option<(TensorId, Use)> {
    if graph.constants[tensor].is_some() {
        return Some((tensor, at));
    }
    let node = graph.producer[tensor]?;
    let alone = graph.operator(node)?.factors() == [0] && graph.inputs[node].len() == 1;
    let from = graph.inputs[node].first().copied().flatten()?;
    (alone && graph.constants[from].is_some()).then_some((from, Use { node, input: 0 }))
}

/// The one axis of the numbers that a parameter follows; `Some(None)` where it is one number.
fn axis_of(shape: &[usize], rank: usize) -> Option<Option<usize>> {
    let offset = rank.checked_sub(shape.len())?;
    let mut long = (0..shape.len()).filter(|k| shape[*k] != 1);
    match (long.next(), long.next()) {
        (axis, None) => Some(axis.map(|k| offset + k)),
        _ => None,
    }
}

/// Whether a zero point is a number of the type that it belongs to.
fn whole(graph: &Graph, facts: &Facts, numbers: TensorId, zero: TensorId) -> bool {
    let Some(values) = graph.tensor(zero).and_then(|t| onnx::to_f64_any(t).ok()) else {
        return false;
    };
    let dtype = facts.tensors[numbers].dtype;
    let narrow = dtype.bits() <= 8 && !dtype.is_float();
    values.iter().all(|z| *z == 0.0 || narrow && z.fract() == 0.0 && z.abs() < 256.0)
}

/// Whether zero stays zero in whatever is computed from this tensor and constants alone.
fn keeps_zero(graph: &Graph, facts: &Facts, readers: &Readers, derived: &PerTensor<bool>, tensor: TensorId) -> bool {
    let (mut queue, mut seen) = (vec![tensor], HashSet::new());
    while let Some(t) = queue.pop() {
        for at in &readers.0[t] {
            let Some(out) = graph.outputs[at.node].first().copied().flatten().filter(|id| derived[*id]) else {
                continue;
            };
            let Some(op) = graph.operator(at.node) else { return false };
            let floats = graph.inputs[at.node].iter().flatten().filter(|id| facts.tensors[**id].dtype.is_real());
            if !op.factors().contains(&at.input) && floats.count() > 1 {
                return false;
            }
            if seen.insert(out) {
                queue.push(out);
            }
        }
    }
    true
}
