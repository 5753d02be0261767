//! Biases of attention that depend on the distance of two tokens.

use crate::algebra::{Dim, Monomial, Term};
use crate::onnx::{self, proto::NodeProto};

use super::context::{CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::fact::Fact;
use super::{Operator, Work};

/// `RelativePositionBias`: a table [buckets, heads], looked up for every pair of tokens.
pub struct Relative;

/// `GatedRelativePositionBias`: a bias [1, heads, tokens, tokens], scaled by a gate computed from the queries.
pub struct Gated;

const PAIRS: &str = "pairs of tokens";

impl Operator for Relative {
    fn about(&self) -> &'static str {
        "heads pass from the table to the bias; its buckets freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let heads = cx.shape(0)?.get(1)?.clone();
        let mut shape = vec![Dim::from(1i64), heads];
        for (k, input) in [(2, 1), (3, 2)] {
            let length = cx.dims(input).and_then(|d| d.first().cloned());
            shape.push(length.unwrap_or_else(|| cx.unknown(0, k)));
        }
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let [buckets, heads] = cx.input(0)?[..] else { return None };
        cx.freeze(buckets, "picked by index");
        cx.role(0, 1, Role::Embedding);
        let one = cx.frozen(&Dim::from(1i64), PAIRS);
        let pairs = cx.frozen_tail(0, 2, PAIRS)?;
        Some(Related::one([&[one, heads], &pairs[..]].concat()))
    }
}

/// Heads, and channels of one.
fn sizes(node: &NodeProto, inputs: &[Option<&Fact>]) -> Option<(i64, i64)> {
    let shape = |i: usize| inputs.get(i).copied().flatten()?.shape.as_deref();
    let (heads, channels) = (onnx::attr_i(node, "num_heads")?, shape(3)?.first()?.known()?);
    let width = shape(1)?.first()?.known()?;
    (heads > 0 && channels > 0 && heads.checked_mul(channels)? == width).then_some((heads, channels))
}

impl Operator for Gated {
    fn about(&self) -> &'static str {
        "heads and their channels follow the queries"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        sizes(cx.node, &cx.inputs)?;
        // Packed tokens, without an axis for samples, do not tell how many there are.
        let [batch, _, _] = cx.shape(0)? else { return None };
        let shape = [std::slice::from_ref(batch), cx.shape(2)?.get(1..4)?].concat();
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (heads, channels) = sizes(cx.node, &cx.inputs)?;
        let [batch, _, width] = cx.input(0)?[..] else { return None };
        let [_, h, rows, columns] = cx.input(2)?[..] else { return None };
        let (heads, channels) = (cx.terms.atom(Dim::from(heads)), cx.terms.atom(Dim::from(channels)));
        let both = cx.terms.product(&[heads, channels]);
        cx.unify(width, both);
        cx.unify(*cx.input(1)?.first()?, both);
        cx.unify(heads, h);
        let [reads, gates] = cx.input(3)?[..] else { return None };
        cx.unify(channels, reads);
        for t in [gates, *cx.input(4)?.first()?] {
            cx.freeze(t, "halves of a gate");
        }
        cx.unify(heads, *cx.input(5)?.get(1)?);
        cx.role(3, 0, Role::In);
        for (input, axis) in [(1, 0), (2, 1), (5, 1)] {
            cx.role(input, axis, Role::Carried);
        }
        [rows, columns].into_iter().for_each(|t| cx.freeze(t, PAIRS));
        Some(Related::one(vec![batch, heads, rows, columns]))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let (_, channels) = sizes(cx.node, &cx.before)?;
        let heads = cx.blocks(*cx.axes_in.get(1)?.as_ref()?.first()?, channels)?;
        Some(Rewrite::default().int("num_heads", heads))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || -> Option<Vec<Term>> { Some([cx.input(0)?, &[*cx.input(3)?.get(1)?]].concat()) };
        count().map(CostCx::product).unwrap_or_default()
    }
}
