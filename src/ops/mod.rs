//! One operator, one room: everything the program knows about an ONNX operator stands in one file here.
//!
//! An operator answers few questions, each with a method of [`Operator`]: which shapes come out, which output
//! axis is which input axis, what follows when an axis shrinks, what it costs. Its line in the table, a
//! [`Description`], adds how constants are folded by it and what its gradient is. A new operator is one file and that
//! line. An operator that is not in the table is not an error: its axes are frozen.

mod along;
mod attention;
mod blocks;
mod concat;
mod constant;
mod context;
mod contraction;
mod control;
mod conv;
mod deform;
mod depth_space;
mod description;
mod einsum;
mod elementwise;
mod expand;
mod experts;
mod fact;
mod fitting;
mod fixed;
mod gated;
mod gather;
mod gemm;
mod learned;
mod matmul;
mod microsoft;
mod normalization;
mod one_hot;
mod opaque;
mod over;
mod pad;
mod pointwise;
mod pool;
mod position_bias;
mod quantize;
mod quantizers;
mod recurrent;
mod reduce;
mod reshape;
mod resize;
mod rotary;
mod scatter;
mod shape;
mod skip_norm;
mod slice;
mod softmax;
mod split;
mod steps;
mod table;
mod transpose;
mod unpool;
pub mod values;

pub use context::{
    Attributes, Continues, CostCx, GradientCx, InferCx, Inferred, NodeView, Notes, Packed, Parsed, Quantized, RelateCx,
    Related, Rewrite, RewriteCx, Role, RoleNote,
};
pub use contraction::Contraction;
pub use conv::Window;
pub use description::{Description, Gradient, GradientRule};
pub use fact::{Fact, MAX_VALUE, Places, Value};
pub use pointwise::{Bound, Pointwise};
pub use table::{all, find};

use crate::algebra::{Dim, Monomial};

/// What integers an operator may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Positions on an axis of this size.
    Below(Dim),
    /// Ends of ranges on an axis of this size.
    UpTo(Dim),
    /// Sizes whose product is this.
    Shape(Dim),
    /// They come out as they are: whoever reads the output says.
    Same,
}

/// Sizes of a node's inputs or outputs as numbers; `None` where unknown.
pub type Sizes<'a> = [Option<&'a [Option<i64>]>];

/// What an operator has to multiply and to add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing, or no more than a few steps for each element.
    None,
    /// Sums of products, which [`Operator::macs`] counts.
    Counted,
    /// Sums of products or as much work of another kind, which are not counted.
    Uncounted,
}

/// What the program asks an operator. `None` means that this form of the operator has no rule: nothing is
/// guessed, the node's axes are frozen.
pub trait Operator: Sync {
    /// Output types and shapes, and the contents where they are small tensors that shapes depend on.
    fn infer(&self, cx: &mut InferCx) -> Option<Inferred>;

    /// Which output axis is which input axis.
    fn relate(&self, cx: &mut RelateCx) -> Option<Related>;

    /// What changes about attributes and shape operands as they follow the axes that shrank; `None` where they cannot.
    fn rewrite(&self, _cx: &mut RewriteCx) -> Option<Rewrite> {
        Some(Rewrite::default())
    }

    /// Whether the operator multiplies and adds up, and whether that is counted.
    fn work(&self) -> Work {
        Work::None
    }

    /// Multiply-accumulates, where [`work`](Operator::work) says that they are counted; nothing where a size is
    /// unknown.
    fn macs(&self, _cx: &CostCx) -> Vec<Monomial> {
        Vec::new()
    }

    /// The node as a product of its weight with patches of its input; `None` where it is no such product.
    fn contraction(&self, _cx: &CostCx) -> Option<Contraction> {
        None
    }

    /// What happens to each value by itself, where that is one of a few simple things.
    fn pointwise(&self, _cx: &CostCx) -> Option<Pointwise> {
        None
    }

    /// Inputs whose product comes out, position by position: a scale among them belongs to the others.
    fn factors(&self) -> &'static [usize] {
        &[]
    }

    /// The input that is subtracted from input 0, position by position: a zero point among them is input 0's.
    fn subtracts(&self) -> Option<usize> {
        None
    }

    /// Inputs that may hold positions in a tensor whose axes shrink ([`Fact::places`]); for others these axes freeze.
    fn places(&self) -> &'static [usize] {
        &[]
    }

    /// Why no axis that this operator touches may shrink, where that is all there is to say of it.
    fn frozen(&self) -> Option<&'static str> {
        None
    }

    /// What the rule does, in a few words: the operator's line in `docs/OPERATORS.md`. Empty where all of it is
    /// [`frozen`](Operator::frozen).
    fn about(&self) -> &'static str {
        ""
    }

    /// For control flow: what its subgraphs are given, as an operator whose outputs are their inputs. Subgraphs are
    /// walked after it, and then the node itself is asked, with the inputs and outputs of its subgraphs behind its own
    /// inputs.
    fn enters(&self) -> Option<&'static dyn Operator> {
        None
    }

    /// Inputs that hold sizes or positions, which [`rewrite`](Operator::rewrite) derives from the axis terms.
    fn shape_operands(&self) -> &'static [usize] {
        &[]
    }

    /// Whether inputs and outputs of these sizes go together, as far as they are known: what shape inference alone
    /// does not tell, as it believes a size that only a run knows.
    fn fits(&self, _node: &NodeView, _inputs: &Sizes, _outputs: &Sizes) -> bool {
        true
    }

    /// What integers input `input` may hold; `None` where any do, or nothing is known.
    fn numbers(&self, _view: &NodeView, _input: usize) -> Option<Numbers> {
        None
    }
}
