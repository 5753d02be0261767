//! MatMul with NumPy's broadcasting of batch axes.

use crate::algebra::{Dim, Monomial, Term};

use super::Operator;
use super::context::{CostCx, InferCx, RelateCx, Role};
use super::contraction::Contraction;
use super::elementwise::broadcast;

/// `MatMul`.
pub struct MatMul;

impl Operator for MatMul {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let (mut a, mut b) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let (left_vector, right_vector) = (a.len() == 1, b.len() == 1);
        if a.is_empty() || b.is_empty() {
            return None;
        }
        if left_vector {
            a.insert(0, Dim::from(1i64));
        }
        if right_vector {
            b.push(Dim::from(1i64));
        }
        let mut shape = broadcast(cx.symbols, &a[..a.len() - 2], &b[..b.len() - 2]);
        if !left_vector {
            shape.push(a[a.len() - 2].clone());
        }
        if !right_vector {
            shape.push(b[b.len() - 1].clone());
        }
        let dtype = cx.dtype(0);
        cx.set(0, dtype, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        let shape = cx.out_shape(0)?.to_vec();
        let contracted_b = b.len().saturating_sub(2);
        cx.unify(*a.last()?, *b.get(contracted_b)?);
        cx.role(0, a.len() - 1, Role::In);
        cx.role(1, contracted_b, Role::In);
        let (mut tail, mut batch_a, mut batch_b) = (Vec::new(), &a[..0], &b[..0]);
        if a.len() > 1 {
            tail.push(a[a.len() - 2]);
            cx.role(0, a.len() - 2, Role::Out);
            batch_a = &a[..a.len() - 2];
        }
        if b.len() > 1 {
            tail.push(b[b.len() - 1]);
            cx.role(1, b.len() - 1, Role::Out);
            batch_b = &b[..b.len() - 2];
        }
        let batch = shape.len().checked_sub(tail.len())?;
        let activations = !cx.weight.iter().any(|w| *w);
        let mut axes = Vec::new();
        for (k, size) in shape[..batch].iter().enumerate() {
            let at = |axes: &[Term]| (k + axes.len()).checked_sub(batch).map(|i| axes[i]);
            let fits = |cx: &RelateCx, t: Option<Term>| t.filter(|t| cx.terms.size(*t) == *size);
            let (x, y) = (fits(cx, at(batch_a)), fits(cx, at(batch_b)));
            let t = match (x, y) {
                (Some(x), Some(y)) => {
                    cx.unify(x, y);
                    x
                }
                (Some(t), None) | (None, Some(t)) => t,
                (None, None) => cx.frozen(size, "broadcast of run-time sizes"),
            };
            if activations {
                cx.mark(t, |f| f.batched = true);
            }
            axes.push(t);
        }
        axes.extend(tail);
        cx.set(0, axes);
        Some(())
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let mut axes = cx.axes_out.first().copied()??.to_vec();
            axes.push(*cx.axes_in.first()?.as_ref()?.last()?);
            Some(axes)
        };
        count().map(CostCx::product).unwrap_or_default()
    }

    fn contraction(&self, cx: &CostCx) -> Option<Contraction> {
        let data_axis = cx.rank(0)?.checked_sub(1)?;
        (cx.rank(1)? == 2 && data_axis > 0).then_some(Contraction {
            data: 0,
            data_axis,
            weight: 1,
            out_axis: 1,
            in_axis: 0,
            bias: None,
            groups: 1,
            window: None,
            scale: 1.0,
        })
    }
}
