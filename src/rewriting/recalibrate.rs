//! Statistics of batch normalisations, moved by what pruning did to them on data.
//!
//! What a normalisation gives must look on the data as it did in the original: the same mean and deviation of every
//! channel. Where the data is like what the model was trained on, this makes the statistics those of the data; where it
//! is not, the model's own way of seeing such data stays.
//!
//! In a copy of the pruned model every normalisation uses the mean and variance of its batch and gives the original's
//! moments, so that each sees what the ones before it will give once they are recalibrated: one pass serves all.

use std::collections::HashMap;

use super::error::Result;
use super::replace::Initializers;
use crate::algebra::Kept;
use crate::analysis::{Analysis, Facts, Graph, NodeId};
use crate::onnx::edit::{Editor, Emit, NewNode};
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto};
use crate::onnx::{self, DType, ExternalLayout, Model};
use crate::statistics::{ActivationProbe, Calibration, with_probes};

/// A normalisation in a copy that tells the moments of each batch.
struct Normalization {
    /// The nodes, and the tensors that they write: several where they are one layer.
    nodes: Vec<usize>,
    outputs: Vec<String>,
    /// Names of its batch's mean and variance.
    mean: String,
    variance: String,
    epsilon: f64,
    /// Sums over samples of the mean, and of the variance and the square of the mean.
    sums: Vec<f64>,
    squares: Vec<f64>,
}

