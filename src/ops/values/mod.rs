//! What comes out of operators for given numbers: weights that no input reaches are computed before they are cut.
//!
//! Numbers are held as `f64` and rounded to the element type after each node, as a run would. Only operators that
//! weights are computed with say how in the table; where one does not, the weight stays computed.

pub(super) mod contract;
pub(super) mod normalize;
mod numbers;
pub(super) mod pointwise;
pub(super) mod reduce;
pub(super) mod shaping;

pub use numbers::{Numbers, ValueCx};

/// What an operator does to the numbers it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// They come out as they are, in other places or another type.
    Moves,
    /// They come out as they are, in an order that input 1 tells.
    Picks,
    /// Each position by itself.
    Pointwise,
    /// Sums of products over some axes.
    Contracts,
    /// Statistics over some axes.
    Mixes,
}

impl Nature {
    /// Whether what comes out is what is given, elsewhere.
    pub fn moves(self) -> bool {
        matches!(self, Nature::Moves | Nature::Picks)
    }
}

/// How an operator computes.
#[derive(Clone, Copy)]
pub struct Folding {
    /// What it does to the numbers.
    pub nature: Nature,
    /// The outputs of a node, in order.
    pub apply: fn(&ValueCx) -> Option<Vec<Numbers>>,
}

/// The outputs of a node, in order; `None` where this form of the operator is not known. Outputs behind the last one
/// that is given are unknown.
pub fn compute(rule: &Folding, cx: &ValueCx) -> Option<Vec<Numbers>> {
    let mut out = (rule.apply)(cx)?;
    for (numbers, fact) in out.iter_mut().zip(&cx.outputs) {
        if fact.known_shape()?.as_slice() != numbers.shape() {
            return None;
        }
        numbers::round(numbers, fact.dtype);
    }
    Some(out)
}
