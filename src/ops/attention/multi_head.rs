//! `MultiHeadAttention`: as many heads of keys and values as of queries; biases of the layers before it included.

use crate::algebra::{Dim, Monomial};
use crate::onnx::{self, proto::NodeProto};

use super::super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::super::fact::Fact;
use super::super::{Operator, Work};
use super::{HeadPlace, Heads, Sizes, TOKENS, attach, channels_left, keep_scale, key_tokens, per_head, plain_macs};

/// `MultiHeadAttention`: query; key and value, [batch, tokens, width] or [batch, heads, tokens, channels].
pub struct MultiHead;

/// Its attributes.
struct Given {
    heads: Option<i64>,
    /// Whether the scale is spelled out.
    scaled: bool,
}

impl Attributes for Given {
    fn parse(node: &NodeProto, _opset: i64) -> Given {
        Given { heads: onnx::attr_i(node, "num_heads"), scaled: onnx::attr_f(node, "scale").is_some_and(|x| x != 0.0) }
    }
}

/// Sizes, and whether values must be as wide as keys.
fn sizes(given: &Given, inputs: &[Option<&Fact>]) -> Option<(Sizes, bool)> {
    let shape = |i: usize| inputs.get(i).copied().flatten()?.shape.as_deref();
    let heads = given.heads?;
    // Queries, keys and values in one tensor, or keys and values, are laid out for certain devices.
    let (q, k, v) = (shape(0)?, shape(1)?, shape(2)?);
    let (_, channels) = per_head(q, Some(heads)).filter(|_| q.len() == 3)?;
    let (same_heads, same_channels) = per_head(k, Some(heads))?;
    let (also, value) = per_head(v, Some(heads))?;
    let fits = same_heads == heads && also == heads && same_channels == channels;
    fits.then_some((Sizes { queries: heads, heads, channels, value }, k.len() == 4))
}

impl Operator for MultiHead {
    fn about(&self) -> &'static str {
        "widths are heads times channels; heads and channels of each shrink, numbers and scale follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let (s, _) = sizes(&cx.attributes(), &cx.inputs)?;
        let (q, k) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let keys = if k.len() == 4 { k[2].clone() } else { k[1].clone() };
        let total = match cx.shape(6) {
            // A buffer that is shared is as long as it will ever be.
            Some(past) if cx.has(8) => past.get(2)?.clone(),
            Some(past) => keys.plus(past.get(2)?),
            None => keys,
        };
        let (t, d) = (cx.dtype(0), |n: i64| Dim::from(n));
        let (batch, heads) = (q[0].clone(), d(s.heads));
        told.set(0, t, vec![batch.clone(), q[1].clone(), heads.times(&d(s.value))]);
        told.set(1, t, vec![batch.clone(), heads.clone(), total.clone(), d(s.channels)]);
        told.set(2, t, vec![batch.clone(), heads.clone(), total.clone(), d(s.value)]);
        told.set(3, t, vec![batch, heads, q[1].clone(), total]);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (s, coupled) = sizes(&cx.attributes(), &cx.inputs)?;
        let mut h = Heads::new(cx, s)?;
        if coupled {
            cx.unify(h.channels, h.value);
            h.value = h.channels;
        }
        let mut places = Vec::new();
        for (input, channels) in [(0, h.channels), (1, h.channels), (2, h.value)] {
            let axes = cx.input(input)?;
            places.push(attach(cx, &axes, h.heads, channels)?);
        }
        let [at, keys, values] = &places[..] else { return None };
        let HeadPlace { batch, tokens } = *at;
        cx.unify(batch, keys.batch);
        cx.unify(batch, values.batch);
        cx.unify(keys.tokens, values.tokens);
        cx.freeze(keys.tokens, TOKENS);
        cx.freeze(tokens, TOKENS);
        if let Some(bias) = cx.input(3) {
            let all = h.side_by_side(cx);
            cx.unify(*bias.first()?, all);
            cx.role(3, 0, Role::Carried);
        }
        h.mask(cx, 5);
        let mut related = Related::default();
        h.cache(cx, &mut related, batch, ([6, 7], [1, 2]))?;
        h.scores(cx, &mut related, batch, 3);
        let width = cx.terms.product(&[h.heads, h.value]);
        related.set(0, vec![batch, tokens, width]);
        Some(related)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let (s, _) = sizes(&cx.attributes(), &cx.before)?;
        let width = *cx.axes_in.first()?.as_ref()?.get(2)?;
        let heads = cx.blocks(width, s.channels)?;
        let now = channels_left(cx, width, heads)?;
        Some(Rewrite::default().int("num_heads", heads).and(keep_scale(
            s.channels,
            now,
            cx.attributes::<Given>().scaled,
        )))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        plain_macs(cx, &key_tokens(cx, 1, 6)).unwrap_or_default()
    }
}
