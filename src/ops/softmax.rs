//! Softmax and its kin: one axis (before opset 13: all axes from one on) becomes a distribution.

use crate::algebra::Term;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related};
use super::elementwise::opaque;

/// `Softmax`, `LogSoftmax`, `Hardmax`.
pub struct Softmax;

/// `BiasSoftmax`: a bias or mask is added before; all axes from `axis` on become one distribution.
pub struct BiasSoftmax;

impl Operator for Softmax {
    fn about(&self) -> &'static str {
        "mixes across the axis, whose positions are bins of a distribution"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        if x.is_empty() {
            related.set(0, x);
            return Some(related);
        }
        let over = if cx.opset >= 13 {
            let a = cx.axis(0, -1)?;
            a..a + 1
        } else {
            cx.axis(0, 1)?..x.len()
        };
        x[over].iter().for_each(|t| distribute(cx, *t));
        related.set(0, x);
        Some(related)
    }
}

/// Marks an axis whose positions share a sum of one.
fn distribute(cx: &mut RelateCx, t: Term) {
    cx.mark(t, |f| {
        f.mixed = true;
        f.distribution = true;
    });
}

impl Operator for BiasSoftmax {
    fn about(&self) -> &'static str {
        "mixes across the axes, whose positions are bins of a distribution"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let from = cx.axis(0, -1)?;
        let related = opaque(2).relate(cx)?;
        cx.input(0)?[from..].iter().for_each(|t| distribute(cx, *t));
        Some(related)
    }
}
