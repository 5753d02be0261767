//! What the program knows of one operator: its line in the table.

use super::Operator;
use super::context::GradientCx;
use super::values::{Folding, Nature, Numbers, ValueCx};
use crate::onnx::edit;

/// An operator.
#[derive(Clone, Copy)]
pub struct Description {
    /// Its name in its domain.
    pub name: &'static str,
    /// Shapes, axes and cost.
    pub rule: &'static dyn Operator,
    /// How it computes, where constants are folded by it.
    pub folding: Option<Folding>,
    /// Its gradient.
    pub gradient: Gradient,
}

/// Emits the nodes that compute the gradients of a node's inputs; gives these by name, `None` where there is none.
pub type GradientRule = fn(&mut GradientCx) -> edit::Result<Vec<Option<String>>>;

/// What is known of an operator's gradient.
#[derive(Clone, Copy)]
pub enum Gradient {
    /// These nodes compute it.
    Rule(GradientRule),
    /// Nothing comes back through the operator, for this reason.
    Zero(&'static str),
    /// Nobody has written the rule.
    Missing,
}

/// An operator whose constants are not folded and whose gradient is missing.
pub const fn row(name: &'static str, rule: &'static dyn Operator) -> Description {
    Description { name, rule, folding: None, gradient: Gradient::Missing }
}

impl Description {
    /// How it computes.
    pub const fn computes(self, nature: Nature, apply: fn(&ValueCx) -> Option<Vec<Numbers>>) -> Description {
        Description { folding: Some(Folding { nature, apply }), ..self }
    }

    /// Its gradient.
    pub const fn gradient(self, rule: GradientRule) -> Description {
        Description { gradient: Gradient::Rule(rule), ..self }
    }

    /// Nothing comes back through it.
    pub const fn no_gradient(self, why: &'static str) -> Description {
        Description { gradient: Gradient::Zero(why), ..self }
    }
}
