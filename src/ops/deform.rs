//! Convolutions with operands of their own: DeformConv reads where its offsets say, CausalConvWithState keeps what
//! it has seen.

use crate::algebra::{Dim, Monomial};

use super::context::{CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::conv::{Conv, ConvLayout};
use super::{Operator, Work};

/// `DeformConv`: data, weight, offsets, bias, mask.
pub struct DeformConv;

/// `CausalConvWithState`: a depthwise convolution over what came before.
pub struct CausalConv;

const CONV: Conv = Conv { transposed: false, layout: ConvLayout::ChannelsFirst };

/// The operands that a convolution has too.
const AS_CONV: &[usize] = &[0, 1, 3];

impl Operator for DeformConv {
    fn about(&self) -> &'static str {
        "a contraction like Conv; offsets, mask and their groups freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.through(AS_CONV, |cx| CONV.infer(cx))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        for i in [2, 4] {
            cx.input(i).unwrap_or_default().iter().for_each(|t| cx.freeze(*t, "offsets of a kernel"));
        }
        let groups = cx.int("offset_group").unwrap_or(1);
        if groups > 1 {
            let (groups, _) = cx.terms.split_product(*cx.axes_in.first()?.as_ref()?.get(1)?, &Dim::from(groups))?;
            cx.freeze(groups, "offsets of a kernel");
        }
        cx.through(AS_CONV, |cx| CONV.relate(cx))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        CONV.rewrite(cx)
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        CONV.macs(cx)
    }
}

impl Operator for CausalConv {
    fn about(&self) -> &'static str {
        "each channel by itself; weight, bias and state follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = cx.same_as_input()?;
        let x = cx.shape(0)?.to_vec();
        let past = cx.shape(1)?.last()?.minus(&Dim::from(1i64));
        let dtype = cx.dtype(0);
        told.set(1, dtype, vec![x.first()?.clone(), x.get(1)?.clone(), past]);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        let channel = *x.get(1)?;
        for (input, axis) in [(1, 0), (2, 0), (3, 1)] {
            let Some(p) = cx.input(input) else { continue };
            cx.unify(channel, *p.get(axis)?);
            cx.role(input, axis, Role::Carried);
            for (k, t) in p.iter().enumerate().filter(|(k, _)| *k > axis) {
                cx.freeze(*t, if input == 1 && k > 0 { "kernel axis" } else { "state of a convolution" });
            }
        }
        cx.freeze(*x.get(2)?, "positions in time");
        let mut state = vec![x[0], channel];
        state.extend(cx.frozen_tail(1, 2, "state of a convolution").unwrap_or_default());
        related.set(1, state);
        related.set(0, x);
        Some(related)
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let x = cx.axes_in.first()?.as_ref()?;
            Some([&x[..], &[*cx.axes_in.get(1)?.as_ref()?.last()?]].concat())
        };
        count().map(CostCx::product).unwrap_or_default()
    }
}
