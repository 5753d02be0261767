//! Numbers in other places.

use ndarray::{Axis, IxDyn, Slice, concatenate};

use super::numbers::{Numbers, ValueCx, spread};
use crate::onnx;
use crate::ops::fact::axis;
use crate::ops::transpose::permutation;

/// What keeps the order of the numbers and has another shape, or another type: Reshape, Squeeze, Cast and the like.
pub fn reshaped(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?.as_standard_layout().into_owned();
    Some(vec![x.into_shape_with_order(cx.shape_out(0)?).ok()?])
}

/// `Cast` between floats.
pub fn cast(cx: &ValueCx) -> Option<Vec<Numbers>> {
    Some(vec![cx.any(0)?])
}

/// `Transpose`.
pub fn transposed(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let perm = permutation(onnx::attr_ints(cx.node, "perm").map(<[i64]>::to_vec), x.ndim())?;
    Some(vec![x.view().permuted_axes(IxDyn(&perm)).as_standard_layout().into_owned()])
}

/// `Expand`.
pub fn expanded(cx: &ValueCx) -> Option<Vec<Numbers>> {
    Some(vec![spread(cx.floats(0)?, &cx.shape_out(0)?)?.to_owned()])
}

/// `Concat`.
pub fn concatenated(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let parts: Vec<_> = (0..cx.inputs.len()).map(|i| Some(cx.floats(i)?.view())).collect::<Option<_>>()?;
    let k = axis(cx.int("axis")?, parts.first()?.ndim())?;
    Some(vec![concatenate(Axis(k), &parts).ok()?])
}

/// `Split`: the sizes are those of the outputs.
pub fn split(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let k = cx.axis(0, x.ndim())?;
    let (mut from, mut out) = (0, Vec::new());
    for o in 0..cx.outputs.len() {
        let n = *cx.shape_out(o)?.get(k)?;
        if from + n > x.shape()[k] {
            return None;
        }
        out.push(x.slice_axis(Axis(k), Slice::from(from..from + n)).to_owned());
        from += n;
    }
    Some(out)
}

/// `Slice`, forwards.
pub fn sliced(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let given = |i: usize, name: &str| match cx.has(i) {
        true => cx.whole(i),
        false => Some(onnx::attr_ints(cx.node, name).unwrap_or_default().to_vec()),
    };
    let (starts, ends, axes, steps) = (given(1, "starts")?, given(2, "ends")?, given(3, "axes")?, given(4, "steps")?);
    let mut view = x.view();
    for (j, (start, end)) in starts.iter().zip(&ends).enumerate() {
        let k = axis(axes.get(j).copied().unwrap_or(j as i64), x.ndim())?;
        let step = isize::try_from(steps.get(j).copied().unwrap_or(1)).ok().filter(|s| *s > 0)?;
        let n = x.shape()[k] as i64;
        let at = |p: i64| (if p < 0 { p.saturating_add(n) } else { p }).clamp(0, n) as isize;
        let (start, end) = (at(*start), at(*end));
        view.slice_axis_inplace(Axis(k), Slice::new(start, Some(end.max(start)), step));
    }
    Some(vec![view.to_owned()])
}

/// `Gather`.
pub fn gathered(cx: &ValueCx) -> Option<Vec<Numbers>> {
    let x = cx.floats(0)?;
    let k = cx.axis(0, x.ndim())?;
    let n = x.shape()[k] as i64;
    let place = |i: i64| usize::try_from(if i < 0 { i + n } else { i }).ok().filter(|i| (*i as i64) < n);
    let places: Vec<usize> = cx.whole(1)?.into_iter().map(place).collect::<Option<_>>()?;
    let picked = x.select(Axis(k), &places).as_standard_layout().into_owned();
    Some(vec![picked.into_shape_with_order(cx.shape_out(0)?).ok()?])
}
