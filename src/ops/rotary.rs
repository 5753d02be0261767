//! Rotary position embedding: channels of a head are turned in pairs, by angles from tables.

use crate::algebra::{Dim, Term};
use crate::onnx::{self, proto::NodeProto};

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::fact::Fact;

/// `RotaryEmbedding`: [batch, tokens, heads · channels] or [batch, heads, tokens, channels], tables of cosines and
/// sines [positions, pairs].
pub struct Rotary {
    /// The input that holds cosines; sines come next.
    pub cosines: usize,
}

/// An axis of channels turned in pairs, and the axis of the pairs, `pairs` of them: neighbours if `interleaved`, else
/// the first half with the second.
pub fn halves(cx: &mut RelateCx, interleaved: bool, pairs: &Dim) -> (Term, Term) {
    let pair = cx.terms.atom(pairs.clone());
    if interleaved {
        let two = cx.frozen(&Dim::from(2i64), "two channels turned together");
        (cx.terms.product(&[pair, two]), pair)
    } else {
        (cx.terms.sum(&[pair, pair]), pair)
    }
}

/// A table of angles, [positions, pairs] or [batch, tokens, pairs]: only its pairs may shrink.
pub fn table(cx: &mut RelateCx, input: usize, pairs: Term) -> Option<()> {
    let axes = cx.input(input)?;
    let (last, rest) = axes.split_last()?;
    rest.iter().for_each(|t| cx.freeze(*t, "positions of tokens"));
    cx.unify(*last, pairs);
    cx.role(input, rest.len(), Role::Carried);
    Some(())
}

/// Heads, channels of a head, and pairs.
struct Sizes {
    heads: i64,
    channels: i64,
    pairs: i64,
}

impl Rotary {
    fn sizes(&self, node: &NodeProto, inputs: &[Option<&Fact>]) -> Option<Sizes> {
        let shape = |i: usize| inputs.get(i).copied().flatten()?.shape.as_deref();
        let pairs = shape(self.cosines)?.last()?.known().filter(|n| *n > 0)?;
        let given = onnx::attr_i(node, "num_heads").filter(|n| *n > 0);
        let (heads, channels) = match shape(0)? {
            [_, heads, _, channels] => (heads.known()?, channels.known()?),
            [_, _, width] => {
                // Without a number of heads, the tables tell how wide they are.
                let width = width.known()?;
                let heads = match given {
                    Some(n) => n,
                    None => width.checked_div(pairs.checked_mul(2)?)?,
                };
                (heads, if heads > 0 && width % heads == 0 { width / heads } else { return None })
            }
            _ => return None,
        };
        (pairs.checked_mul(2)? <= channels).then_some(Sizes { heads, channels, pairs })
    }
}

impl Operator for Rotary {
    fn about(&self) -> &'static str {
        "pairs of channels go together, in all heads; the tables of angles follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        self.sizes(cx.node, &cx.inputs)?;
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let s = self.sizes(cx.node, &cx.inputs)?;
        let x = cx.input(0)?;
        let (turned, pairs) = halves(cx, cx.int("interleaved") == Some(1), &Dim::from(s.pairs));
        // What lies beyond the tables stays as it is.
        let rest = cx.terms.atom(Dim::from(s.channels - 2 * s.pairs));
        let channels = cx.terms.sum(&[turned, rest]);
        match x[..] {
            [_, _, width] => {
                let heads = cx.terms.atom(Dim::from(s.heads));
                let all = cx.terms.product(&[heads, channels]);
                cx.unify(width, all);
                cx.freeze(x[1], "positions of tokens");
            }
            [_, _, tokens, c] => {
                cx.unify(c, channels);
                cx.freeze(tokens, "positions of tokens");
            }
            _ => return None,
        }
        table(cx, self.cosines, pairs)?;
        table(cx, self.cosines + 1, pairs)?;
        Some(Related::one(x))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let s = self.sizes(cx.node, &cx.before)?;
        let given = |name: &str| cx.int(name).is_some_and(|n| n > 0);
        let mut rewrite = Rewrite::default();
        let (heads, rotated) = (given("num_heads"), given("rotary_embedding_dim"));
        if heads {
            let axes = cx.axes_in.first()?.as_ref()?;
            let n = match axes[..] {
                [_, _, width] => cx.blocks(width, s.channels)?,
                _ => cx.terms.kept_size(*axes.get(1)?, cx.kept).known()?,
            };
            rewrite = rewrite.int("num_heads", n);
        }
        if rotated {
            let pairs = cx.shape(self.cosines)?.last()?.known()?;
            rewrite = rewrite.int("rotary_embedding_dim", pairs.checked_mul(2)?);
        }
        Some(rewrite)
    }
}
