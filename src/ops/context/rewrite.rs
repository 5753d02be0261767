//! Rewriting one node for kept channels.

use super::view::{NodeView, sees_the_node};
use crate::algebra::{Dim, Kept, Term, Terms};
use crate::onnx;
use crate::onnx::edit::Emit;
use crate::onnx::proto::NodeProto;
use crate::ops::fact::Fact;

/// Blocks of wider axes are not counted one by one.
const MAX_WIDTH: i64 = 1 << 24;

/// What rewriting works with. Weights have been cut already; attributes and shape operands are left.
pub struct RewriteCx<'a> {
    /// The node, with facts of its inputs as they are now, after everything before this node was rewritten.
    pub view: NodeView<'a>,
    /// Facts of the inputs before anything was rewritten.
    pub before: Vec<Option<&'a Fact>>,
    /// Axis terms of the inputs.
    pub axes_in: &'a [Option<Vec<Term>>],
    /// Axis terms of the outputs.
    pub axes_out: Vec<Option<&'a [Term]>>,
    /// The arena of terms.
    pub terms: &'a Terms,
    /// What stays of each atom.
    pub kept: &'a Kept,
    /// Takes tensors that the node needs beside its old ones, and nodes to stand before it.
    pub emit: &'a mut dyn Emit,
}

sees_the_node!(RewriteCx);

/// What changes about a node.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewrite {
    becomes: Option<&'static str>,
    attributes: Vec<(&'static str, Change)>,
    inputs: Vec<(usize, String)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
    Floats(Vec<f32>),
    Gone,
}

impl Rewrite {
    /// The node becomes another operator, without attributes.
    pub fn becomes(mut self, op: &'static str) -> Rewrite {
        self.becomes = Some(op);
        self
    }

    /// An integer attribute.
    pub fn int(self, name: &'static str, value: i64) -> Rewrite {
        self.attribute(name, Change::Int(value))
    }

    /// A list of integers.
    pub fn ints(self, name: &'static str, values: &[i64]) -> Rewrite {
        self.attribute(name, Change::Ints(values.to_vec()))
    }

    /// A float attribute.
    pub fn float(self, name: &'static str, value: f32) -> Rewrite {
        self.attribute(name, Change::Float(value))
    }

    /// A list of floats.
    pub fn floats(self, name: &'static str, values: &[f32]) -> Rewrite {
        self.attribute(name, Change::Floats(values.to_vec()))
    }

    /// An attribute goes.
    pub fn without(self, name: &'static str) -> Rewrite {
        self.attribute(name, Change::Gone)
    }

    /// Input `i` becomes the tensor `name`.
    pub fn input(mut self, i: usize, name: String) -> Rewrite {
        self.inputs.push((i, name));
        self
    }

    /// This and another.
    pub fn and(mut self, other: Rewrite) -> Rewrite {
        self.becomes = other.becomes.or(self.becomes);
        self.attributes.extend(other.attributes);
        self.inputs.extend(other.inputs);
        self
    }

    fn attribute(mut self, name: &'static str, change: Change) -> Rewrite {
        self.attributes.push((name, change));
        self
    }

    /// Changes the node.
    pub fn apply(self, node: &mut NodeProto) {
        if let Some(op) = self.becomes {
            node.op_type = Some(op.to_owned());
            node.attribute.clear();
        }
        for (name, change) in self.attributes {
            match change {
                Change::Int(value) => onnx::set_attr_i(node, name, value),
                Change::Ints(values) => onnx::set_attr_ints(node, name, &values),
                Change::Float(value) => onnx::set_attr_f(node, name, value),
                Change::Floats(values) => onnx::set_attr_floats(node, name, &values),
                Change::Gone => drop(onnx::remove_attr(node, name)),
            }
        }
        for (i, name) in self.inputs {
            if node.input.len() <= i {
                node.input.resize(i + 1, String::new());
            }
            node.input[i] = name;
        }
    }
}

