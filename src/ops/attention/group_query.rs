//! `GroupQueryAttention`: several heads of queries share one of keys and values; rotation included.

use crate::algebra::{Dim, Monomial, Term};
use crate::onnx::{self, proto::NodeProto};

use super::super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::super::fact::Fact;
use super::super::rotary;
use super::super::{Operator, Work};
use super::{
    Heads, Sizes, TOKENS, attach, channels_left, keep_scale, key_tokens, leading, macs, plain_macs, width_of_one,
};

/// `GroupQueryAttention`: query, key, value, or all of them side by side as the first input.
pub struct GroupQuery;

/// What the operator's kernels ask of the width of a head.
const MULTIPLE: i64 = 8;

/// Its attributes.
struct Given {
    /// Heads of queries.
    queries: Option<i64>,
    /// Heads of keys and values.
    heads: Option<i64>,
    rotates: bool,
    /// Whether neighbours are turned together instead of halves.
    interleaved: bool,
    /// Whether a cache holds floats as they are.
    plain_cache: bool,
    /// Whether the scale is spelled out.
    scaled: bool,
}

impl Attributes for Given {
    fn parse(node: &NodeProto, _opset: i64) -> Given {
        Given {
            queries: onnx::attr_i(node, "num_heads"),
            heads: onnx::attr_i(node, "kv_num_heads"),
            rotates: onnx::attr_i(node, "do_rotary") == Some(1),
            interleaved: onnx::attr_i(node, "rotary_interleaved") == Some(1),
            plain_cache: ["k_quant_type", "v_quant_type"]
                .iter()
                .all(|n| onnx::attr_s(node, n).is_none_or(|t| t.is_empty() || t == "NONE")),
            scaled: onnx::attr_f(node, "scale").is_some_and(|x| x != 0.0),
        }
    }
}

/// Sizes, and whether queries, keys and values come side by side.
fn sizes(given: &Given, inputs: &[Option<&Fact>]) -> Option<(Sizes, bool)> {
    let shape = |i: usize| inputs.get(i).copied().flatten()?.shape.as_deref();
    let (queries, heads) = (given.queries?, given.heads?);
    let [_, _, width] = shape(0)? else { return None };
    let width = width.known()?;
    let packed = shape(1).is_none();
    let all = if packed { queries.checked_add(heads.checked_mul(2)?)? } else { queries };
    let channels = width_of_one(width, all)?;
    Some((Sizes { queries, heads, channels, value: channels }, packed))
}

/// The channels of a head in blocks that leave its width a multiple of what the kernels ask for.
fn blocks(cx: &mut RelateCx, channels: Term) {
    let blocks = cx.terms.size(channels).div_exact(&Dim::from(MULTIPLE));
    match blocks.and_then(|n| cx.terms.split_product(channels, &n)) {
        Some((_, within)) => cx.freeze(within, "width of a head in steps of 8"),
        None => cx.freeze(channels, "width of a head in steps of 8"),
    }
}

/// Ties the channels of a head to the columns of the tables of angles.
fn rotate(cx: &mut RelateCx, channels: Term) -> Option<()> {
    let full = cx.terms.size(channels);
    let half = cx.shape(7).and_then(|s| s.get(1).cloned());
    let Some(half) = half.filter(|n| n.times(&Dim::from(2i64)) == full) else {
        cx.freeze(channels, "heads that are rotated in part");
        return Some(());
    };
    let (rotated, angles) = rotary::halves(cx, cx.attributes::<Given>().interleaved, &half);
    cx.unify(channels, rotated);
    blocks(cx, angles);
    rotary::table(cx, 7, angles)?;
    rotary::table(cx, 8, angles)
}

