//! Whatever takes new nodes and initializers, and how operators are spelled in its operator set.

use super::{Error, NewNode, Result};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{DType, from_bools, from_f32, from_i64};

/// Parameters that moved from an attribute to an input: operator, parameter, input, and the operator set of the move.
static MOVED: &[(&str, &str, usize, i64)] = &[
    ("Clip", "max", 2, 11),
    ("Clip", "min", 1, 11),
    ("Pad", "pads", 1, 11),
    ("Pad", "value", 2, 11),
    ("ReduceL1", "axes", 1, 18),
    ("ReduceL2", "axes", 1, 18),
    ("ReduceLogSum", "axes", 1, 18),
    ("ReduceLogSumExp", "axes", 1, 18),
    ("ReduceMax", "axes", 1, 18),
    ("ReduceMean", "axes", 1, 18),
    ("ReduceMin", "axes", 1, 18),
    ("ReduceProd", "axes", 1, 18),
    ("ReduceSum", "axes", 1, 13),
    ("ReduceSumSquare", "axes", 1, 18),
    ("Slice", "axes", 3, 10),
    ("Slice", "ends", 2, 10),
    ("Slice", "starts", 1, 10),
    ("Split", "split", 1, 13),
    ("Squeeze", "axes", 1, 13),
    ("TopK", "k", 1, 10),
    ("Unsqueeze", "axes", 1, 13),
];

/// Operators that came, or got a form that is used here, after the oldest operator set that is understood.
static SINCE: &[(&str, i64)] = &[
    ("ConstantOfShape", 9),
    ("GatherElements", 11),
    ("GatherND", 11),
    ("LayerNormalization", 17),
    ("OneHot", 9),
    ("Range", 11),
    ("ScatterElements", 11),
    ("ScatterND", 11),
    ("Where", 9),
];

/// A place for new nodes and initializers.
///
/// The constructors give a [`NewNode`] that lacks a name and outputs; [`op`](Emit::op) gives it both. A parameter
/// becomes an attribute or an initializer as the operator set wants it.
pub trait Emit {
    /// Version of the default operator set.
    fn opset(&self) -> i64;

    /// A name that nothing has and that tells of `base`.
    fn fresh(&mut self, base: &str) -> String;

    /// Takes a node.
    fn emit(&mut self, node: NodeProto);

    /// Takes an initializer.
    fn hold(&mut self, tensor: TensorProto);

    /// Emits a node; gives its first output. A node without name or outputs gets them.
    fn op(&mut self, mut node: NewNode) -> String {
        let op = node.op().to_owned();
        let lacks = node.lacks();
        if lacks.1 {
            let out = self.fresh(&op);
            node = node.output(out);
        }
        let out = node.writes().first().cloned().unwrap_or_default();
        if lacks.0 {
            node = node.name(out.clone());
        }
        self.emit(node.build());
        out
    }

    /// A new initializer of int64.
    ///
    /// # Errors
    /// When the numbers do not fill the shape.
    fn ints(&mut self, base: &str, shape: &[usize], values: &[i64]) -> Result<String> {
        let name = self.fresh(base);
        self.hold(from_i64(&name, shape, values)?);
        Ok(name)
    }

    /// A new initializer of a floating-point type.
    ///
    /// # Errors
    /// When the numbers do not fill the shape, or the type is none of floats.
    fn floats(&mut self, base: &str, shape: &[usize], values: &[f32], dtype: DType) -> Result<String> {
        let name = self.fresh(base);
        self.hold(from_f32(&name, shape, values, dtype)?);
        Ok(name)
    }

    /// A new initializer of truth values.
    ///
    /// # Errors
    /// When the values do not fill the shape.
    fn bools(&mut self, base: &str, shape: &[usize], values: &[bool]) -> Result<String> {
        let name = self.fresh(base);
        self.hold(from_bools(&name, shape, values)?);
        Ok(name)
    }

