//! Mixture of experts as one operator: a router picks a few of many small networks for each token.

use crate::algebra::{Dim, Monomial};

use super::context::{CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::{Operator, Work};

/// `MoE`: input, router, and weights [experts, out, in] with biases [experts, out] of two layers, or of three where a
/// gate has a layer of its own.
pub struct Experts;

/// Inputs that hold the weights of a layer; its bias comes next.
const FIRST: usize = 2;
const SECOND: usize = 4;
const GATE: usize = 6;

impl Operator for Experts {
    fn about(&self) -> &'static str {
        "contractions of each expert; hidden widths and whole experts"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (x, router) = (cx.input(0)?, cx.input(1)?);
        let (width, experts) = (*x.last()?, *router.get(1)?);
        let inner = *cx.input(SECOND)?.get(2)?;
        let first = *cx.input(FIRST)?.get(1)?;
        // Gate and value may come from one layer: neighbours, or one half after the other.
        let doubled = cx.terms.size(first) == cx.terms.size(inner).times(&Dim::from(2i64));
        let wide = match (cx.int("swiglu_fusion").unwrap_or(0), doubled) {
            (0, false) => inner,
            (1, true) => {
                let two = cx.frozen(&Dim::from(2i64), "gate and value");
                cx.terms.product(&[inner, two])
            }
            (2, true) => cx.terms.sum(&[inner, inner]),
            _ => return None,
        };
        for (input, out, read) in [(FIRST, wide, width), (SECOND, width, inner), (GATE, inner, width)] {
            if let Some(w) = cx.input(input) {
                let [e, o, i] = w[..] else { return None };
                cx.unify(experts, e);
                cx.unify(out, o);
                cx.unify(read, i);
                cx.role(input, 1, Role::Out);
                cx.role(input, 2, Role::In);
            }
            if let Some(b) = cx.input(input + 1) {
                let [e, o] = b[..] else { return None };
                cx.unify(experts, e);
                cx.unify(out, o);
                cx.role(input + 1, 1, Role::Carried);
            }
        }
        // Experts compete for each token: one that is silent still takes part, one that is gone does not.
        cx.mark(experts, |f| {
            f.mixed = true;
            f.separate = true;
        });
        Some(Related::one(x))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        // No more can be picked than there are.
        let left = cx.shape(1)?.get(1)?.known()?;
        let rewrite = Rewrite::default();
        Some(if cx.int("k").unwrap_or(1) > left { rewrite.int("k", left) } else { rewrite })
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let picked = cx.int("k").unwrap_or(1) as f64;
        let layer = |input: usize| {
            let (tokens, w) = (*cx.input(1)?.first()?, cx.input(input)?);
            Some(Monomial { coefficient: picked, axes: vec![tokens, *w.get(1)?, *w.get(2)?] })
        };
        [FIRST, SECOND, GATE].into_iter().filter_map(layer).collect()
    }
}
