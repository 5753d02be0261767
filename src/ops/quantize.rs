//! `QuantizeLinear`, `DequantizeLinear`, `DynamicQuantizeLinear`: from real numbers to whole ones and back.

use crate::algebra::Term;
use crate::tensor::DType;

use super::Operator;
use super::context::{InferCx, Inferred, Quantized, RelateCx, Related};

/// `QuantizeLinear`, or `DequantizeLinear` the other way.
pub struct Quantize {
    /// Whether floats come out.
    pub back: bool,
}

/// `DynamicQuantizeLinear`: the scale comes from the largest and smallest element of all.
pub struct DynamicQuantize;

impl Operator for Quantize {
    fn about(&self) -> &'static str {
        "each position by itself; scales and zero points follow their axis, blocks stay whole"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let given = cx.int("output_dtype").filter(|t| *t != 0).map(|t| DType::of(t as i32));
        let dt = given.unwrap_or(match (self.back, cx.has(2)) {
            (true, _) => cx.dtype(1),
            (false, true) => cx.dtype(2),
            (false, false) => DType::Uint8,
        });
        let shape = cx.shape(0)?.to_vec();
        Some(Inferred::one(dt, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        // A parameter for all of it asks for no axis: the default may lie beyond the last.
        let axis = cx.axis(0, 1).unwrap_or(0);
        if self.back {
            cx.quantized(0, Quantized { scale: Some(1), zero_point: Some(2), axis, packed: None });
        }
        for i in 1..cx.inputs.len().min(3) {
            follow(cx, &x, i, axis)?;
        }
        Some(Related::one(x))
    }
}

/// Relates the axes of scale or zero point `i` to those of the numbers it belongs to.
pub fn follow(cx: &mut RelateCx, x: &[Term], i: usize, axis: usize) -> Option<()> {
    let Some(p) = cx.input(i) else { return Some(()) };
    cx.parameter(i);
    if p.iter().all(|t| cx.terms.size(*t).is(1)) {
        return Some(());
    }
    if let [each] = p[..] {
        cx.unify(*x.get(axis)?, each);
        return Some(());
    }
    // A parameter for each block of positions on one axis, for each position on the others.
    if p.len() != x.len() {
        return None;
    }
    for (k, (&t, &each)) in x.iter().zip(&p).enumerate() {
        if k != axis {
            cx.unify(t, each);
            continue;
        }
        match cx.terms.split_product(t, &cx.terms.size(each)) {
            Some((blocks, block)) => {
                cx.freeze(block, "block of a quantization");
                cx.unify(blocks, each);
            }
            None => {
                cx.freeze(t, "block of a quantization");
                cx.freeze(each, "block of a quantization");
            }
        }
    }
    Some(())
}

impl Operator for DynamicQuantize {
    fn about(&self) -> &'static str {
        "mixes across all axes, which share one scale"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let (dt, shape) = (cx.dtype(0), cx.shape(0)?.to_vec());
        told.set(0, DType::Uint8, shape);
        told.set(1, dt, Vec::new());
        told.set(2, DType::Uint8, Vec::new());
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        x.iter().for_each(|t| cx.mark(*t, |f| f.mixed = true));
        related.set(0, x);
        related.set(1, Vec::new());
        related.set(2, Vec::new());
        Some(related)
    }
}
