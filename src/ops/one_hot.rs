//! OneHot: indices become a new axis of zeros and a one.

use super::Operator;
use super::context::{InferCx, RelateCx};
use super::fact::{MAX_VALUE, Value, axis};

/// `OneHot`.
pub struct OneHot;

/// The one row of a single index: exporters write "all ones, but this size there" so.
fn vector(cx: &InferCx) -> Option<Value> {
    let (index, depth) = (cx.numbers(0)?, usize::try_from(*cx.numbers(1)?.first()?).ok()?);
    let ([index], true) = (&index[..], depth <= MAX_VALUE) else { return None };
    let index = axis(*index, depth)?;
    cx.value(2)?.pick((0..depth).map(|k| usize::from(k == index)))
}

impl Operator for OneHot {
    fn about(&self) -> &'static str {
        "the new axis is frozen, those of the indices pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let mut shape = cx.shape(0)?.to_vec();
        let at = axis(cx.int("axis").unwrap_or(-1), shape.len() + 1)?;
        let depth = match cx.dims(1).and_then(|d| d.first().cloned()) {
            Some(n) => n,
            None => cx.unknown(0, at),
        };
        shape.insert(at, depth);
        let dt = cx.dtype(2);
        let value = vector(cx);
        cx.set(0, dt, shape);
        if let Some(v) = value {
            cx.set_value(0, v);
        }
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let mut axes = cx.input(0)?;
        let at = axis(cx.int("axis").unwrap_or(-1), axes.len() + 1)?;
        let depth = cx.out_shape(0)?.get(at)?.clone();
        let new = cx.frozen(&depth, "positions of an index");
        axes.insert(at, new);
        cx.set(0, axes);
        Some(())
    }
}
