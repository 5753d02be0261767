//! Normalisations over the last axis that onnxruntime joins with what comes before: a sum, an embedding.

use crate::algebra::Term;
use crate::tensor::DType;

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related, Role};
use super::{Numbers, Operator};

/// `SkipLayerNormalization`, `SkipSimplifiedLayerNormalization`: input, skip, scale, and vectors that are added.
pub struct SkipNorm;

/// `EmbedLayerNormalization`: tokens and segments; tables of words, positions and segments; scale and bias.
pub struct EmbedNorm;

/// Ties a vector to the normalised axis.
fn vector(cx: &mut RelateCx, input: usize, width: Term, role: Role) -> Option<()> {
    if let Some(p) = cx.input(input) {
        cx.unify(width, *p.first()?);
        cx.role(input, 0, role);
    }
    Some(())
}

impl Operator for SkipNorm {
    fn about(&self) -> &'static str {
        "mixes across the last axis; scale, bias and the sum follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = cx.same_as_input()?;
        let (own, shape) = (cx.dtype(0), cx.shape(0)?.to_vec());
        let mut statistics = shape.clone();
        *statistics.last_mut()? = 1i64.into();
        told.set(1, DType::Float, statistics.clone());
        told.set(2, DType::Float, statistics);
        told.set(3, own, shape);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let (x, skip) = (cx.input(0)?, cx.input(1)?);
        let (width, rest) = x.split_last()?;
        // The skip may be one for all samples of a batch.
        let offset = x.len().checked_sub(skip.len())?;
        for (k, &t) in skip.iter().enumerate() {
            cx.broadcast(x[offset + k], t);
            cx.role(1, k, Role::Carried);
        }
        vector(cx, 2, *width, Role::Norm)?;
        vector(cx, 3, *width, Role::Carried)?;
        vector(cx, 4, *width, Role::Carried)?;
        cx.mark(*width, |f| f.mixed = true);
        for o in 1..3 {
            let one = cx.frozen_tail(o, rest.len(), "statistics of a normalisation").unwrap_or_default();
            related.set(o, [rest, &one].concat());
        }
        related.set(0, x.clone());
        related.set(3, x);
        Some(related)
    }
}

impl Operator for EmbedNorm {
    fn numbers(&self, view: &NodeView, input: usize) -> Option<Numbers> {
        // Tables of words and of segments.
        let table = [2, 4].get(input)?;
        Some(Numbers::Below(view.shape(*table)?.first()?.clone()))
    }

    fn about(&self) -> &'static str {
        "embeddings, mixed across their width; scale and bias follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let ids = cx.shape(0)?.to_vec();
        let shape = [&ids[..], cx.shape(2)?.get(1..)?].concat();
        let table = cx.dtype(2);
        told.set(0, table, shape.clone());
        told.set(1, DType::Int32, vec![ids.first()?.clone()]);
        told.set(2, table, shape);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let ids = cx.input(0)?;
        let width = *cx.input(2)?.get(1)?;
        for input in 2..5 {
            let Some(table) = cx.input(input) else { continue };
            cx.freeze(*table.first()?, "picked by index");
            cx.unify(width, *table.get(1)?);
            cx.role(input, 1, Role::Embedding);
        }
        vector(cx, 5, width, Role::Norm)?;
        vector(cx, 6, width, Role::Carried)?;
        cx.mark(width, |f| f.mixed = true);
        let out = [&ids[..], &[width]].concat();
        related.set(0, out.clone());
        related.set(1, ids.get(..1)?.to_vec());
        related.set(2, out);
        Some(related)
    }
}
