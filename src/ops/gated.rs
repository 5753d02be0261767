//! Gates that come on one axis with what they scale: the first half with the second.

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related, Role};
use super::elementwise::opaque;

/// `BiasSplitGelu`: a bias is added, then the first half is scaled by a function of the second.
pub struct BiasSplitGelu;

/// `SwiGLU`: gate and value, in one tensor or in two.
pub struct SwiGlu;

/// `GatedAdd`: a tensor, and one that is scaled for each token by a gate of width 1.
pub struct GatedAdd;

/// Half as wide.
fn infer(cx: &mut InferCx) -> Option<Inferred> {
    let mut shape = cx.shape(0)?.to_vec();
    let last = shape.last_mut()?;
    *last = last.div_exact(&2i64.into())?;
    let dtype = cx.dtype(0);
    Some(Inferred::one(dtype, shape))
}

/// Position k of one half meets position k of the other.
fn relate(cx: &mut RelateCx) -> Option<Related> {
    let mut axes = cx.input(0)?;
    let half = cx.out_shape(0)?.last()?.clone();
    let half = cx.terms.atom(half);
    let both = cx.terms.sum(&[half, half]);
    let last = axes.last_mut()?;
    cx.unify(*last, both);
    *last = half;
    Some(Related::one(axes))
}

impl Operator for BiasSplitGelu {
    fn about(&self) -> &'static str {
        "the two halves of the axis go together"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        infer(cx)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (x, bias) = (cx.input(0)?, cx.input(1)?);
        cx.unify(*x.last()?, *bias.first()?);
        cx.role(1, 0, Role::Carried);
        relate(cx)
    }
}

impl Operator for SwiGlu {
    fn about(&self) -> &'static str {
        "gate and value go together"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        if cx.has(1) { opaque(2).infer(cx) } else { infer(cx) }
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        if cx.has(1) { opaque(2).relate(cx) } else { relate(cx) }
    }
}

impl Operator for GatedAdd {
    fn about(&self) -> &'static str {
        "each position by itself; the gate couples nothing"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        // With a fourth input the gate is a layer of its own, for one device.
        if cx.has(3) { None } else { opaque(3).infer(cx) }
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        opaque(3).relate(cx)
    }
}
