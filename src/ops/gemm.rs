//! Gemm: α·A·B + β·C with optional transposes.

use crate::algebra::Monomial;

use super::context::{CostCx, InferCx, RelateCx, Role};
use super::contraction::Contraction;
use super::{Operator, Work, fitting};

/// `Gemm`.
pub struct Gemm;

/// Axis of A's rows and of B's columns, as stored.
fn outer(transposed: Option<i64>, first: bool) -> usize {
    usize::from((transposed.unwrap_or(0) != 0) == first)
}

impl Operator for Gemm {
    fn about(&self) -> &'static str {
        "a contraction; the bias follows"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let (m, n) = (outer(cx.int("transA"), true), outer(cx.int("transB"), false));
        let (a, b) = (cx.shape(0)?, cx.shape(1)?);
        if !fitting::meet(a.get(1 - m)?, b.get(1 - n)?) {
            return None;
        }
        let shape = vec![a.get(m)?.clone(), b.get(n)?.clone()];
        let dtype = cx.dtype(0);
        cx.set(0, dtype, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        let (m, n) = (outer(cx.int("transA"), true), outer(cx.int("transB"), false));
        let (rows, columns) = (*a.get(m)?, *b.get(n)?);
        cx.unify(*a.get(1 - m)?, *b.get(1 - n)?);
        for (input, out_axis) in [(0, m), (1, n)] {
            cx.role(input, out_axis, Role::Out);
            cx.role(input, 1 - out_axis, Role::In);
        }
        if let Some(c) = cx.input(2) {
            let outputs = [rows, columns];
            for (k, &t) in c.iter().enumerate() {
                let target = *outputs.get(k + 2 - c.len().min(2))?;
                if cx.broadcast(target, t) {
                    cx.role(2, k, Role::Carried);
                }
            }
        }
        cx.set(0, vec![rows, columns]);
        Some(())
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let a = cx.axes_in.first()?.as_ref()?;
            let n = outer(cx.int("transB"), false);
            Some(vec![*a.first()?, *a.get(1)?, *cx.axes_in.get(1)?.as_ref()?.get(n)?])
        };
        count().map(CostCx::product).unwrap_or_default()
    }

    fn contraction(&self, cx: &CostCx) -> Option<Contraction> {
        let n = outer(cx.int("transB"), false);
        let rows = outer(cx.int("transA"), true);
        // Patches are read along the rows of A, and a bias that counts once per output is a vector.
        let vector = crate::onnx::attr_f(cx.node, "beta").unwrap_or(1.0) == 1.0
            && (cx.rank(2) == Some(1) || cx.node.input.get(2).is_none_or(String::is_empty));
        (rows == 0).then(|| Contraction {
            data: 0,
            data_axis: 1,
            weight: 1,
            out_axis: n,
            in_axis: 1 - n,
            bias: vector.then_some(2),
            groups: 1,
            window: None,
            transposed: None,
            scale: crate::onnx::attr_f(cx.node, "alpha").unwrap_or(1.0),
        })
    }
}
