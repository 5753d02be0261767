//! OneHot: indices become a new axis of zeros and a one.

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related};
use super::fact::{MAX_VALUE, Value, axis};
use super::{Numbers, Operator};

/// `OneHot`.
pub struct OneHot;

/// The contents, where all of them are known and the new axis is the last: exporters write counts of copies this way.
fn spelled(cx: &InferCx, at: usize) -> Option<Value> {
    let (indices, depth) = (cx.numbers(0)?, *cx.numbers(1)?.first()?);
    let len = usize::try_from(depth).ok()?.checked_mul(indices.len()).filter(|n| *n <= MAX_VALUE)?;
    if at != cx.rank(0)? {
        return None;
    }
    let hot = |i: &i64, k: i64| *i == k || i.checked_add(depth) == Some(k);
    cx.value(2)?.pick(indices.iter().flat_map(|i| (0..depth).map(move |k| usize::from(hot(i, k)))).take(len))
}

impl Operator for OneHot {
    fn numbers(&self, view: &NodeView, input: usize) -> Option<Numbers> {
        let depth = view.dims(1)?.first()?.clone();
        (input == 0).then_some(Numbers::Below(depth))
    }

    fn about(&self) -> &'static str {
        "the new axis is frozen, those of the indices pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let mut shape = cx.shape(0)?.to_vec();
        let at = axis(cx.int("axis").unwrap_or(-1), shape.len() + 1)?;
        let depth = match cx.dims(1).and_then(|d| d.first().cloned()) {
            Some(n) => n,
            None => cx.unknown(0, at),
        };
        shape.insert(at, depth);
        let (dt, value) = (cx.dtype(2), spelled(cx, at));
        told.set(0, dt, shape);
        if let Some(v) = value {
            told.set_value(0, v);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut axes = cx.input(0)?;
        let at = axis(cx.int("axis").unwrap_or(-1), axes.len() + 1)?;
        let depth = cx.out_shape(0)?.get(at)?.clone();
        let new = cx.frozen(&depth, "positions of an index");
        axes.insert(at, new);
        Some(Related::one(axes))
    }
}