    /// Gives a node a list of integers: as an attribute, or as an initializer named after `base`.
    ///
    /// # Errors
    /// When the initializer cannot be made.
    fn listed(&mut self, node: NewNode, parameter: &str, base: &str, values: &[i64]) -> Result<NewNode> {
        match moved(node.op(), parameter, self.opset()) {
            Some(input) => Ok(node.input_at(input, self.ints(base, &[values.len()], values)?)),
            None => Ok(node.ints(parameter, values)),
        }
    }

    /// Gives a node a number of the element type of its data: as an attribute, or as an initializer.
    ///
    /// # Errors
    /// When the type is none of floats.
    fn number(&mut self, node: NewNode, parameter: &str, value: f32, dtype: DType) -> Result<NewNode> {
        match moved(node.op(), parameter, self.opset()) {
            Some(input) => Ok(node.input_at(input, self.floats(parameter, &[], &[value], dtype)?)),
            None => Ok(node.float(parameter, value)),
        }
    }

    /// A reduction (`ReduceSum`, `ReduceMean`, …) over some axes.
    ///
    /// # Errors
    /// When an initializer cannot be made.
    fn reduce(&mut self, op: &str, x: &str, axes: &[i64], keep: bool) -> Result<NewNode> {
        let node = self.listed(NewNode::new(op).input(x), "axes", "axes", axes)?;
        Ok(if keep { node } else { node.int("keepdims", 0) })
    }

    /// Takes axes of size 1 away.
    ///
    /// # Errors
    /// When an initializer cannot be made.
    fn squeeze(&mut self, x: &str, axes: &[i64]) -> Result<NewNode> {
        self.listed(NewNode::new("Squeeze").input(x), "axes", "axes", axes)
    }

    /// Puts axes of size 1 in.
    ///
    /// # Errors
    /// When an initializer cannot be made.
    fn unsqueeze(&mut self, x: &str, axes: &[i64]) -> Result<NewNode> {
        self.listed(NewNode::new("Unsqueeze").input(x), "axes", "axes", axes)
    }

    /// Positions `starts..ends` of some axes.
    ///
    /// # Errors
    /// When an initializer cannot be made.
    fn slice(&mut self, x: &str, axes: &[i64], starts: &[i64], ends: &[i64]) -> Result<NewNode> {
        let mut node = NewNode::new("Slice").input(x);
        for (parameter, base, values) in [("starts", "start", starts), ("ends", "end", ends), ("axes", "axis", axes)] {
            node = self.listed(node, parameter, base, values)?;
        }
        Ok(node)
    }

    /// Every `steps`-th position of `starts..ends` of some axes.
    ///
    /// # Errors
    /// Before operator set 10, which brought steps.
    fn slice_steps(&mut self, x: &str, axes: &[i64], starts: &[i64], ends: &[i64], steps: &[i64]) -> Result<NewNode> {
        needs("Slice with steps", 10, self.opset())?;
        let node = self.slice(x, axes, starts, ends)?;
        Ok(node.input_at(4, self.ints("step", &[steps.len()], steps)?))
    }

    /// Parts of these sizes along one axis.
    ///
    /// # Errors
    /// When an initializer cannot be made.
    fn split(&mut self, x: &str, axis: i64, sizes: &[i64]) -> Result<NewNode> {
        let node = NewNode::new("Split").input(x).int("axis", axis);
        self.listed(node, "split", "split", sizes)
    }

    /// Zeros around a tensor: what comes before each axis, then what comes after each.
    ///
    /// # Errors
    /// When an initializer cannot be made.
    fn pad(&mut self, x: &str, pads: &[i64]) -> Result<NewNode> {
        self.listed(NewNode::new("Pad").input(x), "pads", "pads", pads)
    }

