//! MatMul with NumPy's broadcasting of batch axes.

use crate::algebra::{Dim, Monomial, Term};
use crate::onnx::{self, proto::NodeProto};

use super::context::{CostCx, InferCx, OPEN, RelateCx, Role};
use super::contraction::Contraction;
use super::elementwise::broadcast;
use super::{Operator, Sizes, Work, fitting};

/// `MatMul`, and what onnxruntime makes of it: `FusedMatMul` with transposed operands, a bias, an activation.
pub struct MatMul;

/// Whether an operand comes with its last two axes in the other order.
fn transposed(node: &NodeProto, name: &str) -> bool {
    onnx::attr_i(node, name).is_some_and(|t| t != 0)
}

/// The contracted axis of an operand of that rank, and the other axis of its matrices; a vector has none.
fn matrix(rank: usize, contracted_last: bool) -> Option<(usize, Option<usize>)> {
    match (rank, contracted_last) {
        (0, _) => None,
        (1, _) => Some((0, None)),
        (_, true) => Some((rank - 1, Some(rank - 2))),
        (_, false) => Some((rank - 2, Some(rank - 1))),
    }
}

/// Contracted and other axis of both operands.
fn places(node: &NodeProto, ranks: [usize; 2]) -> Option<[(usize, Option<usize>); 2]> {
    if transposed(node, "transBatchA") || transposed(node, "transBatchB") {
        return None;
    }
    Some([matrix(ranks[0], !transposed(node, "transA"))?, matrix(ranks[1], transposed(node, "transB"))?])
}

impl Operator for MatMul {
    fn fits(&self, node: &NodeProto, inputs: &Sizes, _: &Sizes) -> bool {
        node.op_type() != "MatMul" || fitting::contracted(inputs)
    }

    fn about(&self) -> &'static str {
        "a contraction; batch axes broadcast"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let (a, b) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let [(across, rows), (down, columns)] = places(cx.node, [a.len(), b.len()])?;
        if !fitting::meet(&a[across], &b[down]) {
            return None;
        }
        let batch = |s: &[Dim]| s[..s.len().saturating_sub(2)].to_vec();
        let mut shape = broadcast(cx.symbols, &batch(&a), &batch(&b))?;
        shape.extend(rows.map(|r| a[r].clone()));
        shape.extend(columns.map(|c| b[c].clone()));
        let dtype = cx.dtype(0);
        cx.set(0, dtype, shape);
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        let shape = cx.out_shape(0)?.to_vec();
        let places = places(cx.node, [a.len(), b.len()])?;
        cx.unify(a[places[0].0], b[places[1].0]);
        let mut tail = Vec::new();
        for (input, (axes, (contracted, other))) in [&a, &b].into_iter().zip(places).enumerate() {
            cx.role(input, contracted, Role::In);
            if let Some(other) = other {
                tail.push(axes[other]);
                cx.role(input, other, Role::Out);
            }
        }
        if let Some(bias) = cx.input(2) {
            cx.unify(*tail.last()?, *bias.first()?);
            cx.role(2, 0, Role::Carried);
        }
        let (batch_a, batch_b) = (&a[..a.len().saturating_sub(2)], &b[..b.len().saturating_sub(2)]);
        let batch = shape.len().checked_sub(tail.len())?;
        let activations = !cx.weight.iter().any(|w| *w);
        if activations {
            cx.mark(*a.last()?, |f| f.compared = true);
        }
        for (input, own) in [(0, batch_a), (1, batch_b)] {
            for (k, &t) in own.iter().enumerate() {
                cx.role(input, k, Role::Out);
                if cx.weight[input] {
                    cx.mark(t, |f| f.separate = true);
                }
            }
        }
        let mut axes = Vec::new();
        for (k, size) in shape[..batch].iter().enumerate() {
            let at = |axes: &[Term]| (k + axes.len()).checked_sub(batch).map(|i| axes[i]);
            let (x, y) = (at(batch_a), at(batch_b));
            let fits = |t: &Term| cx.terms.size(*t) == *size;
            let t = match x.filter(fits).or(y.filter(fits)) {
                Some(t) => t,
                None => cx.frozen(size, OPEN),
            };
            for own in [x, y].into_iter().flatten().filter(|own| *own != t) {
                cx.broadcast(t, own);
            }
            if activations {
                cx.mark(t, |f| f.batched = true);
            }
            axes.push(t);
        }
        axes.extend(tail);
        cx.set(0, axes);
        Some(())
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let mut axes = cx.axes_out.first().copied()??.to_vec();
            let (a, b) = (cx.input(0)?, cx.input(1)?);
            let [(contracted, _), _] = places(cx.node, [a.len(), b.len()])?;
            axes.push(*a.get(contracted)?);
            Some(axes)
        };
        count().map(CostCx::product).unwrap_or_default()
    }

    fn contraction(&self, cx: &CostCx) -> Option<Contraction> {
        let ranks = [cx.rank(0)?, cx.rank(1)?];
        let [(data_axis, _), (in_axis, out_axis)] = places(cx.node, ranks)?;
        (ranks[1] == 2 && data_axis > 0 && data_axis + 1 == ranks[0]).then_some(Contraction {
            data: 0,
            data_axis,
            weight: 1,
            out_axis: out_axis?,
            in_axis,
            bias: None,
            groups: 1,
            window: None,
            transposed: None,
            scale: onnx::attr_f(cx.node, "alpha").unwrap_or(1.0),
        })
    }
}
