//! Relating the axes of one node.

use std::sync::Arc;

use super::role::{Quantized, Role, RoleNote};
use super::view::{NodeView, sees_the_node};
use crate::algebra::{Dim, Flags, Reason, Term, Terms};
use crate::ops::fact::Fact;

/// Why axes that meet a run-time size keep theirs.
pub const OPEN: &str = "broadcast of run-time sizes";

/// What relating works with.
pub struct RelateCx<'a> {
    /// The node.
    pub view: NodeView<'a>,
    /// Facts of the outputs.
    pub outputs: Vec<&'a Fact>,
    /// The arena of terms.
    pub terms: &'a mut Terms,
    /// Axis terms of the inputs; `None` where absent or of unknown rank.
    pub axes_in: Vec<Option<Vec<Term>>>,
    /// Whether each input is constant, or computed from constants.
    pub constant: Vec<bool>,
    /// Whether each input is a weight: constant, and float or quantized.
    pub weight: Vec<bool>,
    /// What a rule says of its weights.
    pub notes: Notes,
    /// The node's name for messages.
    pub label: Arc<str>,
    /// Which input of the node each of these inputs is.
    pub places: Vec<usize>,
    /// See [`continues`](RelateCx::continues), for inputs of the node.
    pub continues: &'a Continues<'a>,
}

sees_the_node!(RelateCx);

/// What a rule says of the weights that a node reads.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Inputs that hold quantized numbers. Other constants that are no floats cannot shrink.
    pub quantized: Vec<(usize, Quantized)>,
    /// Roles of weight axes.
    pub roles: Vec<RoleNote>,
    /// Whether the output is a weight, too, of which an input has picked some.
    pub picks: bool,
}

/// Axis terms of a node's outputs.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Related {
    /// By output; nothing is known of those that are missing.
    pub axes: Vec<Option<Vec<Term>>>,
}

impl Related {
    /// Those of one output.
    pub fn one(axes: Vec<Term>) -> Related {
        Related { axes: vec![Some(axes)] }
    }

    /// Sets those of output `o`.
    pub fn set(&mut self, o: usize, axes: Vec<Term>) {
        if self.axes.len() <= o {
            self.axes.resize(o + 1, None);
        }
        self.axes[o] = Some(axes);
    }
}

/// Whether what the first input carries on this axis is a stream that the second is computed from.
pub type Continues<'a> = dyn Fn(&Terms, usize, Term, usize) -> bool + 'a;

impl RelateCx<'_> {
    /// Whether input `i` hands on, along its axis `t`, a tensor that input `j` is computed from: a sum of both adds to
    /// a stream.
    pub fn continues(&self, i: usize, t: Term, j: usize) -> bool {
        match (self.places.get(i), self.places.get(j)) {
            (Some(&i), Some(&j)) => (self.continues)(self.terms, i, t, j),
            _ => false,
        }
    }

    /// A reason that names this node.
    pub fn reason(&self, kind: &'static str) -> Reason {
        Reason { kind, at: self.label.clone() }
    }

    /// Axis terms of input `i`.
    pub fn input(&self, i: usize) -> Option<Vec<Term>> {
        self.axes_in.get(i)?.clone()
    }

    /// Shape of output `o`.
    pub fn out_shape(&self, o: usize) -> Option<&[Dim]> {
        self.outputs.get(o)?.shape.as_deref()
    }

    /// Makes two axes one; what does not fit is frozen in this node's name.
    pub fn unify(&mut self, a: Term, b: Term) {
        let reason = self.reason("axes that do not fit together");
        self.terms.unify(a, b, &reason);
    }

    /// Relates an axis to the one that it is broadcast to; returns whether they are one now. An axis of size 1 couples
    /// nothing. A size that only a run can tell may be 1 or that of the other axis, which must keep its size then.
    pub fn broadcast(&mut self, to: Term, t: Term) -> bool {
        if self.terms.size(t) == self.terms.size(to) {
            self.unify(to, t);
            return true;
        }
        if !self.terms.size(t).is(1) {
            self.freeze(t, OPEN);
            self.freeze(to, OPEN);
        }
        false
    }

    /// Freezes an axis in this node's name.
    pub fn freeze(&mut self, t: Term, kind: &'static str) {
        let reason = self.reason(kind);
        self.terms.freeze(t, &reason);
    }

    /// A fresh axis of the given size that cannot shrink.
    pub fn frozen(&mut self, size: &Dim, kind: &'static str) -> Term {
        let reason = self.reason(kind);
        self.terms.frozen_atom(size.clone(), &reason)
    }

    /// Fresh frozen axes for output `o` from axis `from` on.
    pub fn frozen_tail(&mut self, o: usize, from: usize, kind: &'static str) -> Option<Vec<Term>> {
        let shape = self.out_shape(o)?.get(from..)?.to_vec();
        Some(shape.iter().map(|d| self.frozen(d, kind)).collect())
    }

    /// Asks another operator, whose inputs are these of this node's.
    pub fn through<R>(&mut self, inputs: &[usize], ask: impl FnOnce(&mut Self) -> R) -> R {
        fn picked<T: Clone + Default>(all: &[T], inputs: &[usize]) -> Vec<T> {
            inputs.iter().map(|i| all.get(*i).cloned().unwrap_or_default()).collect()
        }
        let facts = picked(&self.inputs, inputs);
        let facts = std::mem::replace(&mut self.view.inputs, facts);
        let axes = picked(&self.axes_in, inputs);
        let axes = std::mem::replace(&mut self.axes_in, axes);
        let weight = picked(&self.weight, inputs);
        let weight = std::mem::replace(&mut self.weight, weight);
        let constant = picked(&self.constant, inputs);
        let constant = std::mem::replace(&mut self.constant, constant);
        let places = picked(&self.places, inputs);
        let places = std::mem::replace(&mut self.places, places);
        let roles = std::mem::take(&mut self.notes.roles);
        let answer = ask(self);
        (self.view.inputs, self.axes_in, self.weight, self.constant) = (facts, axes, weight, constant);
        self.places = places;
        let theirs = std::mem::replace(&mut self.notes.roles, roles);
        self.notes.roles.extend(theirs.into_iter().map(|r| RoleNote { input: inputs[r.input], ..r }));
        answer
    }

    /// Flags an axis.
    pub fn mark(&mut self, t: Term, change: impl Fn(&mut Flags)) {
        self.terms.mark(t, change);
    }

    /// Says that input `i` holds numbers, and how they stand for real ones: they may shrink like floats.
    pub fn quantized(&mut self, i: usize, by: Quantized) {
        if let (Some(weight), Some(constant)) = (self.weight.get_mut(i), self.constant.get(i)) {
            *weight = *constant;
            self.notes.quantized.push((i, by));
        }
    }

    /// Says that input `i` is a scale or a zero point.
    pub fn parameter(&mut self, i: usize) {
        self.quantized(i, Quantized { scale: None, zero_point: None, axis: 0, packed: None });
        for axis in 0..self.rank(i).unwrap_or(0) {
            self.role(i, axis, Role::Quantization);
        }
    }

    /// Notes the role of a weight's axis; an axis that a weight writes can be pruned.
    pub fn role(&mut self, input: usize, axis: usize, role: Role) {
        if !self.weight.get(input).copied().unwrap_or(false) {
            return;
        }
        if matches!(role, Role::Out | Role::Embedding)
            && let Some(t) = self.axes_in.get(input).and_then(|a| a.as_ref()?.get(axis).copied())
        {
            self.mark(t, |f| f.produced = true);
        }
        self.notes.roles.push(RoleNote { input, axis, role });
    }
}
