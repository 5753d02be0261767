//! Statistics of batch normalisations, estimated again on data.
//!
//! In a copy of the model every normalisation uses the mean and variance of its batch, as in training, so that each
//! sees what the ones before it will give once they are recalibrated: one pass serves all.

use std::collections::HashMap;

use super::error::Result;
use super::replace::Initializers;
use crate::analysis::{Facts, Graph};
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto};
use crate::onnx::{self, DType, ExternalLayout, Model};
use crate::statistics::{Calibration, Tap, tapped};

/// A normalisation in the copy.
struct Normalization {
    /// The nodes: several where they are one layer.
    nodes: Vec<usize>,
    /// Names of its batch's mean and variance.
    mean: String,
    variance: String,
    /// Sums over samples of the mean, and of the variance and the square of the mean.
    sums: Vec<f64>,
    squares: Vec<f64>,
}

/// Gives every batch normalisation of the model with constant statistics those of the data. Returns their number.
///
/// # Errors
/// When the data or the runtime fails.
pub fn recalibrate(
    proto: &mut ModelProto,
    external: Option<&ExternalLayout>,
    calibration: &Calibration,
) -> Result<usize> {
    let (copy, mut all) = by_batch(proto, external)?;
    if all.is_empty() {
        return Ok(0);
    }
    let copy = tapped(&copy, all.iter().flat_map(|n| [n.mean.as_str(), n.variance.as_str()]))?;
    let samples = Tap::open(&copy, calibration)?.run(&mut |batch, outputs, _| {
        for n in &mut all {
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
    })?;
    let Some(graph) = &mut proto.graph else { return Ok(0) };
    let mut initializers = Initializers::of(graph);
    let mut done = 0;
    for n in pooled(graph, &initializers, all) {
        let samples = (samples * n.nodes.len()) as f64;
        let mean: Vec<f64> = n.sums.iter().map(|s| s / samples).collect();
        let variance = n.squares.iter().zip(&mean).map(|(s, m)| (s / samples - m * m).max(0.0) as f32);
        let (mean, variance): (Vec<f32>, Vec<f32>) = (mean.iter().map(|m| *m as f32).collect(), variance.collect());
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

/// A copy of the model in which normalisations use their batch's statistics.
fn by_batch(proto: &ModelProto, external: Option<&ExternalLayout>) -> Result<(Model, Vec<Normalization>)> {
    let mut model = Model { proto: proto.clone(), external: external.cloned(), ..Model::default() };
    let ranks = ranks(&model)?;
    let axes_as_input = onnx::opset(proto, "") >= 18;
    let Some(graph) = &mut model.proto.graph else { return Ok((model, Vec::new())) };
    let mut initializers = Initializers::of(graph);
    let (mut nodes, mut all) = (Vec::with_capacity(graph.node.len()), Vec::new());
    for (i, node) in graph.node.iter().enumerate() {
        let parameters = |k: usize| initializers.values(graph, node, k);
        let (Some(rank), Some(scale), Some(shift), Some(_), Some(_)) =
            (ranks[i], parameters(1), parameters(2), parameters(3), parameters(4))
        else {
            nodes.push(node.clone());
            continue;
        };
        let mut made = |what: &str| initializers.fresh(&format!("{}_{what}", node.output[0]));
        let [mean, centred, squared, variance, shifted, deviation, unit, scaled] =
            ["mean", "centred", "squared", "variance", "shifted", "deviation", "unit", "scaled"].map(&mut made);
        let [gamma, beta, epsilon, axes] = ["gamma", "beta", "epsilon", "axes"].map(&mut made);
        let per_channel: Vec<usize> = [scale.len()].into_iter().chain(vec![1; rank - 2]).collect();
        let others: Vec<i64> = (0..rank as i64).filter(|k| *k != 1).collect();
        graph.initializer.push(onnx::from_f32(&gamma, &per_channel, &scale, DType::Float)?);
        graph.initializer.push(onnx::from_f32(&beta, &per_channel, &shift, DType::Float)?);
        let small = onnx::attr_f(node, "epsilon").unwrap_or(1e-5);
        graph.initializer.push(onnx::from_f32(&epsilon, &[], &[small], DType::Float)?);
        if axes_as_input {
            graph.initializer.push(onnx::from_i64(&axes, &[others.len()], &others)?);
        }
        let reduce = |from: &str, to: &str| {
            let mut n = simple("ReduceMean", &[from], to);
            if axes_as_input {
                n.input.push(axes.clone());
            } else {
                n.attribute.push(AttributeProto {
                    name: Some("axes".to_owned()),
                    r#type: Some(AttributeType::Ints as i32),
                    ints: others.clone(),
                    ..AttributeProto::default()
                });
            }
            n
        };
        let x = node.input[0].as_str();
        nodes.extend([
            reduce(x, &mean),
            simple("Sub", &[x, &mean], &centred),
            simple("Mul", &[&centred, &centred], &squared),
            reduce(&squared, &variance),
            simple("Add", &[&variance, &epsilon], &shifted),
            simple("Sqrt", &[&shifted], &deviation),
            simple("Div", &[&centred, &deviation], &unit),
            simple("Mul", &[&unit, &gamma], &scaled),
            simple("Add", &[&scaled, &beta], &node.output[0]),
        ]);
        all.push(Normalization { nodes: vec![i], mean, variance, sums: Vec::new(), squares: Vec::new() });
    }
    graph.node = nodes;
    Ok((model, all))
}

/// For each node the rank of its input, if it is a batch normalisation of float32 that only normalises.
fn ranks(model: &Model) -> Result<Vec<Option<usize>>> {
    let graph = Graph::new(model)?;
    let facts = Facts::infer(&graph, &Facts::seed(&graph));
    let rank = |i: usize, n: &NodeProto| {
        let plain = matches!(n.domain(), "" | "ai.onnx")
            && n.op_type() == "BatchNormalization"
            && n.output.iter().filter(|o| !o.is_empty()).count() == 1
            && onnx::attr_i(n, "training_mode").unwrap_or(0) == 0;
        let fact = &facts.tensors[graph.inputs[i].first().copied().flatten()?];
        let rank = fact.shape.as_ref()?.len();
        (plain && fact.dtype == DType::Float as i32 && rank >= 2).then_some(rank)
    };
    Ok(graph.nodes().iter().enumerate().map(|(i, n)| rank(i, n)).collect())
}

fn simple(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|s| (*s).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}
