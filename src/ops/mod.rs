//! One operator, one room: everything the program knows about an ONNX operator stands in one file here.
//!
//! An operator answers few questions, each with a method of [`Operator`]: which shapes come out, which output
//! axis is which input axis, what follows when an axis shrinks, what it costs. A new operator is one file and
//! one line in the table. An operator that is not in the table is not an error: its axes are frozen.

mod concat;
mod context;
mod contraction;
mod conv;
mod depth_space;
mod einsum;
mod elementwise;
mod expand;
mod fact;
mod gather;
mod gemm;
mod matmul;
mod normalization;
mod opaque;
mod pad;
mod pool;
mod quantize;
mod reduce;
mod reshape;
mod resize;
mod scatter;
mod shape;
mod slice;
mod softmax;
mod split;
mod table;
mod transpose;

pub use context::{CostCx, InferCx, RelateCx, RewriteCx, Role, RoleNote};
pub use contraction::Contraction;
pub use conv::Window;
pub use fact::{Fact, MAX_VALUE, Value, dtype};
pub use table::{find, names};

use crate::algebra::Monomial;

/// What the program asks an operator. `None` means that this form of the operator has no rule: nothing is
/// guessed, the node's axes are frozen.
pub trait Operator: Sync {
    /// Output types and shapes, and the contents where they are small tensors that shapes depend on.
    fn infer(&self, cx: &mut InferCx) -> Option<()>;

    /// Which output axis is which input axis.
    fn relate(&self, cx: &mut RelateCx) -> Option<()>;

    /// Makes attributes and shape operands follow the axes that shrank; `None` where they cannot.
    fn rewrite(&self, _cx: &mut RewriteCx) -> Option<()> {
        Some(())
    }

    /// Multiply-accumulates; contractions only.
    fn macs(&self, _cx: &CostCx) -> Vec<Monomial> {
        Vec::new()
    }

    /// The node as a product of its weight with patches of its input; `None` where it is no such product.
    fn contraction(&self, _cx: &CostCx) -> Option<Contraction> {
        None
    }

    /// Inputs that hold sizes or positions, which [`rewrite`](Operator::rewrite) derives from the axis terms.
    fn shape_operands(&self) -> &'static [usize] {
        &[]
    }
}
