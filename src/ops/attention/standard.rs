//! `Attention` of the default domain.

use crate::algebra::{Dim, Monomial};
use crate::onnx::{self, proto::NodeProto};

use super::super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx};
use super::super::fact::Fact;
use super::super::{Operator, Work};
use super::{Heads, Sizes, TOKENS, attach, channels_left, keep_scale, key_tokens, per_head, plain_macs};

/// `Attention`: query, key, value; mask; keys and values of earlier tokens.
pub struct Attention;

/// Its attributes.
struct Given {
    /// Heads of queries.
    queries: Option<i64>,
    /// Heads of keys and values.
    heads: Option<i64>,
    /// Whether the scale is spelled out.
    scaled: bool,
}

impl Attributes for Given {
    fn parse(node: &NodeProto, _opset: i64) -> Given {
        Given {
            queries: onnx::attr_i(node, "q_num_heads"),
            heads: onnx::attr_i(node, "kv_num_heads"),
            scaled: onnx::attr_f(node, "scale").is_some(),
        }
    }
}

fn sizes(given: &Given, inputs: &[Option<&Fact>]) -> Option<Sizes> {
    let shape = |i: usize| inputs.get(i).copied().flatten()?.shape.as_deref();
    let (queries, channels) = per_head(shape(0)?, given.queries)?;
    let (heads, same) = per_head(shape(1)?, given.heads)?;
    let (also, value) = per_head(shape(2)?, Some(heads))?;
    (channels == same && heads == also).then_some(Sizes { queries, heads, channels, value })
}

impl Operator for Attention {
    fn about(&self) -> &'static str {
        "widths are heads times channels; heads and channels of each shrink, numbers and scale follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let s = sizes(&cx.attributes(), &cx.inputs)?;
        let (q, k) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let d = |n: i64| Dim::from(n);
        let batch = q[0].clone();
        let (tokens, keys) = if q.len() == 4 { (q[2].clone(), k.get(2)?) } else { (q[1].clone(), &k[1]) };
        let total = match cx.shape(4) {
            Some(past) => keys.plus(past.get(2)?),
            None => keys.clone(),
        };
        let out = match q.len() {
            4 => vec![batch.clone(), d(s.queries), tokens.clone(), d(s.value)],
            _ => vec![batch.clone(), tokens.clone(), d(s.queries).times(&d(s.value))],
        };
        let (t, of_value) = (cx.dtype(0), cx.dtype(2));
        told.set(0, t, out);
        told.set(1, t, vec![batch.clone(), d(s.heads), total.clone(), d(s.channels)]);
        told.set(2, of_value, vec![batch.clone(), d(s.heads), total.clone(), d(s.value)]);
        told.set(3, t, vec![batch, d(s.queries), tokens, total]);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let s = sizes(&cx.attributes(), &cx.inputs)?;
        let (q, k, v) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let h = Heads::new(cx, s)?;
        let queries = h.queries(cx);
        let at = attach(cx, &q, queries, h.channels)?;
        let keys = attach(cx, &k, h.heads, h.channels)?;
        let values = attach(cx, &v, h.heads, h.value)?;
        for other in [&keys, &values] {
            cx.unify(at.batch, other.batch);
        }
        cx.unify(keys.tokens, values.tokens);
        cx.freeze(keys.tokens, TOKENS);
        cx.freeze(at.tokens, TOKENS);
        h.mask(cx, 3);
        let mut related = Related::default();
        h.cache(cx, &mut related, at.batch, ([4, 5], [1, 2]))?;
        h.scores(cx, &mut related, at.batch, 3);
        let out = if q.len() == 4 {
            vec![at.batch, queries, at.tokens, h.value]
        } else {
            let width = cx.terms.product(&[queries, h.value]);
            vec![at.batch, at.tokens, width]
        };
        related.set(0, out);
        Some(related)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let s = sizes(&cx.attributes(), &cx.before)?;
        let (q, k) = (cx.axes_in.first()?.as_ref()?, cx.axes_in.get(1)?.as_ref()?);
        let given = cx.attributes::<Given>().scaled;
        if q.len() == 4 {
            let now = cx.terms.kept_size(q[3], cx.kept).known()?;
            return Some(keep_scale(s.channels, now, given));
        }
        let (queries, heads) = (cx.blocks(q[2], s.channels)?, cx.blocks(*k.get(2)?, s.channels)?);
        let now = channels_left(cx, q[2], queries)?;
        let rewrite = Rewrite::default().int("q_num_heads", queries).int("kv_num_heads", heads);
        Some(rewrite.and(keep_scale(s.channels, now, given)))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        plain_macs(cx, &key_tokens(cx, 1, 4)).unwrap_or_default()
    }
}
