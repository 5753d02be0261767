//! MatMul with NumPy's broadcasting of batch axes.

use crate::algebra::{Dim, Monomial, Term};
use crate::onnx::{self, proto::NodeProto};

use super::context::{Attributes, CostCx, InferCx, Inferred, NodeView, OPEN, RelateCx, Related, Role};
use super::contraction::Contraction;
use super::elementwise::broadcast;
use super::{Operator, Sizes, Work, fitting};

/// `MatMul`, and what onnxruntime makes of it: `FusedMatMul` with transposed operands, a bias, an activation.
pub struct MatMul {
    /// Whether attributes may transpose the operands.
    pub fused: bool,
}

impl MatMul {
    /// `MatMul` as the standard has it.
    pub const PLAIN: MatMul = MatMul { fused: false };
}

/// Its attributes, which only the fused ones have.
struct Fused {
    /// Whether an operand comes with its last two axes in the other order.
    transposed: [bool; 2],
    /// Whether one comes with its batch axes in another order.
    batch_transposed: bool,
    alpha: f32,
}

impl Attributes for Fused {
    fn parse(node: &NodeProto, _opset: i64) -> Fused {
        let set = |name: &str| onnx::attr_i(node, name).is_some_and(|t| t != 0);
        Fused {
            transposed: [set("transA"), set("transB")],
            batch_transposed: set("transBatchA") || set("transBatchB"),
            alpha: onnx::attr_f(node, "alpha").unwrap_or(1.0),
        }
    }
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
fn places(given: &Fused, ranks: [usize; 2]) -> Option<[(usize, Option<usize>); 2]> {
    let [a, b] = given.transposed;
    (!given.batch_transposed).then_some([matrix(ranks[0], !a)?, matrix(ranks[1], b)?])
}

impl Operator for MatMul {
    fn fits(&self, _: &NodeView, inputs: &Sizes, _: &Sizes) -> bool {
        self.fused || fitting::contracted(inputs)
    }

    fn about(&self) -> &'static str {
        "a contraction; batch axes broadcast"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (a, b) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let [(across, rows), (down, columns)] = places(&cx.attributes(), [a.len(), b.len()])?;
        if !fitting::meet(&a[across], &b[down]) {
            return None;
        }
        let batch = |s: &[Dim]| s[..s.len().saturating_sub(2)].to_vec();
        let mut shape = broadcast(cx.symbols, &batch(&a), &batch(&b))?;
        shape.extend(rows.map(|r| a[r].clone()));
        shape.extend(columns.map(|c| b[c].clone()));
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        let shape = cx.out_shape(0)?.to_vec();
        let places = places(&cx.attributes(), [a.len(), b.len()])?;
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
        Some(Related::one(axes))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let mut axes = cx.axes_out.first().copied()??.to_vec();
            let (a, b) = (cx.input(0)?, cx.input(1)?);
            let [(contracted, _), _] = places(&cx.attributes(), [a.len(), b.len()])?;
            axes.push(*a.get(contracted)?);
            Some(axes)
        };
        count().map(CostCx::product).unwrap_or_default()
    }

    fn contraction(&self, cx: &CostCx) -> Option<Contraction> {
        let ranks = [cx.rank(0)?, cx.rank(1)?];
        let [(data_axis, _), (in_axis, out_axis)] = places(&cx.attributes(), ranks)?;
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
            scale: cx.attributes::<Fused>().alpha,
        })
    }
}
