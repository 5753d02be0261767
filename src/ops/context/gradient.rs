//! The gradient of one node.

use super::view::{NodeView, sees_the_node};
use crate::onnx::edit::Emit;

/// What a gradient rule works with.
pub struct GradientCx<'a> {
    /// The node.
    pub view: NodeView<'a>,
    /// Gradients of the outputs, by name; `None` where nothing depends on one.
    pub given: Vec<Option<&'a str>>,
    /// Takes the nodes that compute the gradients of the inputs.
    pub emit: &'a mut dyn Emit,
}

sees_the_node!(GradientCx);

impl<'a> GradientCx<'a> {
    /// The gradient of output `o`.
    pub fn given(&self, o: usize) -> Option<&'a str> {
        self.given.get(o).copied().flatten()
    }

    /// Input `i`, by name.
    pub fn input(&self, i: usize) -> Option<&'a str> {
        self.view.node.input.get(i).map(String::as_str).filter(|n| !n.is_empty())
    }

    /// Output `o`, by name.
    pub fn output(&self, o: usize) -> Option<&'a str> {
        self.view.node.output.get(o).map(String::as_str).filter(|n| !n.is_empty())
    }
}
