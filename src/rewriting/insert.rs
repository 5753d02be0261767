//! Batch normalisations where an exporter folded them away: they change nothing, but scale and can be regularised.
//!
//! After a layer whose output has mean m and variance v on data comes a normalisation with these statistics, the scale
//! γ = √(v + ε) and the shift β = m: the identity. So |γ| is the spread that a channel has, as in a network trained
//! with normalisation and inputs of unit spread. The layer's bias moves into the statistics.

use std::collections::HashMap;

use super::clean;
use super::error::{Error, Result};
use crate::analysis::{Analysis, NodeId, TensorId};
use crate::onnx::edit::{Editor, Emit, NewNode};
use crate::onnx::proto::ModelProto;
use crate::onnx::{self, DType};
use crate::statistics::{ActivationProbe, Calibration, with_probes};

const EPSILON: f32 = 1e-5;

/// A layer that gets a normalisation.
struct Layer {
    node: NodeId,
    output: String,
    /// The input that is a bias, with its values.
    bias: Option<(usize, Vec<f32>)>,
    channels: usize,
    sums: Vec<f64>,
    squares: Vec<f64>,
    count: f64,
}

/// The model with a normalisation after every layer that writes prunable channels on axis 1 and has none; also their
/// number.
///
/// # Errors
/// When the data or the runtime fails, or an activation is not finite.
pub fn insert_batch_norm(a: &Analysis, calibration: &Calibration) -> Result<(ModelProto, usize)> {
    let mut layers = layers(a);
    let mut proto = a.graph.model.proto.clone();
    if layers.is_empty() {
        return Ok((proto, 0));
    }
    let model = with_probes(&a.graph.model, layers.iter().map(|l| l.output.as_str()))?;
    let mut wrong = None;
    ActivationProbe::open(&model, calibration)?.run(&mut |_, outputs, _| {
        let outputs: HashMap<&str, _> = outputs.iter().map(|(n, view)| (*n, view)).collect();
        for l in &mut layers {
            let values = outputs.get(l.output.as_str()).and_then(|view| Some((view.floats()?, view.shape())));
            match values {
                Some((values, shape)) if shape.get(1) == Some(&l.channels) => l.add(&values, shape),
                _ => wrong = Some(l.output.clone()),
            }
        }
        Ok(())
    })?;
    if let Some(name) = wrong {
        return Err(Error::Verification(format!("tensor '{name}' is not what the graph says")));
    }
    let inserted = layers.len();
    let opset = onnx::opset(&proto, "");
    let Some(graph) = &mut proto.graph else { return Ok((proto, 0)) };
    let mut edit = Editor::open(std::mem::take(graph), opset);
    let mut after: HashMap<usize, Layer> = layers.into_iter().map(|l| (a.graph.place_of(l.node), l)).collect();
    let mut i = 0;
    while let Some(mut node) = edit.next() {
        let layer = after.remove(&i);
        i += 1;
        let Some(layer) = layer else {
            edit.emit(node);
            continue;
        };
        let raw = edit.names().numbered(&format!("{}_unnormalized", layer.output));
        node.output[0].clone_from(&raw);
        let mut normalize = NewNode::new("BatchNormalization").input(raw);
        for (what, values) in layer.parameters()? {
            let name = edit.names().numbered(&format!("{}_{what}", layer.output));
            edit.hold(onnx::from_f32(&name, &[values.len()], &values, DType::Float)?);
            normalize = normalize.input(name);
        }
        if let Some((k, _)) = layer.bias {
            node.input.truncate(k);
        }
        edit.emit(node);
        let name = format!("{}_normalize", layer.output);
        edit.op(normalize.name(name).output(layer.output).float("epsilon", EPSILON));
    }
    *graph = edit.finish();
    clean::drop_dead(graph, proto.ir_version.unwrap_or(0));
    Ok((proto, inserted))
}

impl Layer {
    fn add(&mut self, values: &[f32], shape: &[usize]) {
        let area: usize = shape[2..].iter().product();
        for (k, map) in values.chunks_exact(area.max(1)).enumerate() {
            let c = k % self.channels;
            for v in map {
                self.sums[c] += f64::from(*v);
                self.squares[c] += f64::from(*v) * f64::from(*v);
            }
        }
        self.count += (values.len() / self.channels) as f64;
    }

    /// Scale, shift, mean and variance, in the order of the operator's inputs.
    fn parameters(&self) -> Result<[(&'static str, Vec<f32>); 4]> {
        let mean: Vec<f64> = self.sums.iter().map(|s| s / self.count).collect();
        let variance: Vec<f32> =
            self.squares.iter().zip(&mean).map(|(s, m)| (s / self.count - m * m).max(0.0) as f32).collect();
        if mean.iter().any(|m| !m.is_finite()) || variance.iter().any(|v| !v.is_finite()) {
            return Err(Error::Verification(format!("tensor '{}' holds NaN or infinite values", self.output)));
        }
        let scale = variance.iter().map(|v| (v + EPSILON).sqrt()).collect();
        let shift: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
        // Without its bias, the layer gives as much less.
        let mean = match &self.bias {
            Some((_, bias)) => shift.iter().zip(bias).map(|(m, b)| m - b).collect(),
            None => shift.clone(),
        };
        Ok([("scale", scale), ("shift", shift), ("mean", mean), ("variance", variance)])
    }
}

/// Layers whose channels, on axis 1, belong to a group, and that no normalisation follows.
fn layers(a: &Analysis) -> Vec<Layer> {
    let g = &a.graph;
    let graph_outputs: Vec<&str> = g.proto().output.iter().map(|v| v.name()).collect();
    let normalized: Vec<TensorId> = g
        .nodes()
        .zip(&g.inputs)
        .filter(|(n, _)| n.op_type() == "BatchNormalization")
        .filter_map(|(_, inputs)| inputs.first().copied().flatten())
        .collect();
    let layer = |node: NodeId| {
        let c = a.contraction(node)?;
        g.constants[g.inputs[node].get(c.weight).copied().flatten()?].as_ref()?;
        let output = g.outputs[node].first().copied().flatten()?;
        let (fact, axes) = (&a.facts.tensors[output], a.relations.tensors[output].as_ref()?);
        let leaves = a.relations.terms.leaves(*axes.get(1)?);
        let on_axis_1 = c.window.is_some() || axes.len() == 2;
        let channels = usize::try_from(fact.shape.as_ref()?.get(1)?.known()?).ok().filter(|n| *n > 0)?;
        let free = !normalized.contains(&output) && !graph_outputs.contains(&g.name(output));
        let prunable = a.groups.iter().any(|group| leaves.contains(&group.atom));
        if !(on_axis_1 && free && prunable && fact.dtype == DType::Float) {
            return None;
        }
        // A bias that is no constant vector stays where it is.
        let bias = c.bias.filter(|k| g.inputs[node].len() == k + 1).and_then(|k| {
            let t = g.tensor(g.inputs[node][k]?)?;
            let values = onnx::to_f32(t).ok()?.into_owned();
            (values.len() == channels).then_some((k, values))
        });
        let zeros = vec![0.0; channels];
        let output = g.name(output).to_owned();
        Some(Layer { node, output, bias, channels, sums: zeros.clone(), squares: zeros, count: 0.0 })
    };
    g.node_ids().filter_map(layer).collect()
}
