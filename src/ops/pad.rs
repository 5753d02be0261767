//! Pad: a sum with a free part at each end, so that pad amounts follow the axis they are added to.

use crate::algebra::Dim;
use crate::onnx;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx};

/// `Pad`.
pub struct Pad;

/// (axis, begin, end) of each padded axis.
macro_rules! amounts {
    ($cx:expr, $operand:expr) => {{
        let cx = &*$cx;
        let rank = cx.rank(0)?;
        let pads: Vec<Dim> = match cx.ints("pads") {
            Some(v) => v.into_iter().map(Dim::from).collect(),
            None => $operand?,
        };
        let axes: Vec<usize> = if cx.has(3) {
            cx.numbers(3)?.into_iter().map(|a| super::fact::axis(a, rank)).collect::<Option<_>>()?
        } else {
            (0..rank).collect()
        };
        if pads.len() != 2 * axes.len() {
            return None;
        }
        let n = axes.len();
        axes.into_iter().enumerate().map(|(k, a)| (a, pads[k].clone(), pads[k + n].clone())).collect::<Vec<_>>()
    }};
}

impl Operator for Pad {
    fn about(&self) -> &'static str {
        "constant padding is a sum with free ends; other modes freeze the padded axes"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (dtype, mut shape) = (cx.dtype(0), cx.shape(0)?.to_vec());
        let known: Option<Vec<(usize, Dim, Dim)>> = (|| Some(amounts!(cx, cx.dims(1).map(<[Dim]>::to_vec))))();
        match known {
            Some(pads) => pads.into_iter().for_each(|(a, b, e)| shape[a] = shape[a].plus(&b).plus(&e)),
            None => (0..shape.len()).for_each(|k| shape[k] = cx.unknown(0, k)),
        }
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut axes = cx.input(0)?;
        let constant = onnx::attr_s(cx.node, "mode").is_none_or(|m| m == "constant");
        for (a, begin, end) in amounts!(cx, cx.dims(1).map(<[Dim]>::to_vec)) {
            if begin.is(0) && end.is(0) {
                continue;
            }
            let size = cx.terms.size(axes[a]).plus(&begin).plus(&end);
            let positive = |d: &Dim| d.known().is_some_and(|n| n >= 0);
            axes[a] = if constant && positive(&begin) && positive(&end) {
                let (b, e) = (cx.terms.atom(begin), cx.terms.atom(end));
                cx.terms.sum(&[b, axes[a], e])
            } else {
                cx.freeze(axes[a], "padded with its own values or at run time");
                cx.frozen(&size, "padded with its own values or at run time")
            };
        }
        Some(Related::one(axes))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let before = |i: usize| cx.before.get(i).copied().flatten();
        let old = amounts!(cx, before(1)?.dims().map(<[Dim]>::to_vec));
        let mut now: Vec<Dim> = old.iter().map(|(_, b, _)| b.clone()).collect();
        now.extend(old.iter().map(|(_, _, e)| e.clone()));
        let n = old.len();
        let unchanged = now.clone();
        for (k, (a, begin, _)) in old.iter().enumerate() {
            let out = *cx.axes_out.first().copied()??.get(*a)?;
            let Some(b) = begin.known().filter(|_| cx.terms.shrinks(out, cx.kept)) else { continue };
            let size = before(0)?.shape.as_ref()?.get(*a)?.known()?;
            now[k] = cx.below(out, b)?;
            now[k + n] = cx.terms.kept_size(out, cx.kept).minus(&cx.below(out, b.checked_add(size)?)?);
        }
        if now == unchanged {
            return Some(Rewrite::default());
        }
        if cx.ints("pads").is_some() {
            let all: Option<Vec<i64>> = now.iter().map(Dim::known).collect();
            return Some(Rewrite::default().ints("pads", &all?));
        }
        cx.operand(1, "pads", &now)
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[1]
    }
}