impl Operator for GroupQuery {
    fn about(&self) -> &'static str {
        "widths are heads times channels; heads and channels of each shrink, numbers and scale follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let (s, _) = sizes(&cx.attributes(), &cx.inputs)?;
        let q = cx.shape(0)?.to_vec();
        let keys = cx.shape(1).unwrap_or(&q).get(1)?.clone();
        let (t, d) = (cx.dtype(0), |n: i64| Dim::from(n));
        // Whether the past is a buffer of full length only a run can tell.
        let total = if cx.has(3) { cx.unknown(1, 2) } else { keys };
        let cache = vec![q[0].clone(), d(s.heads), total.clone(), d(s.channels)];
        told.set(0, t, vec![q[0].clone(), q[1].clone(), d(s.queries).times(&d(s.channels))]);
        told.set(1, t, cache.clone());
        told.set(2, t, cache);
        told.set(3, t, vec![q[0].clone(), d(s.queries), q[1].clone(), total]);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let given = cx.attributes::<Given>();
        let (s, packed) = sizes(&given, &cx.inputs)?;
        if !given.plain_cache {
            return None;
        }
        let mut h = Heads::new(cx, s)?;
        // All three have heads of one width.
        cx.unify(h.channels, h.value);
        h.value = h.channels;
        let [batch, tokens, width] = cx.input(0)?[..] else { return None };
        let queries = h.queries(cx);
        if packed {
            let all = h.side_by_side(cx);
            cx.unify(width, all);
        } else {
            let wide = cx.terms.product(&[queries, h.channels]);
            cx.unify(width, wide);
            for input in [1, 2] {
                let axes = cx.input(input)?;
                let place = attach(cx, &axes, h.heads, h.channels)?;
                cx.unify(batch, place.batch);
                cx.freeze(place.tokens, TOKENS);
            }
        }
        cx.freeze(tokens, TOKENS);
        match given.rotates {
            true => rotate(cx, h.channels)?,
            false => blocks(cx, h.channels),
        }
        let mut related = Related::default();
        h.cache(cx, &mut related, batch, ([3, 4], [1, 2]))?;
        h.mask(cx, 10);
        if let Some(sink) = cx.input(11) {
            cx.unify(*sink.first()?, queries);
            cx.role(11, 0, Role::Carried);
        }
        for input in [14, 15] {
            if let Some(scale) = cx.input(input) {
                cx.unify(*scale.first()?, h.channels);
                cx.role(input, 0, Role::Norm);
                cx.mark(h.channels, |f| f.mixed = true);
            }
        }
        h.scores(cx, &mut related, batch, 3);
        let out = cx.terms.product(&[queries, h.value]);
        related.set(0, vec![batch, tokens, out]);
        Some(related)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let (s, packed) = sizes(&cx.attributes(), &cx.before)?;
        let result = *cx.axes_out.first().copied()??.get(2)?;
        let queries = cx.blocks(result, s.channels)?;
        let now = channels_left(cx, result, queries)?;
        let heads = if packed {
            let all = cx.terms.kept_size(*cx.axes_in.first()?.as_ref()?.get(2)?, cx.kept).known()?;
            width_of_one(all - queries * now, 2)? / now
        } else {
            cx.blocks(*cx.axes_in.get(1)?.as_ref()?.get(2)?, s.channels)?
        };
        let rewrite = Rewrite::default().int("num_heads", queries).int("kv_num_heads", heads);
        Some(rewrite.and(keep_scale(s.channels, now, cx.attributes::<Given>().scaled)))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let (s, packed) = sizes(&cx.attributes(), &cx.inputs)?;
            let keys = key_tokens(cx, usize::from(!packed), 3);
            if !packed {
                return plain_macs(cx, &keys);
            }
            let [batch, tokens, width] = *cx.input(0)? else { return None };
            let queries = leading(cx, width, s.queries * s.channels);
            let queries = queries.into_iter().map(|(share, part)| (share, vec![batch, tokens, part]));
            let result = (1.0, cx.axes_out.first().copied()??.to_vec());
            Some(macs(queries.chain([result]).collect(), &keys))
        };
        count().unwrap_or_default()
    }
}
