//! Pooling: channels pass through, spatial axes change.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, RelateCx};
use super::conv::Window;
use super::fact::Places;

/// `MaxPool`, `AveragePool`, `LpPool`.
pub struct Pool;

/// `GlobalAveragePool`, `GlobalMaxPool`, `GlobalLpPool`.
pub struct GlobalPool;

impl Operator for Pool {
    fn about(&self) -> &'static str {
        "batch and channels pass, spatial axes freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let x = cx.shape(0)?.to_vec();
        let w = Window::of(cx.node, cx.ints("kernel_shape")?);
        if w.kernel.len() + 2 != x.len() || w.strides.iter().any(|s| *s <= 0) {
            return None;
        }
        let mut shape = x[..2].to_vec();
        for k in 0..w.kernel.len() {
            let size = w.size(cx.symbols, &x[k + 2], k);
            shape.push(size);
        }
        let dtype = cx.dtype(0);
        cx.set(0, dtype, shape.clone());
        cx.set(1, super::dtype::INT64, shape.clone());
        if let Some(indices) = cx.outputs.get_mut(1) {
            let sizes = x[2..].to_vec();
            let restored = match w.stays_inside() {
                true => shape[2..].iter().enumerate().map(|(k, d)| w.restored(d, k)).collect::<Option<_>>()?,
                false => sizes.clone(),
            };
            indices.places = Some(Places { sizes, restored });
        }
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let x = cx.input(0)?;
        let w = Window::of(cx.node, cx.ints("kernel_shape")?);
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
        if cx.axes_out.len() > 1 && !cx.node.output[1].is_empty() {
            // The second output counts positions over all axes: those of what stays, when the model runs again.
            axes.iter().skip(2).for_each(|t| cx.freeze(*t, "indices of a pooled maximum"));
            cx.set(1, axes.clone());
        }
        cx.set(0, axes);
        Some(())
    }
}

impl Operator for GlobalPool {
    fn about(&self) -> &'static str {
        "batch and channels pass, spatial axes freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let x = cx.shape(0)?.to_vec();
        let shape = x.iter().enumerate().map(|(k, d)| if k < 2 { d.clone() } else { Dim::from(1i64) }).collect();
        let dtype = cx.dtype(0);
        cx.set(0, dtype, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let x = cx.input(0)?;
        for &t in x.get(2..)? {
            cx.freeze(t, "spatial axis");
        }
        let mut axes = x[..2].to_vec();
        axes.extend(cx.frozen_tail(0, 2, "spatial axis")?);
        cx.set(0, axes);
        Some(())
    }
}
