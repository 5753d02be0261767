//! Scatter and gather by computed positions.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, RelateCx};

/// `ScatterND`: axes beyond the depth of the indices pass through.
pub struct ScatterNd;
/// `GatherND` with no batch axes: likewise.
pub struct GatherNd;
/// `GatherElements`, `ScatterElements`: positions of one axis come from a tensor.
pub struct ByElement;

impl Operator for ScatterNd {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let (x, updates) = (cx.input(0)?, cx.input(2)?);
        let depth = usize::try_from(cx.shape(1)?.last()?.known()?).ok()?;
        x.get(..depth)?.iter().for_each(|t| cx.freeze(*t, "written by index"));
        let tail = &x[depth..];
        let lead = updates.len().checked_sub(tail.len())?;
        updates[..lead].iter().for_each(|t| cx.freeze(*t, "written by index"));
        for (a, b) in tail.iter().zip(&updates[lead..]) {
            cx.unify(*a, *b);
        }
        cx.set(0, x);
        Some(())
    }
}

impl Operator for GatherNd {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let (x, indices) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let (last, lead) = indices.split_last()?;
        let depth = usize::try_from(last.known()?).ok()?;
        let batch = usize::try_from(cx.int("batch_dims").unwrap_or(0)).ok()?;
        let shape = [lead, x.get(batch.checked_add(depth)?..)?].concat();
        let dtype = cx.dtype(0);
        cx.set(0, dtype, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let (x, shape) = (cx.input(0)?, cx.out_shape(0)?.to_vec());
        let depth = usize::try_from(cx.shape(1)?.last()?.known()?).ok()?;
        let from = usize::try_from(cx.int("batch_dims").unwrap_or(0)).ok()?.checked_add(depth)?;
        x.get(..from)?.iter().for_each(|t| cx.freeze(*t, "picked by index"));
        let lead = shape.len().checked_sub(x.len() - from)?;
        let mut axes: Vec<_> = shape[..lead].iter().map(|d| cx.frozen(d, "picked by index")).collect();
        axes.extend(&x[from..]);
        cx.set(0, axes);
        Some(())
    }
}

impl Operator for ByElement {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let from = if cx.node.op_type() == "GatherElements" { 1 } else { 0 };
        let (dtype, shape): (i32, Vec<Dim>) = (cx.dtype(0), cx.shape(from)?.to_vec());
        cx.set(0, dtype, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        for i in 0..cx.inputs.len() {
            for t in cx.input(i).unwrap_or_default() {
                cx.freeze(t, "picked by index");
            }
        }
        let axes = cx.frozen_tail(0, 0, "picked by index")?;
        cx.set(0, axes);
        Some(())
    }
}
