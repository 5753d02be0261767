//! New values for a layer's weight and for what is added to its outputs.

use super::segments::Network;
use crate::analysis::{Analysis, NodeId};
use crate::onnx::proto::GraphProto;
use crate::rewriting::{Initializers, Result};
use crate::statistics::{Intercept, Layer};

/// Where a layer's values stand in a network's graph.
#[derive(Clone, Copy, Debug)]
pub struct LayerPlace {
    /// The layer.
    pub node: usize,
    /// Node and input of what holds the addends.
    pub intercept: Option<(usize, usize)>,
}

/// What is added to the outputs.
#[derive(Clone, Copy, Debug)]
pub enum Addends<'v> {
    /// All that the layer itself adds.
    All(&'v [f32]),
    /// More than before.
    More(&'v [f32]),
}

impl LayerPlace {
    /// Where the values of a layer of `a` stand in a network of the same names; `None` where one cannot be changed.
    pub fn of(a: &Analysis, layer: &Layer, network: &Network) -> Option<LayerPlace> {
        let graph = &network.graph;
        let node = network.node_of(a.graph.name(layer.output))?;
        let initializers = Initializers::of(graph);
        let writable = |(node, input): &(usize, usize)| {
            graph.node.get(*node).is_some_and(|n| initializers.values(graph, n, *input).is_some())
        };
        let at = |i: NodeId| network.node_of(a.graph.node(i).output.first()?);
        let intercept = match layer.after.intercept {
            Intercept::Bias(input) => Some(Some((node, input)).filter(writable)?),
            Intercept::NewBias(input) => Some((node, input)),
            Intercept::Mean { node, input } | Intercept::Addend { node, input } => {
                Some(Some((at(node)?, input)).filter(writable)?)
            }
            Intercept::Nowhere => None,
        };
        writable(&(node, layer.consumer.contraction.weight)).then_some(LayerPlace { node, intercept })
    }
}

/// Changes a layer's weight, given as [`crate::statistics::Consumer::weight`] gives it, and what is added to its
/// outputs. Answers whether it could.
///
/// # Errors
/// When values cannot be stored.
pub fn write(
    graph: &mut GraphProto,
    layer: &Layer,
    place: &LayerPlace,
    weight: &[f32],
    addends: Option<Addends>,
) -> Result<bool> {
    let c = &layer.consumer;
    let (width, factor) = (c.width(), c.contraction.scale);
    let mut initializers = Initializers::of(graph);
    if let (Some((node, input)), Some(addends)) = (place.intercept, addends) {
        let old = initializers.values(graph, &graph.node[node], input);
        let moved = |sign: f32, by: &[f32]| {
            let old = old.as_ref().filter(|old| old.len() == by.len())?;
            Some(old.iter().zip(by).map(|(v, a)| v + sign * a).collect::<Vec<f32>>())
        };
        let values = match (layer.after.intercept, addends) {
            (Intercept::Bias(_) | Intercept::NewBias(_), Addends::All(all)) => Some(all.to_vec()),
            (Intercept::NewBias(_), Addends::More(more)) => Some(more.to_vec()),
            (Intercept::Mean { .. }, Addends::All(by) | Addends::More(by)) => moved(-1.0, by),
            (_, Addends::All(by) | Addends::More(by)) => moved(1.0, by),
        };
        let Some(values) = values else { return Ok(false) };
        let done = match layer.after.intercept {
            Intercept::NewBias(_) => initializers.add(graph, node, input, c.contraction.weight, &values)?,
            _ => initializers.replace(graph, &[(node, input)], &values)?,
        };
        if !done {
            return Ok(false);
        }
    }
    // Rows are outputs; matrices and transposed convolutions are stored the other way round.
    let rows = weight.chunks_exact(width.max(1));
    let stored: Vec<f32> = if c.contraction.out_axis == 1 {
        let entry = |i: usize| i * c.kernel..(i + 1) * c.kernel;
        (0..c.inputs).flat_map(|i| rows.clone().flat_map(move |r| &r[entry(i)])).map(|v| v / factor).collect()
    } else {
        weight.iter().map(|v| v / factor).collect()
    };
    initializers.replace(graph, &[(place.node, c.contraction.weight)], &stored)
}
