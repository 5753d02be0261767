//! `Attention` of onnxruntime's domain: one weight makes queries, keys and values.

use crate::algebra::{Dim, Monomial};
use crate::onnx::{self, proto::NodeProto};

use super::super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::super::fact::Fact;
use super::super::{Operator, Work};
use super::{Heads, Sizes, TOKENS, attach, keep_scale, leading, macs, width_of_one};

/// `Attention`: input, weight [width, queries + keys + values], bias; mask; keys and values of earlier tokens in one
/// tensor [2, batch, heads, tokens, channels].
pub struct Packed;

/// Its attributes.
struct Given {
    heads: Option<i64>,
    /// Widths of queries, keys and values, where they are given.
    widths: Option<Vec<i64>>,
    rotates: bool,
    /// Whether a buffer for the past is as long as it will ever be.
    shares_buffer: bool,
    /// Whether the scale is spelled out.
    scaled: bool,
}

impl Attributes for Given {
    fn parse(node: &NodeProto, _opset: i64) -> Given {
        Given {
            heads: onnx::attr_i(node, "num_heads"),
            widths: onnx::attr_ints(node, "qkv_hidden_sizes").map(<[i64]>::to_vec),
            rotates: onnx::attr_i(node, "do_rotary") == Some(1),
            shares_buffer: onnx::attr_i(node, "past_present_share_buffer") == Some(1),
            scaled: onnx::attr_f(node, "scale").is_some_and(|x| x != 0.0),
        }
    }
}

fn sizes(given: &Given, inputs: &[Option<&Fact>]) -> Option<Sizes> {
    let weight = inputs.get(1).copied().flatten()?.shape.as_deref()?;
    let (heads, all) = (given.heads?, weight.get(1)?.known()?);
    let (q, k, v) = match given.widths.as_deref() {
        Some(&[q, k, v]) => (q, k, v),
        Some(_) => return None,
        None => (width_of_one(all, 3)?, width_of_one(all, 3)?, width_of_one(all, 3)?),
    };
    let fits = q == k && q.checked_add(k)?.checked_add(v)? == all;
    let (channels, value) = (width_of_one(q, heads)?, width_of_one(v, heads)?);
    fits.then_some(Sizes { queries: heads, heads, channels, value })
}

/// Whether keys and values are kept for later tokens.
fn caches(node: &NodeProto) -> bool {
    let given = |names: &[String], i: usize| names.get(i).is_some_and(|n| !n.is_empty());
    given(&node.input, 4) || given(&node.output, 1)
}

impl Operator for Packed {
    fn about(&self) -> &'static str {
        "widths are heads times channels; heads and channels of each shrink, numbers and scale follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let s = sizes(&cx.attributes(), &cx.inputs)?;
        let [batch, tokens, _] = cx.shape(0)?.to_vec().try_into().ok()?;
        let (t, d) = (cx.dtype(0), |n: i64| Dim::from(n));
        let total = match cx.shape(4) {
            Some(past) if cx.attributes::<Given>().shares_buffer => past.get(3)?.clone(),
            Some(past) => tokens.plus(past.get(3)?),
            None => tokens.clone(),
        };
        told.set(0, t, vec![batch.clone(), tokens, d(s.heads).times(&d(s.value))]);
        told.set(1, t, vec![d(2), batch, d(s.heads), total, d(s.channels)]);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let s = sizes(&cx.attributes(), &cx.inputs)?;
        let mut h = Heads::new(cx, s)?;
        if caches(cx.node) {
            cx.unify(h.channels, h.value);
            h.value = h.channels;
        }
        if cx.attributes::<Given>().rotates {
            cx.freeze(h.channels, "angles that follow from the position within a head");
        }
        let [batch, tokens, width] = cx.input(0)?[..] else { return None };
        let [rows, columns] = cx.input(1)?[..] else { return None };
        cx.freeze(tokens, TOKENS);
        cx.unify(width, rows);
        let all = h.side_by_side(cx);
        cx.unify(columns, all);
        cx.role(1, 0, Role::In);
        cx.role(1, 1, Role::Out);
        if let Some(bias) = cx.input(2) {
            cx.unify(*bias.first()?, columns);
            cx.role(2, 0, Role::Carried);
        }
        if let Some(past) = cx.input(4) {
            let place = attach(cx, past.get(1..)?, h.heads, h.channels)?;
            cx.unify(batch, place.batch);
            cx.freeze(place.tokens, TOKENS);
            cx.freeze(past[0], "keys and values");
        }
        h.mask(cx, 5);
        if let Some(total) = cx.out_shape(1).and_then(|s| s.get(3).cloned()) {
            let (both, tokens) = (cx.frozen(&Dim::from(2i64), "keys and values"), cx.frozen(&total, TOKENS));
            related.set(1, vec![both, batch, h.heads, tokens, h.channels]);
        }
        let out = cx.terms.product(&[h.heads, h.value]);
        related.set(0, vec![batch, tokens, out]);
        Some(related)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let given = cx.attributes::<Given>();
        let s = sizes(&given, &cx.before)?;
        let (all, result) = (*cx.axes_in.get(1)?.as_ref()?.get(1)?, *cx.axes_out.first().copied()??.get(2)?);
        let heads = cx.blocks(result, s.value)?;
        let value = cx.terms.kept_size(result, cx.kept).known()?;
        let width = width_of_one(cx.terms.kept_size(all, cx.kept).known()? - value, 2)?;
        let mut rewrite = Rewrite::default().int("num_heads", heads);
        // Without these sizes all three are equal.
        if given.widths.is_some() || value != width {
            rewrite = rewrite.ints("qkv_hidden_sizes", &[width, width, value]);
        }
        Some(rewrite.and(keep_scale(s.channels, width_of_one(width, heads)?, given.scaled)))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let s = sizes(&cx.attributes(), &cx.inputs)?;
            let [batch, tokens, width] = *cx.input(0)? else { return None };
            let [_, columns] = *cx.input(1)? else { return None };
            let queries = leading(cx, columns, s.queries * s.channels);
            let queries = queries.into_iter().map(|(share, part)| (share, vec![batch, tokens, part]));
            let result = (1.0, vec![batch, tokens, *cx.axes_out.first().copied()??.get(2)?]);
            let mut keys = vec![tokens];
            keys.extend(cx.input(4).and_then(|past| past.get(3).copied()));
            let mut all = macs(queries.chain([result]).collect(), &keys);
            all.extend(CostCx::product(vec![batch, tokens, width, columns]));
            Some(all)
        };
        count().unwrap_or_default()
    }
}
