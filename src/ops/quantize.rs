//! `QuantizeLinear` and `DequantizeLinear`: each position by itself, with a scale for all or one for each position of an axis.

use super::Operator;
use super::context::{InferCx, RelateCx};
use super::fact::dtype;

/// `QuantizeLinear`, or `DequantizeLinear` the other way.
pub struct Quantize {
    /// Whether floats come out.
    pub back: bool,
}

impl Operator for Quantize {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let given = cx.int("output_dtype").filter(|t| *t != 0).map(|t| t as i32);
        let dt = given.unwrap_or(match (self.back, cx.has(2)) {
            (true, _) => cx.dtype(1),
            (false, true) => cx.dtype(2),
            (false, false) => dtype::UINT8,
        });
        let shape = cx.shape(0)?.to_vec();
        cx.set(0, dt, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let x = cx.input(0)?;
        for i in 1..cx.inputs.len().min(3) {
            let Some(p) = cx.input(i) else { continue };
            match p[..] {
                [] => {}
                [one] if cx.terms.size(one).is(1) => {}
                [each] => {
                    let along = *x.get(cx.axis(0, 1)?)?;
                    cx.unify(along, each);
                }
                // Scales for blocks of positions.
                _ => return None,
            }
        }
        cx.set(0, x);
        Some(())
    }
}
