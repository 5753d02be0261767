//! Softmax and its kin: one axis (before opset 13: all axes from one on) becomes a distribution.

use super::Operator;
use super::context::{InferCx, RelateCx};

/// `Softmax`, `LogSoftmax`, `Hardmax`.
pub struct Softmax;

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
        for &t in &x[over] {
            cx.mark(t, |f| {
                f.mixed = true;
                f.distribution = true;
            });
        }
        cx.set(0, x);
        Some(())
    }
}
