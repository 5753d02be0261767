//! Pooling: channels pass through, spatial axes change.

use crate::algebra::Dim;
use crate::tensor::DType;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related};
use super::conv::Windowed;
use super::fact::Places;

/// `MaxPool`, `AveragePool`, `LpPool`.
pub struct Pool;

/// `GlobalAveragePool`, `GlobalMaxPool`, `GlobalLpPool`.
pub struct GlobalPool;

impl Operator for Pool {
    fn about(&self) -> &'static str {
        "batch and channels pass, spatial axes freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let x = cx.shape(0)?.to_vec();
        let w = cx.attributes::<Windowed>().window()?;
        if w.kernel.len() + 2 != x.len() || w.strides.iter().any(|s| *s <= 0) {
            return None;
        }
        let mut shape = x[..2].to_vec();
        for k in 0..w.kernel.len() {
            let size = w.size(cx.symbols, &x[k + 2], k);
            shape.push(size);
        }
        let dtype = cx.dtype(0);
        told.set(0, dtype, shape.clone());
        told.set(1, DType::Int64, shape.clone());
        if cx.written > 1 {
            let sizes = x[2..].to_vec();
            let restored = match w.stays_inside() {
                true => shape[2..].iter().enumerate().map(|(k, d)| w.restored(d, k)).collect::<Option<_>>()?,
                false => sizes.clone(),
            };
            told.output(1).places = Some(Places { sizes, restored });
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        let w = cx.attributes::<Windowed>().window()?;
        let shape = cx.out_shape(0)?.to_vec();
        let mut axes = x[..2].to_vec();
        for k in 0..w.kernel.len() {
            axes.push(if w.passes(k) {
                x[k + 2]
            } else {
                cx.freeze(x[k + 2], "spatial axis");
                cx.frozen(&shape[k + 2], "spatial axis")
            });
        }
        if cx.outputs.len() > 1 && !cx.node.output[1].is_empty() {
            // The second output counts positions over all axes: those of what stays, when the model runs again.
            axes.iter().skip(2).for_each(|t| cx.freeze(*t, "indices of a pooled maximum"));
            related.set(1, axes.clone());
        }
        related.set(0, axes);
        Some(related)
    }
}

impl Operator for GlobalPool {
    fn about(&self) -> &'static str {
        "batch and channels pass, spatial axes freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let shape = x.iter().enumerate().map(|(k, d)| if k < 2 { d.clone() } else { Dim::from(1i64) }).collect();
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        for &t in x.get(2..)? {
            cx.freeze(t, "spatial axis");
        }
        let mut axes = x[..2].to_vec();
        axes.extend(cx.frozen_tail(0, 2, "spatial axis")?);
        Some(Related::one(axes))
    }
}
