//! Counting the multiply-accumulates of one node.

use super::view::{NodeView, sees_the_node};
use crate::algebra::{Monomial, Term, Terms};

/// What counting works with.
#[derive(Clone)]
pub struct CostCx<'a> {
    /// The node.
    pub view: NodeView<'a>,
    /// Axis terms of the inputs.
    pub axes_in: &'a [Option<Vec<Term>>],
    /// Axis terms of the outputs.
    pub axes_out: Vec<Option<&'a [Term]>>,
    /// The arena of terms.
    pub terms: &'a Terms,
}

sees_the_node!(CostCx);

impl CostCx<'_> {
    /// One product of axis sizes.
    pub fn product(axes: Vec<Term>) -> Vec<Monomial> {
        vec![Monomial { coefficient: 1.0, axes }]
    }

    /// Axis terms of input `i`.
    pub fn input(&self, i: usize) -> Option<&[Term]> {
        self.axes_in.get(i)?.as_deref()
    }
}
