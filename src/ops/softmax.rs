//! Softmax and its kin: one axis (before opset 13: all axes from one on) becomes a distribution.

use crate::algebra::Term;

use super::Operator;
use super::context::{InferCx, RelateCx};
use super::elementwise::opaque;

/// `Softmax`, `LogSoftmax`, `Hardmax`.
pub struct Softmax;

/// `BiasSoftmax`: a bias or mask is added before; all axes from `axis` on become one distribution.
pub struct BiasSoftmax;

impl Operator for Softmax {
    fn about(&self) -> &'static str {
        "mixes across the axis, whose positions are bins of a distribution"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let x = cx.input(0)?;
        if x.is_empty() {
            cx.set(0, x);
            return Some(());
        }
        let over = if cx.opset >= 13 {
            let a = cx.axis(0, -1)?;
            a..a + 1
        } else {
            cx.axis(0, 1)?..x.len()
        };
        x[over].iter().for_each(|t| distribute(cx, *t));
        cx.set(0, x);
        Some(())
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

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let from = cx.axis(0, -1)?;
        opaque(2).relate(cx)?;
        cx.input(0)?[from..].iter().for_each(|t| distribute(cx, *t));
        Some(())
    }
}