    /// Numbers no smaller and no larger than these.
    ///
    /// # Errors
    /// When the type is none of floats.
    fn clip(&mut self, x: &str, range: std::ops::RangeInclusive<f32>, dtype: DType) -> Result<NewNode> {
        let node = self.number(NewNode::new("Clip").input(x), "min", *range.start(), dtype)?;
        self.number(node, "max", *range.end(), dtype)
    }

    /// Positions of one axis, by index.
    fn gather(&mut self, x: &str, indices: &str, axis: i64) -> NewNode {
        NewNode::new("Gather").inputs([x, indices]).int("axis", axis)
    }

    /// A choice, element by element.
    ///
    /// # Errors
    /// Before operator set 9.
    fn choose(&mut self, condition: &str, yes: &str, no: &str) -> Result<NewNode> {
        self.since("Where")?;
        Ok(NewNode::new("Where").inputs([condition, yes, no]))
    }

    /// Whether the operator set has an operator.
    ///
    /// # Errors
    /// [`Error::Opset`] where it does not.
    fn since(&self, op: &str) -> Result<()> {
        let needs_set = SINCE.iter().find(|(name, _)| *name == op).map_or(1, |(_, set)| *set);
        needs(op, needs_set, self.opset())
    }
}

/// The input that a parameter is in this operator set; `None` where it is an attribute.
fn moved(op: &str, parameter: &str, opset: i64) -> Option<usize> {
    let row = MOVED.iter().find(|(o, p, _, set)| *o == op && *p == parameter && opset >= *set);
    row.map(|(_, _, input, _)| *input)
}

fn needs(op: &str, needs: i64, has: i64) -> Result<()> {
    if has >= needs { Ok(()) } else { Err(Error::Opset { op: op.to_owned(), needs, has }) }
}

#[cfg(test)]
mod tests {
    use super::super::Editor;
    use super::*;

    #[test]
    fn parameters_are_attributes_or_inputs_as_the_operator_set_wants_them() {
        let spelled = |opset| {
            let mut e = Editor::new("g", opset);
            let nodes = [
                e.squeeze("x", &[1]).unwrap(),
                e.slice("x", &[1], &[0], &[2]).unwrap(),
                e.pad("x", &[0, 1]).unwrap(),
                e.clip("x", 0.0..=6.0, DType::Float).unwrap(),
                e.reduce("ReduceSum", "x", &[1], true).unwrap(),
                e.reduce("ReduceMean", "x", &[1], false).unwrap(),
            ];
            nodes.map(|n| (n.clone().build().input.len(), n.build().attribute.len()))
        };
        assert_eq!(spelled(9), [(1, 1), (1, 3), (1, 1), (1, 2), (1, 1), (1, 2)]);
        assert_eq!(spelled(13), [(2, 0), (4, 0), (2, 0), (3, 0), (2, 0), (1, 2)]);
        assert_eq!(spelled(18), [(2, 0), (4, 0), (2, 0), (3, 0), (2, 0), (2, 1)]);
    }

    #[test]
    fn forms_that_the_operator_set_lacks_are_errors() {
        let mut old = Editor::new("g", 8);
        assert!(matches!(old.choose("c", "x", "y"), Err(Error::Opset { needs: 9, has: 8, .. })));
        assert!(old.slice_steps("x", &[0], &[0], &[4], &[2]).is_err());
        assert!(Editor::new("g", 10).slice_steps("x", &[0], &[0], &[4], &[2]).is_ok());
    }

    #[test]
    fn names_and_outputs_are_made_where_they_are_missing() {
        let mut e = Editor::new("g", 13);
        let a = e.op(NewNode::new("Relu").input("x"));
        let b = e.op(NewNode::new("Relu").input(a.clone()));
        let c = e.op(NewNode::new("Relu").input(b.clone()).output("y").name("last"));
        assert_eq!([&a, &b, &c], ["Relu", "Relu_2", "y"]);
        let g = e.finish();
        assert_eq!(g.node.iter().map(|n| n.name()).collect::<Vec<_>>(), ["Relu", "Relu_2", "last"]);
    }
}
