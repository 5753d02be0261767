//! Reductions over axes.

use ndarray::{ArrayD, Axis};

use super::numbers::{Numbers, ValueCx};

/// Over the given axes, all if none are given: `start`, then `step` for each number, then `end` with their count.
pub fn reduce(
    cx: &ValueCx,
    start: f64,
    step: impl Fn(f64, f64) -> f64,
    end: impl Fn(f64, f64) -> f64,
) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let mut over = cx.axes(1, x.ndim())?;
    if over.is_empty() {
        if cx.int("noop_with_empty_axes") == Some(1) {
            return Some(vec![x.clone()]);
        }
        over = (0..x.ndim()).collect();
    }
    over.sort_unstable();
    over.dedup();
    let count: usize = over.iter().map(|k| x.shape()[*k]).product();
    let mut out = fold(x, &over, start, &step);
    out.mapv_inplace(|v| end(v, count as f64));
    let shape = cx.shape_out(0)?;
    Some(vec![out.into_shape_with_order(shape).ok()?])
}

/// Folds numbers over axes, which become 1 long; each sum goes along the axes in their order.
pub fn fold(x: &Numbers, over: &[usize], start: f64, step: &impl Fn(f64, f64) -> f64) -> Numbers {
    let mut shape = x.shape().to_vec();
    over.iter().for_each(|k| shape[*k] = 1);
    let mut out = ArrayD::from_elem(shape, start);
    let mut lanes = out.view_mut();
    // Seen through a broadcast, every number knows its sum.
    let mut at = vec![0usize; x.ndim()];
    for (index, v) in x.indexed_iter() {
        for (k, i) in at.iter_mut().enumerate() {
            *i = if over.contains(&k) { 0 } else { index[k] };
        }
        let sum = &mut lanes[at.as_slice()];
        *sum = step(*sum, *v);
    }
    out
}

/// Means and variances over axes, which become 1 long.
pub fn moments(x: &Numbers, over: &[usize]) -> Option<(Numbers, Numbers)> {
    let count = over.iter().map(|k| x.shape()[*k]).product::<usize>() as f64;
    let mean = fold(x, over, 0.0, &|s, v| s + v) / count;
    let centred = x - &mean.broadcast(x.raw_dim())?;
    let variance = fold(&centred, over, 0.0, &|s, v| s + v * v) / count;
    Some((mean, variance))
}

/// `Softmax` over one axis, or, before operator set 13, over this axis and all behind it.
pub fn softmax(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let k = cx.axis(-1, x.ndim())?;
    // The older form is the same where no axis follows.
    if cx.int("axis").is_none() || k + 1 != x.ndim() {
        return None;
    }
    let mut out = x.clone();
    for mut lane in out.lanes_mut(Axis(k)) {
        let most = lane.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        lane.mapv_inplace(|v| (v - most).exp());
        let sum = lane.sum();
        lane.mapv_inplace(|v| v / sum);
    }
    Some(vec![out])
}
