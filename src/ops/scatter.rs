//! Scatter and gather by computed positions.

use crate::algebra::{Dim, Term};

use crate::tensor::DType;

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related, Rewrite, RewriteCx};
use super::fact::{Fact, axis};
use super::gather::looked_up;
use super::{Numbers, Operator};

/// `ScatterND`: axes beyond the depth of the indices pass through, as do those along which the indices only count.
pub struct ScatterNd;
/// `GatherND`: likewise; one index into a weight picks rows of it, as `Gather` does.
pub struct GatherNd;
/// `GatherElements`, `ScatterElements`: positions of one axis come from a tensor.
pub struct ByElement {
    /// The input that the output is as large as.
    pub like: usize,
}
/// `TensorScatter`: a stretch of a cache is written.
pub struct TensorScatter;

/// For each indexed axis, the axis of the updates that is the same one: the indices count along it, and name every
/// position.
fn whole(data: &Fact, indices: &Fact) -> Option<Vec<Option<usize>>> {
    let (x, shape) = (data.shape.as_deref()?, indices.shape.as_deref()?);
    let (last, lead) = shape.split_last()?;
    let depth = usize::try_from(last.known()?).ok().filter(|d| *d <= x.len())?;
    let counts = indices.counted().filter(|c| c.len() == depth).unwrap_or_else(|| vec![None; depth]);
    let once = |a: usize| counts.iter().filter(|c| **c == Some(a)).count() == 1;
    let same = |(k, a): (usize, &Option<usize>)| a.filter(|a| lead.get(*a) == Some(&x[k]) && once(*a));
    Some(counts.iter().enumerate().map(same).collect())
}

/// Indices that name the first `size` positions of their axis only.
fn shortened(cx: &mut RewriteCx, indices: &str, axis: usize, size: i64) -> Option<String> {
    let slice = cx.emit.slice(indices, &[axis as i64], &[0], &[size]).ok()?;
    let out = cx.emit.fresh("indices");
    Some(cx.emit.op(slice.output(out)))
}

impl Operator for ScatterNd {
    fn about(&self) -> &'static str {
        "indexed axes freeze unless the indices only count along them, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (x, updates) = (cx.input(0)?, cx.input(2)?);
        let whole = whole(cx.fact(0)?, cx.fact(1)?)?;
        let tail = &x[whole.len()..];
        let lead = updates.len().checked_sub(tail.len())?;
        for (t, along) in x.iter().zip(&whole) {
            match along.and_then(|a| updates[..lead].get(a)) {
                Some(u) => cx.unify(*t, *u),
                None => cx.freeze(*t, "written by index"),
            }
        }
        for (_, u) in updates[..lead].iter().enumerate().filter(|(a, _)| !whole.contains(&Some(*a))) {
            cx.freeze(*u, "written by index");
        }
        for (a, b) in tail.iter().zip(&updates[lead..]) {
            cx.unify(*a, *b);
        }
        Some(Related::one(x))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let before = |i: usize| cx.before.get(i).copied().flatten();
        let whole = whole(before(0)?, before(1)?)?;
        let mut indices = cx.node.input.get(1)?.clone();
        for (k, along) in whole.into_iter().enumerate() {
            let (Some(axis), Some(_)) = (along, cx.shrinking(0, k)) else { continue };
            let size = cx.required(0)?.get(k)?.known()?;
            indices = shortened(cx, &indices, axis, size)?;
        }
        Some(Rewrite::default().input(1, indices))
    }
}

impl Operator for GatherNd {
    fn about(&self) -> &'static str {
        "indexed axes freeze, the others pass; a looked-up table is an embedding"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (x, indices) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let (last, lead) = indices.split_last()?;
        let depth = usize::try_from(last.known()?).ok()?;
        let batch = usize::try_from(cx.int("batch_dims").unwrap_or(0)).ok()?;
        let shape = [lead, x.get(batch.checked_add(depth)?..)?].concat();
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (x, shape) = (cx.input(0)?, cx.out_shape(0)?.to_vec());
        let depth = usize::try_from(cx.shape(1)?.last()?.known()?).ok()?;
        let from = usize::try_from(cx.int("batch_dims").unwrap_or(0)).ok()?.checked_add(depth)?;
        x.get(..from)?.iter().for_each(|t| cx.freeze(*t, "picked by index"));
        let lead = shape.len().checked_sub(x.len() - from)?;
        let mut axes: Vec<_> = shape[..lead].iter().map(|d| cx.frozen(d, "picked by index")).collect();
        axes.extend(&x[from..]);
        if from == 1 {
            looked_up(cx, &x, 0);
        }
        Some(Related::one(axes))
    }
}

impl Operator for ByElement {
    fn numbers(&self, view: &NodeView, input: usize) -> Option<Numbers> {
        let data = view.shape(0)?;
        let axis = axis(view.int("axis").unwrap_or(0), data.len())?;
        (input == 1).then(|| Numbers::Below(data[axis].clone()))
    }

    fn about(&self) -> &'static str {
        "the indexed axis freezes, the others pass where indices have all their positions"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (dtype, shape): (DType, Vec<Dim>) = (cx.dtype(0), cx.shape(self.like)?.to_vec());
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (x, a) = (cx.input(0)?, cx.axis(0, 0)?);
        let others: Vec<Vec<Term>> = (1..cx.inputs.len()).map(|i| cx.input(i)).collect::<Option<_>>()?;
        let mut axes = cx.frozen_tail(0, 0, "picked by index")?;
        for (k, &t) in x.iter().enumerate() {
            let mine: Vec<Term> = others.iter().map(|o| o.get(k).copied()).collect::<Option<_>>()?;
            let size = cx.terms.size(t);
            if k != a && mine.iter().all(|m| cx.terms.size(*m) == size) {
                mine.iter().for_each(|m| cx.unify(t, *m));
                *axes.get_mut(k)? = t;
            } else {
                mine.iter().chain([&t]).for_each(|t| cx.freeze(*t, "picked by index"));
            }
        }
        Some(Related::one(axes))
    }
}

impl Operator for TensorScatter {
    fn about(&self) -> &'static str {
        "the written axis freezes, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (cache, update) = (cx.input(0)?, cx.input(1)?);
        let a = cx.axis(0, -2)?;
        for (k, (&t, &u)) in cache.iter().zip(&update).enumerate() {
            if k == a {
                cx.freeze(t, "written by index");
                cx.freeze(u, "written by index");
            } else {
                cx.unify(t, u);
            }
        }
        Some(Related::one(cache))
    }
}
