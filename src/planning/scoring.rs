//! Contents of weights for scoring.

use super::error::Result;
use crate::analysis::{Analysis, WeightView};
use crate::criteria::{
    Criterion, GroupItems, ItemRole as Scored, Needs, ScoreOptions, Scoreboard, ScoredItem, Weight, WeightData,
};
use crate::index::Id;
use crate::onnx;
use crate::onnx::proto::TensorProto;
use crate::ops::Role;
use crate::statistics::Statistics;
use crate::tensor::DType;

/// The weights and groups of a model as criteria see them, with what is known beside them.
///
/// # Errors
/// When a weight's contents do not fit its shape.
fn inputs(a: &Analysis, statistics: &Statistics) -> onnx::Result<(Vec<Weight>, Vec<GroupItems>)> {
    let mut weights = Vec::with_capacity(a.views.len());
    for v in &a.views {
        let name = a.graph.weight_name(v.tensor).to_owned();
        let Some(t) = a.graph.tensor(v.tensor) else {
            // Indices must stay those of the views.
            weights.push(Weight { name, shape: vec![0], ..Weight::default() });
            continue;
        };
        let raw = t.raw_data.clone().filter(|raw| !raw.is_empty());
        let data = match (raw, onnx::dtype_of(t)) {
            (Some(raw), DType::Float) => WeightData::Bytes(raw),
            (Some(raw), DType::Float16) => WeightData::Half(raw),
            (Some(raw), DType::Bfloat16) => WeightData::Brain(raw),
            _ => WeightData::Floats(numbers(a, v, t)?),
        };
        let shape = match v.quantized {
            Some(q) => onnx::dequantized_shape(t, &a.graph.affine(&q))?,
            None => onnx::shape(t)?,
        };
        let statistics = statistics.weights.get(&v.tensor).cloned().unwrap_or_default();
        weights.push(Weight { name, shape, data, statistics });
    }
    let groups = a.groups.iter().enumerate().map(|(k, g)| GroupItems {
        name: g.name.clone(),
        channels: g.size,
        items: g
            .items
            .iter()
            .map(|i| ScoredItem {
                weight: i.view.place(),
                axis: i.axis,
                role: scored(i.role),
                channel: i.channel.clone(),
            })
            .collect(),
        statistics: statistics.groups.get(k).cloned().unwrap_or_default(),
    });
    Ok((weights, groups.collect()))
}

/// Scores of all channels of every group with nothing removed.
///
/// # Errors
/// When a weight cannot be read or the criterion cannot score.
pub fn first_scores(
    a: &Analysis,
    criterion: &'static dyn Criterion,
    score: ScoreOptions,
    statistics: &Statistics,
) -> Result<Vec<Vec<f64>>> {
    let board = board(a, criterion, score, statistics)?;
    Ok((0..board.groups()).map(|g| board.scores(g).to_vec()).collect())
}

/// A scoreboard for a model.
///
/// # Errors
/// As [`first_scores`].
pub fn board(
    a: &Analysis,
    criterion: &'static dyn Criterion,
    score: ScoreOptions,
    statistics: &Statistics,
) -> Result<Scoreboard> {
    let (needs, name) = (criterion.needs(), criterion.name());
    if needs.contains(Needs::ACTIVATIONS) && statistics.groups.is_empty() {
        return Err(crate::criteria::Error::NoData { criterion: name }.into());
    }
    if needs.reads_gradients() && statistics.weights.is_empty() {
        return Err(crate::criteria::Error::NoGradients { criterion: name }.into());
    }
    let (weights, groups) = inputs(a, statistics)?;
    Ok(Scoreboard::new(criterion, weights, groups, score)?)
}

/// The real numbers that a weight holds or stands for.
fn numbers(a: &Analysis, v: &WeightView, t: &TensorProto) -> onnx::Result<Vec<f32>> {
    match v.quantized {
        Some(q) => onnx::dequantize(t, &a.graph.affine(&q)),
        None => Ok(onnx::to_f32(t)?.into_owned()),
    }
}

fn scored(role: Role) -> Scored {
    match role {
        Role::Out | Role::Embedding => Scored::Out,
        Role::In => Scored::In,
        Role::BatchNorm => Scored::BatchNorm,
        Role::Norm => Scored::Norm,
        Role::Divisor | Role::Carried | Role::Quantization => Scored::Carried,
    }
}
