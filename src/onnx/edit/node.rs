//! One node that is being made.

use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::onnx::{attr, set_attr_f, set_attr_floats, set_attr_i, set_attr_ints};

/// A node that is being made: an operator, then what it is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewNode(NodeProto);

impl NewNode {
    /// A node of the default domain without inputs, outputs and attributes.
    pub fn new(op: &str) -> NewNode {
        NewNode(NodeProto { op_type: Some(op.to_owned()), ..NodeProto::default() })
    }

    /// The same in the place of another node: under its name, with its outputs, its doc string and its metadata.
    pub fn in_place_of(mut self, node: &NodeProto) -> NewNode {
        self.0.output.clone_from(&node.output);
        self.0.name.clone_from(&node.name);
        self.0.doc_string.clone_from(&node.doc_string);
        self.0.metadata_props.clone_from(&node.metadata_props);
        self
    }

    /// Identity from one tensor to another.
    pub fn identity(from: impl Into<String>, to: impl Into<String>) -> NewNode {
        NewNode::new("Identity").input(from).output(to)
    }

    /// The operator's domain; `""` is the default one.
    pub fn domain(mut self, domain: &str) -> NewNode {
        self.0.domain = (!domain.is_empty()).then(|| domain.to_owned());
        self
    }

    /// The node's name.
    pub fn name(mut self, name: impl Into<String>) -> NewNode {
        self.0.name = Some(name.into());
        self
    }

    /// One more input; the empty name leaves it out.
    pub fn input(mut self, name: impl Into<String>) -> NewNode {
        self.0.input.push(name.into());
        self
    }

    /// More inputs.
    pub fn inputs(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> NewNode {
        self.0.input.extend(names.into_iter().map(Into::into));
        self
    }

    /// Input `i`; those before it that are missing are left out.
    pub fn input_at(mut self, i: usize, name: impl Into<String>) -> NewNode {
        if self.0.input.len() <= i {
            self.0.input.resize(i + 1, String::new());
        }
        self.0.input[i] = name.into();
        self
    }

    /// One more output.
    pub fn output(mut self, name: impl Into<String>) -> NewNode {
        self.0.output.push(name.into());
        self
    }

    /// These outputs, in the place of those that it has.
    pub fn outputs(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> NewNode {
        self.0.output = names.into_iter().map(Into::into).collect();
        self
    }

    /// An integer attribute.
    pub fn int(mut self, name: &str, value: i64) -> NewNode {
        set_attr_i(&mut self.0, name, value);
        self
    }

    /// A list of integers.
    pub fn ints(mut self, name: &str, values: &[i64]) -> NewNode {
        set_attr_ints(&mut self.0, name, values);
        self
    }

    /// A float attribute.
    pub fn float(mut self, name: &str, value: f32) -> NewNode {
        set_attr_f(&mut self.0, name, value);
        self
    }

    /// A list of floats.
    pub fn floats(mut self, name: &str, values: &[f32]) -> NewNode {
        set_attr_floats(&mut self.0, name, values);
        self
    }

    /// A string attribute.
    pub fn string(self, name: &str, value: &str) -> NewNode {
        let value = AttributeProto { s: Some(value.as_bytes().to_vec()), ..AttributeProto::default() };
        self.attribute(name, AttributeType::String, value)
    }

    /// A tensor attribute.
    pub fn tensor(self, name: &str, value: TensorProto) -> NewNode {
        let value = AttributeProto { t: Some(value), ..AttributeProto::default() };
        self.attribute(name, AttributeType::Tensor, value)
    }

    /// A subgraph.
    pub fn graph(self, name: &str, subgraph: GraphProto) -> NewNode {
        let value = AttributeProto { g: Some(subgraph), ..AttributeProto::default() };
        self.attribute(name, AttributeType::Graph, value)
    }

    /// An attribute as it stands in the format.
    pub fn raw(mut self, attribute: AttributeProto) -> NewNode {
        self.0.attribute.push(attribute);
        self
    }

    fn attribute(self, name: &str, kind: AttributeType, value: AttributeProto) -> NewNode {
        self.raw(AttributeProto { name: Some(name.to_owned()), r#type: Some(kind as i32), ..value })
    }

    /// The operator.
    pub fn op(&self) -> &str {
        self.0.op_type()
    }

    /// Whether it has a name, and whether it has outputs.
    pub(super) fn lacks(&self) -> (bool, bool) {
        (self.0.name().is_empty(), self.0.output.is_empty())
    }

    /// Its outputs so far.
    pub fn writes(&self) -> &[String] {
        &self.0.output
    }

    /// An attribute that was given.
    pub fn get(&self, name: &str) -> Option<&AttributeProto> {
        attr(&self.0, name)
    }

    /// The node.
    pub fn build(self) -> NodeProto {
        self.0
    }
}

impl From<NewNode> for NodeProto {
    fn from(node: NewNode) -> NodeProto {
        node.0
    }
}
