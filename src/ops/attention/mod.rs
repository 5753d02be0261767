//! Attention as one operator: softmax(q·kᵀ · scale)·v, for each head by itself.
//!
//! The width of queries is `heads · shared · channels`: heads of keys and values, queries that share one of them,
//! channels within a head. Keys are `heads · channels`, values `heads · value`, the result `heads · shared · value`.
//! The operators differ in how they are given these axes, and in what they ask of their sizes.

mod group_query;
mod multi_head;
mod packed;
mod standard;

pub use group_query::GroupQuery;
pub use multi_head::MultiHead;
pub use packed::Packed;
pub use standard::Attention;

use crate::algebra::{Dim, Monomial, Term};

use super::context::{CostCx, RelateCx, Related, Rewrite, RewriteCx, Role};

/// Numbers of heads, and of channels within one.
#[derive(Clone, Copy)]
struct Sizes {
    /// Heads of queries.
    queries: i64,
    /// Heads of keys and values.
    heads: i64,
    /// Channels of a query's or key's head.
    channels: i64,
    /// Channels of a value's head.
    value: i64,
}

/// The axes of an attention.
struct Heads {
    heads: Term,
    shared: Term,
    channels: Term,
    value: Term,
}

/// Batch and token axis of an input.
struct HeadPlace {
    batch: Term,
    tokens: Term,
}

/// Heads and channels of a tensor [batch, tokens, heads · channels] or [batch, heads, tokens, channels].
fn per_head(shape: &[Dim], heads: Option<i64>) -> Option<(i64, i64)> {
    match shape {
        [_, _, width] => Some((heads?, width_of_one(width.known()?, heads?)?)),
        [_, heads, _, channels] => Some((heads.known()?, channels.known()?)),
        _ => None,
    }
}

/// An equal share of `width` for each of `heads`.
fn width_of_one(width: i64, heads: i64) -> Option<i64> {
    (heads > 0 && width > 0 && width % heads == 0).then(|| width / heads)
}

impl Heads {
    /// Fresh axes of these sizes.
    fn new(cx: &mut RelateCx, s: Sizes) -> Option<Heads> {
        let shared = width_of_one(s.queries, s.heads)?;
        let atom = |cx: &mut RelateCx, n: i64| cx.terms.atom(Dim::from(n));
        let h = Heads {
            heads: atom(cx, s.heads),
            shared: atom(cx, shared),
            channels: atom(cx, s.channels),
            value: atom(cx, s.value),
        };
        // A product of activations is taken for each head by itself.
        for t in [h.heads, h.shared] {
            cx.mark(t, |f| f.batched = true);
        }
        Some(h)
    }

    /// Query heads.
    fn queries(&self, cx: &mut RelateCx) -> Term {
        cx.terms.product(&[self.heads, self.shared])
    }

    /// The width of all queries, keys and values one after the other.
    fn side_by_side(&self, cx: &mut RelateCx) -> Term {
        let q = cx.terms.product(&[self.heads, self.shared, self.channels]);
        let k = cx.terms.product(&[self.heads, self.channels]);
        let v = cx.terms.product(&[self.heads, self.value]);
        cx.terms.sum(&[q, k, v])
    }

    /// A mask or bias that broadcasts to [batch, query heads, tokens, tokens]: only its heads may shrink.
    fn mask(&self, cx: &mut RelateCx, input: usize) {
        let Some(axes) = cx.input(input) else { return };
        let queries = self.queries(cx);
        let at = axes.len().checked_sub(3);
        for (k, &t) in axes.iter().enumerate() {
            if Some(k) != at {
                cx.freeze(t, TOKENS);
            } else if cx.broadcast(queries, t) {
                cx.role(input, k, Role::Carried);
            }
        }
    }