impl RewriteCx<'_> {
    /// Sizes that output `o` must have.
    pub fn required(&self, o: usize) -> Option<Vec<Dim>> {
        Some(self.axes_out.get(o).copied().flatten()?.iter().map(|t| self.terms.kept_size(*t, self.kept)).collect())
    }

    /// Whether nothing changes for the node: no axis shrinks, and no operand computed from sizes has other contents.
    pub fn settled(&self) -> bool {
        let shrinks = |axes: &[Term]| axes.iter().any(|t| self.terms.shrinks(*t, self.kept));
        let moved = |(now, before): (&Option<&Fact>, &Option<&Fact>)| {
            now.and_then(|f| f.value.as_ref()) != before.and_then(|f| f.value.as_ref())
        };
        !self.axes_in.iter().flatten().any(|a| shrinks(a))
            && !self.axes_out.iter().flatten().any(|a| shrinks(a))
            && !self.inputs.iter().zip(&self.before).any(moved)
    }

    /// An input axis, if it shrinks.
    pub fn shrinking(&self, i: usize, axis: usize) -> Option<Term> {
        let t = *self.axes_in.get(i)?.as_ref()?.get(axis)?;
        self.terms.shrinks(t, self.kept).then_some(t)
    }

    /// Number of positions of an axis below `p` that stay.
    pub fn below(&self, t: Term, p: i64) -> Option<Dim> {
        self.terms.kept_below(t, self.kept, p).map(Dim::from)
    }

    /// Number of blocks of `size` positions each of an axis of which something stays.
    pub fn blocks(&self, t: Term, size: i64) -> Option<i64> {
        if !self.terms.shrinks(t, self.kept) || self.terms.size(t).known()? > MAX_WIDTH {
            return self.terms.size(t).known()?.checked_div(size).filter(|_| !self.terms.shrinks(t, self.kept));
        }
        let positions = self.terms.kept_positions(t, self.kept)?;
        let size = usize::try_from(size).ok().filter(|n| *n > 0)?;
        let blocks: std::collections::HashSet<usize> = positions.into_iter().map(|p| p / size).collect();
        i64::try_from(blocks.len()).ok()
    }

    /// Input `i` becomes the constant `data` (int64 of this shape).
    pub fn constant(&mut self, i: usize, what: &str, shape: &[usize], data: &[i64]) -> Option<Rewrite> {
        Some(Rewrite::default().input(i, self.emit.ints(what, shape, data).ok()?))
    }

    /// Replaces the known elements of shape operand `i` by those of `wanted`, keeping its run-time elements.
    ///
    /// A constant where all are known; otherwise an element-wise choice between the constant and what the
    /// graph computes. `None` where an element that only a run can tell would have to change.
    pub fn operand(&mut self, i: usize, what: &str, wanted: &[Dim]) -> Option<Rewrite> {
        if let Some(all) = wanted.iter().map(Dim::known).collect::<Option<Vec<i64>>>() {
            return self.constant(i, what, &[all.len()], &all);
        }
        let now = self.dims(i)?.to_vec();
        if now.len() != wanted.len() {
            return None;
        }
        let mut fixed = Vec::new();
        let mut data = Vec::new();
        for (old, new) in now.iter().zip(wanted) {
            let n = new.known();
            if n.is_none() && old != new {
                return None;
            }
            fixed.push(n.is_some());
            data.push(n.unwrap_or(0));
        }
        let computed = self.node.input.get(i)?.clone();
        self.emit.since("Where").ok()?;
        let mask = self.emit.bools("mask", &[data.len()], &fixed).ok()?;
        let constant = self.emit.ints(what, &[data.len()], &data).ok()?;
        let out = self.emit.fresh(what);
        let chosen = self.emit.choose(&mask, &constant, &computed).ok()?;
        let out = self.emit.op(chosen.output(out));
        Some(Rewrite::default().input(i, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::edit::NewNode;

    #[test]
    fn a_node_becomes_what_the_rewrite_says() {
        let mut node = NewNode::new("Split").input("x").int("num_outputs", 2).int("axis", 1).build();
        let rewrite = Rewrite::default().without("num_outputs").int("axis", 0);
        rewrite.and(Rewrite::default().input(2, "sizes".to_owned())).apply(&mut node);
        assert_eq!(node.input, ["x", "", "sizes"]);
        assert_eq!(node, NewNode::new("Split").inputs(["x", "", "sizes"]).int("axis", 0).build());
        Rewrite::default().becomes("Reshape").apply(&mut node);
        assert_eq!((node.op_type(), node.attribute.len()), ("Reshape", 0));
    }
}
