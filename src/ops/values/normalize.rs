//! Normalisations: weights are standardised with them.

use ndarray::{ArrayD, IxDyn};

use super::numbers::{Numbers, ValueCx};
use super::pointwise::filled;
use super::reduce::{fold, moments};

/// (x − mean) / √(variance + ε) · scale + shift, all broadcast to x.
fn normalized(x: &Numbers, mean: &Numbers, variance: &Numbers, epsilon: f64, affine: [&Numbers; 2]) -> Option<Numbers> {
    let all = x.raw_dim();
    let deviation = variance.mapv(|v| (v + epsilon).sqrt());
    let unit = (x - &mean.broadcast(all.clone())?) / &deviation.broadcast(all.clone())?;
    let [scale, shift] = affine;
    Some(unit * &scale.broadcast(all.clone())? + &shift.broadcast(all)?)
}

/// One number for each position of axis 1 of a tensor of that rank.
fn per_channel(x: &Numbers, rank: usize) -> Option<Numbers> {
    let mut shape = vec![1; rank];
    *shape.get_mut(1)? = x.len();
    ArrayD::from_shape_vec(IxDyn(&shape), x.iter().copied().collect()).ok()
}

fn epsilon(cx: &ValueCx) -> f64 {
    cx.float("epsilon").unwrap_or(f64::from(1e-5f32))
}

/// `BatchNormalization`: with its statistics, or in training with those of its input. Only what is normalised comes
/// out.
pub fn batch(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let rank = x.ndim();
    let each = |i: usize| per_channel(cx.floats(i)?, rank);
    let (mean, variance) = match cx.int("training_mode").unwrap_or(0) {
        0 if cx.outputs.len() == 1 => (each(3)?, each(4)?),
        1 => moments(x, &(0..rank).filter(|k| *k != 1).collect::<Vec<_>>())?,
        _ => return None,
    };
    Some(vec![normalized(x, &mean, &variance, epsilon(cx), [&each(1)?, &each(2)?])?])
}

/// `InstanceNormalization`.
pub fn instance(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let each = |i: usize| per_channel(cx.floats(i)?, x.ndim());
    let (mean, variance) = moments(x, &(2..x.ndim()).collect::<Vec<_>>())?;
    Some(vec![normalized(x, &mean, &variance, epsilon(cx), [&each(1)?, &each(2)?])?])
}

/// `LayerNormalization`. Only what is normalised comes out.
pub fn layer(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let over: Vec<usize> = (cx.axis(-1, x.ndim())?..x.ndim()).collect();
    let (mean, variance) = moments(x, &over)?;
    let none = filled(&[1], 0.0);
    let shift = if cx.has(2) { cx.floats(2)? } else { &none };
    Some(vec![normalized(x, &mean, &variance, epsilon(cx), [cx.floats(1)?, shift])?])
}

/// `LpNormalization`. A norm of 0 gives 0, as runtimes do.
pub fn lp(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let k = cx.axis(-1, x.ndim())?;
    let norm = match cx.int("p").unwrap_or(2) {
        1 => fold(x, &[k], 0.0, &|s, v| s + v.abs()),
        2 => fold(x, &[k], 0.0, &|s, v| s + v * v).mapv(f64::sqrt),
        _ => return None,
    };
    let divisor = norm.mapv(|n| if n == 0.0 { 1.0 } else { n });
    Some(vec![x / &divisor.broadcast(x.raw_dim())?])
}
