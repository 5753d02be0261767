//! Gemm: α·A·B + β·C with optional transposes.

use crate::algebra::Monomial;
use crate::onnx::{self, proto::NodeProto};

use super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Role};
use super::contraction::Contraction;
use super::{Operator, Work, fitting};

/// `Gemm`.
pub struct Gemm;

/// Its attributes.
struct Product {
    /// The axis of A's rows, as stored.
    rows: usize,
    /// The axis of B's columns, as stored.
    columns: usize,
    alpha: f32,
    beta: f32,
}

impl Attributes for Product {
    fn parse(node: &NodeProto, _opset: i64) -> Product {
        let transposed = |name: &str| onnx::attr_i(node, name).unwrap_or(0) != 0;
        Product {
            rows: usize::from(transposed("transA")),
            columns: usize::from(!transposed("transB")),
            alpha: onnx::attr_f(node, "alpha").unwrap_or(1.0),
            beta: onnx::attr_f(node, "beta").unwrap_or(1.0),
        }
    }
}

impl Operator for Gemm {
    fn about(&self) -> &'static str {
        "a contraction; the bias follows"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let given = cx.attributes::<Product>();
        let (m, n) = (given.rows, given.columns);
        let (a, b) = (cx.shape(0)?, cx.shape(1)?);
        if !fitting::meet(a.get(1 - m)?, b.get(1 - n)?) {
            return None;
        }
        let shape = vec![a.get(m)?.clone(), b.get(n)?.clone()];
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        let given = cx.attributes::<Product>();
        let (m, n) = (given.rows, given.columns);
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
        Some(Related::one(vec![rows, columns]))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let a = cx.axes_in.first()?.as_ref()?;
            let n = cx.attributes::<Product>().columns;
            Some(vec![*a.first()?, *a.get(1)?, *cx.axes_in.get(1)?.as_ref()?.get(n)?])
        };
        count().map(CostCx::product).unwrap_or_default()
    }

    fn contraction(&self, cx: &CostCx) -> Option<Contraction> {
        let given = cx.attributes::<Product>();
        let (rows, n) = (given.rows, given.columns);
        // Patches are read along the rows of A, and a bias that counts once per output is a vector.
        let vector = given.beta == 1.0 && (cx.rank(2) == Some(1) || cx.node.input.get(2).is_none_or(String::is_empty));
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
            scale: given.alpha,
        })
    }
}