/// What a normalisation gives on the data before scale and shift, for each channel.
struct Moments {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Moments {
    fn of(&self, channel: usize) -> Option<(f64, f64)> {
        Some((*self.mean.get(channel)?, *self.deviation.get(channel)?))
    }
}

/// By the tensor that a normalisation writes.
type Aims = HashMap<String, Moments>;

/// Moves the constant statistics of every batch normalisation of the pruned model by what pruning did to them on the
/// data. Returns their number.
///
/// # Errors
/// When the data or the runtime fails.
pub fn recalibrate(
    a: &Analysis,
    kept: &Kept,
    proto: &mut ModelProto,
    external: Option<&ExternalLayout>,
    calibration: &Calibration,
) -> Result<usize> {
    let aims = aims(a, kept, calibration)?;
    let (copy, mut all) = watched(proto, external, Some(&aims))?;
    if all.is_empty() {
        return Ok(0);
    }
    let samples = observe(&copy, &mut all, calibration)?;
    let Some(graph) = &mut proto.graph else { return Ok(0) };
    let mut initializers = Initializers::of(graph);
    let mut done = 0;
    for n in pooled(graph, &initializers, all) {
        let (mut mean, mut variance) = n.moments(samples);
        for (c, (m, v)) in mean.iter_mut().zip(&mut variance).enumerate() {
            let (offset, ratio) = aims.get(&n.outputs[0]).and_then(|a| a.of(c)).unwrap_or((0.0, 1.0));
            // (x − mean) / deviation must have the mean `offset` and the deviation `ratio`.
            let deviation = (*v + n.epsilon).sqrt() / ratio;
            *m -= offset * deviation;
            *v = (deviation * deviation - n.epsilon).max(0.0);
        }
        let [mean, variance] = [mean, variance].map(|v| v.iter().map(|x| *x as f32).collect::<Vec<f32>>());
        if mean.iter().chain(&variance).all(|v| v.is_finite()) && !mean.is_empty() {
            let places = |input: usize| n.nodes.iter().map(|node| (*node, input)).collect::<Vec<_>>();
            initializers.replace(graph, &places(3), &mean)?;
            if initializers.replace(graph, &places(4), &variance)? {
                done += n.nodes.len();
            }
        }
    }
    Ok(done)
}

impl Normalization {
    /// Mean and variance of each channel over all samples and uses.
    fn moments(&self, samples: usize) -> (Vec<f64>, Vec<f64>) {
        let samples = (samples * self.nodes.len()) as f64;
        let mean: Vec<f64> = self.sums.iter().map(|s| s / samples).collect();
        let variance = self.squares.iter().zip(&mean).map(|(s, m)| (s / samples - m * m).max(0.0)).collect();
        (mean, variance)
    }
}

/// What every normalisation of the original gives on the data, of the channels that are left.
fn aims(a: &Analysis, kept: &Kept, calibration: &Calibration) -> Result<Aims> {
    let model = &a.graph.model;
    let (copy, mut all) = watched(&model.proto, model.external.as_ref(), None)?;
    if all.is_empty() {
        return Ok(Aims::new());
    }
    let samples = observe(&copy, &mut all, calibration)?;
    let Some(graph) = &model.proto.graph else { return Ok(Aims::new()) };
    let initializers = Initializers::of(graph);
    let mut aims = Aims::new();
    for n in pooled(graph, &initializers, all) {
        let statistics = |k: usize| initializers.values(graph, &graph.node[n.nodes[0]], k);
        let (Some(old_mean), Some(old_variance)) = (statistics(3), statistics(4)) else { continue };
        let (mean, variance) = n.moments(samples);
        let positions: Vec<usize> =
            left(a, kept, &n.outputs[0]).unwrap_or_else(|| (0..mean.len().min(old_mean.len())).collect());
        let one = |c: usize| {
            let old = (f64::from(*old_variance.get(c)?) + n.epsilon).sqrt();
            let offset = (mean.get(c)? - f64::from(*old_mean.get(c)?)) / old;
            let ratio = (variance.get(c)? + n.epsilon).sqrt() / old;
            (offset.is_finite() && ratio.is_finite() && ratio > 0.0).then_some((offset, ratio))
        };
        // A channel that tells nothing gets the statistics of the data.
        let (mean, deviation): (Vec<f64>, Vec<f64>) =
            positions.into_iter().map(|c| one(c).unwrap_or((0.0, 1.0))).unzip();
        for output in &n.outputs {
            aims.insert(output.clone(), Moments { mean: mean.clone(), deviation: deviation.clone() });
        }
    }
    Ok(aims)
}

/// Channels that are left of what a node of the original's main graph writes; `None` for all.
fn left(a: &Analysis, kept: &Kept, output: &str) -> Option<Vec<usize>> {
    let axes = a.relations.tensors[a.graph.id(output)?].as_ref()?;
    a.relations.terms.kept_positions(*axes.get(1)?, kept)
}

/// Runs a copy on the data and sums up its moments; gives the number of samples.
fn observe(copy: &Model, all: &mut [Normalization], calibration: &Calibration) -> Result<usize> {
    let copy = with_probes(copy, all.iter().flat_map(|n| [n.mean.as_str(), n.variance.as_str()]))?;
    Ok(ActivationProbe::open(&copy, calibration)?.run(&mut |batch, outputs, _| {
        for n in all.iter_mut() {
            let of = |name: &str| outputs.iter().find(|(o, _)| *o == name).and_then(|(_, view)| view.floats());
            let (Some(mean), Some(variance)) = (of(&n.mean), of(&n.variance)) else { continue };
            n.sums.resize(mean.len(), 0.0);
            n.squares.resize(mean.len(), 0.0);
            let weight = batch.len() as f64;
            for (c, (m, v)) in mean.iter().zip(variance.iter()).enumerate() {
                let (m, v) = (f64::from(*m), f64::from(*v));
                n.sums[c] += weight * m;
                n.squares[c] += weight * (v + m * m);
            }
        }
        Ok(())
    })?)
}

/// Normalisations with all numbers in common are one layer that is used several times: what it sees is what all its
/// uses see. Statistics that are one number for all channels say nothing, as in a network that was never trained.
fn pooled(graph: &GraphProto, initializers: &Initializers, all: Vec<Normalization>) -> Vec<Normalization> {
    let mut out: Vec<Normalization> = Vec::new();
    let mut first: HashMap<Vec<String>, usize> = HashMap::new();
    for n in all {
        let at = n.nodes[0];
        let key: Vec<String> = (1..5).filter_map(|k| initializers.name(graph, (at, k))).collect();
        let told = initializers.values(graph, &graph.node[at], 3).is_some_and(|v| v.iter().any(|x| *x != v[0]));
        match first.get(&key).filter(|_| told) {
            Some(&k) => {
                let same = &mut out[k];
                same.nodes.extend(n.nodes);
                same.outputs.extend(n.outputs);
                same.sums.iter_mut().zip(&n.sums).for_each(|(a, b)| *a += b);
                same.squares.iter_mut().zip(&n.squares).for_each(|(a, b)| *a += b);
            }
            None => {
                first.insert(key, out.len());
                out.push(n);
            }
        }
    }
    out
}

/// A copy of the model that tells the moments of each batch. With `aims`, normalisations use these moments instead of
/// their own statistics, and give those of the aims.
fn watched(
    proto: &ModelProto,
    external: Option<&ExternalLayout>,
    aims: Option<&Aims>,
) -> Result<(Model, Vec<Normalization>)> {
    let mut model = Model { proto: proto.clone(), external: external.cloned(), ..Model::default() };
    let ranks = ranks(&model)?;
    let Some(graph) = &mut model.proto.graph else { return Ok((model, Vec::new())) };
    let initializers = Initializers::of(graph);
    let mut edit = Editor::open(std::mem::take(graph), onnx::opset(proto, ""));
    let (mut all, mut next) = (Vec::new(), 0);
    while let Some(node) = edit.next() {
        let i = next;
        next += 1;
        let parameters = |k: usize| initializers.values(edit.graph(), &node, k);
        let (Some(rank), Some(mut scale), Some(mut shift), Some(_), Some(_)) =
            (ranks[i], parameters(1), parameters(2), parameters(3), parameters(4))
        else {
            edit.emit(node);
            continue;
        };
        if let Some(aim) = aims.and_then(|a| a.get(&node.output[0])) {
            for (c, (scale, shift)) in scale.iter_mut().zip(&mut shift).enumerate() {
                let Some((offset, ratio)) = aim.of(c) else { continue };
                *shift += *scale * offset as f32;
                *scale *= ratio as f32;
            }
        }
        let mut made = |what: &str| edit.fresh(&format!("{}_{what}", node.output[0]));
        let [mean, centred, squared, variance, shifted, deviation, unit, scaled] =
            ["mean", "centred", "squared", "variance", "shifted", "deviation", "unit", "scaled"].map(&mut made);
        let [gamma, beta, epsilon] = ["gamma", "beta", "epsilon"].map(&mut made);
        let others: Vec<i64> = (0..rank as i64).filter(|k| *k != 1).collect();
        let small = onnx::attr_f(&node, "epsilon").unwrap_or(1e-5);
        let x = node.input[0].as_str();
        let reduced = edit.reduce("ReduceMean", x, &others, true)?.output(&mean);
        edit.op(reduced);
        edit.op(simple("Sub", [x, &mean], &centred));
        edit.op(simple("Mul", [&centred, &centred], &squared));
        let reduced = edit.reduce("ReduceMean", &squared, &others, true)?.output(&variance);
        edit.op(reduced);
        let outputs = vec![node.output[0].clone()];
        if aims.is_some() {
            let per_channel: Vec<usize> = [scale.len()].into_iter().chain(vec![1; rank - 2]).collect();
            edit.hold(onnx::from_f32(&gamma, &per_channel, &scale, DType::Float)?);
            edit.hold(onnx::from_f32(&beta, &per_channel, &shift, DType::Float)?);
            edit.hold(onnx::from_f32(&epsilon, &[], &[small], DType::Float)?);
            edit.op(simple("Add", [&variance, &epsilon], &shifted));
            edit.op(NewNode::new("Sqrt").input(&shifted).output(&deviation));
            edit.op(simple("Div", [&centred, &deviation], &unit));
            edit.op(simple("Mul", [&unit, &gamma], &scaled));
            edit.op(simple("Add", [&scaled, &beta], &outputs[0]));
        } else {
            edit.emit(node);
        }
        let (nodes, epsilon) = (vec![i], f64::from(small));
        all.push(Normalization { nodes, outputs, mean, variance, epsilon, sums: Vec::new(), squares: Vec::new() });
    }
    *graph = edit.finish();
    Ok((model, all))
}

/// For each node the rank of its input, if it is a batch normalisation of float32 that only normalises.
fn ranks(model: &Model) -> Result<Vec<Option<usize>>> {
    let graph = Graph::new(model)?;
    let facts = Facts::infer(&graph, &Facts::seed(&graph));
    let rank = |i: NodeId, n: &NodeProto| {
        let plain = matches!(n.domain(), "" | "ai.onnx")
            && n.op_type() == "BatchNormalization"
            && n.output.iter().filter(|o| !o.is_empty()).count() == 1
            && onnx::attr_i(n, "training_mode").unwrap_or(0) == 0;
        let fact = &facts.tensors[graph.inputs[i].first().copied().flatten()?];
        let rank = fact.shape.as_ref()?.len();
        (plain && fact.dtype == DType::Float && rank >= 2).then_some(rank)
    };
    let main = |(i, _): &(NodeId, &NodeProto)| graph.scope_of(*i) == 0 && !graph.is_entry(*i);
    Ok(graph.numbered().filter(main).map(|(i, n)| rank(i, n)).collect())
}

fn simple(op: &str, inputs: [&str; 2], output: &str) -> NewNode {
    NewNode::new(op).inputs(inputs).output(output)
}
