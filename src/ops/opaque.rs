//! Operators whose shapes are known and whose axes are frozen, each for a reason.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, RelateCx};
use super::fact::{axis, dtype};

/// Known, and left alone: what the file declares of its outputs is believed.
pub struct Frozen(pub &'static str);
/// The output has the input's shape; nothing of it may shrink.
pub struct SameShape(pub &'static str);
/// `TopK`: sorts along one axis; the others pass through.
pub struct TopK;

impl Operator for Frozen {
    fn infer(&self, _cx: &mut InferCx) -> Option<()> {
        None
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<()> {
        None
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

impl Operator for SameShape {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let x = cx.input(0)?;
        x.iter().for_each(|t| cx.freeze(*t, self.0));
        cx.set(0, x);
        Some(())
    }
}

impl Operator for TopK {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let mut shape = cx.shape(0)?.to_vec();
        let a = axis(cx.int("axis").unwrap_or(-1), shape.len())?;
        shape[a] = match cx.int("k").map(Dim::from).or_else(|| cx.dims(1)?.first().cloned()) {
            Some(k) => k,
            None => cx.unknown(0, a),
        };
        let dt = cx.dtype(0);
        cx.set(0, dt, shape.clone());
        cx.set(1, dtype::INT64, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let mut x = cx.input(0)?;
        let a = axis(cx.int("axis").unwrap_or(-1), x.len())?;
        cx.freeze(x[a], "sorted axis");
        let size = cx.out_shape(0)?.get(a)?.clone();
        x[a] = cx.frozen(&size, "sorted axis");
        cx.set(0, x.clone());
        cx.set(1, x);
        Some(())
    }
}