    /// Keys and values of earlier tokens, [batch, heads, tokens, channels], in `inputs` and `outputs`.
    fn cache(
        &self,
        cx: &mut RelateCx,
        related: &mut Related,
        batch: Term,
        (inputs, outputs): ([usize; 2], [usize; 2]),
    ) -> Option<()> {
        for (input, channels) in inputs.into_iter().zip([self.channels, self.value]) {
            if let Some(past) = cx.input(input) {
                let place = attach(cx, &past, self.heads, channels)?;
                cx.unify(batch, place.batch);
                cx.freeze(place.tokens, TOKENS);
            }
        }
        for (output, channels) in outputs.into_iter().zip([self.channels, self.value]) {
            if let Some(total) = cx.out_shape(output).and_then(|s| s.get(2).cloned()) {
                let tokens = cx.frozen(&total, TOKENS);
                related.set(output, vec![batch, self.heads, tokens, channels]);
            }
        }
        Some(())
    }

    /// Scores of all tokens against all, [batch, query heads, tokens, tokens], as an output.
    fn scores(&self, cx: &mut RelateCx, related: &mut Related, batch: Term, output: usize) {
        let Some(tail) = cx.frozen_tail(output, 2, TOKENS) else { return };
        let queries = self.queries(cx);
        related.set(output, [&[batch, queries], &tail[..]].concat());
    }
}

/// Each token is weighed against each: none may go.
const TOKENS: &str = "tokens of attention";

/// Makes heads and channels those of a tensor [batch, tokens, heads · channels] or [batch, heads, tokens, channels].
fn attach(cx: &mut RelateCx, axes: &[Term], heads: Term, channels: Term) -> Option<HeadPlace> {
    match *axes {
        [batch, tokens, width] => {
            let product = cx.terms.product(&[heads, channels]);
            cx.unify(width, product);
            Some(HeadPlace { batch, tokens })
        }
        [batch, h, tokens, c] => {
            cx.unify(h, heads);
            cx.unify(c, channels);
            Some(HeadPlace { batch, tokens })
        }
        _ => None,
    }
}

/// Where no scale is given it is 1/√channels: once channels go, the old one must be spelled out.
fn keep_scale(before: i64, now: i64, given: bool) -> Rewrite {
    match before != now && !given {
        true => Rewrite::default().float("scale", (1.0 / (before as f64).sqrt()) as f32),
        false => Rewrite::default(),
    }
}

/// Channels of each of `heads` heads on an axis that lost some.
fn channels_left(cx: &RewriteCx, t: Term, heads: i64) -> Option<i64> {
    width_of_one(cx.terms.kept_size(t, cx.kept).known()?, heads)
}

/// The two products: every query with every key, every weight with every value. Each is over axes whose sizes multiply
/// to those of the queries or the result, with what it is to be scaled by, and over the tokens of `keys`.
fn macs(products: Vec<(f64, Vec<Term>)>, keys: &[Term]) -> Vec<Monomial> {
    let with = |(coefficient, axes): (f64, Vec<Term>)| {
        keys.iter().map(move |k| Monomial { coefficient, axes: [&axes[..], &[*k]].concat() })
    };
    products.into_iter().flat_map(with).collect()
}

/// The two products of queries that come by themselves.
fn plain_macs(cx: &CostCx, keys: &[Term]) -> Option<Vec<Monomial>> {
    let (queries, result) = (cx.input(0)?.to_vec(), cx.axes_out.first().copied()??.to_vec());
    Some(macs(vec![(1.0, queries), (1.0, result)], keys))
}

/// The token axes of keys: those given, and those of earlier tokens.
fn key_tokens(cx: &CostCx, keys: usize, past: usize) -> Vec<Term> {
    let tokens = |i: usize| {
        let axes = cx.input(i)?;
        axes.get(if axes.len() == 4 { 2 } else { 1 }).copied()
    };
    [tokens(keys), tokens(past)].into_iter().flatten().collect()
}

/// The first parts of a concatenation, `size` positions of it, each with what a product over it is to be scaled by.
fn leading(cx: &CostCx, t: Term, size: i64) -> Vec<(f64, Term)> {
    let (mut parts, mut rest) = (Vec::new(), size);
    for part in cx.terms.segments(t) {
        let Some(n) = cx.terms.size(part).known() else { break };
        if rest <= 0 || n > rest {
            break;
        }
        parts.push((1.0, part));
        rest -= n;
    }
    let whole = cx.terms.size(t).known().unwrap_or(1).max(1);
    // An axis whose parts are folded into one is shared equally.
    if rest == 0 { parts } else { vec![(size as f64 / whole as f64, t)] }
}
