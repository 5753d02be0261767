//! The graph by numbers: tensors and nodes indexed, constants looked up.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::error::Result;
use super::relations::Quantization;
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::{self, GraphIndex, Model};

/// Index of a tensor in [`Graph::names`].
pub type TensorId = usize;

/// Where a constant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An initializer of the graph.
    Initializer(usize),
    /// A Constant node.
    Node(usize),
}

/// A tensor whose contents the file gives.
#[derive(Clone, Debug)]
pub struct Constant<'m> {
    /// The contents.
    pub tensor: Cow<'m, TensorProto>,
    /// Where they stand.
    pub origin: Origin,
}

/// The main graph of a model, indexed.
pub struct Graph<'m> {
    /// The model.
    pub model: &'m Model,
    /// The graph as it stands in the file.
    pub proto: &'m GraphProto,
    /// Names of tensors.
    pub names: Vec<&'m str>,
    ids: HashMap<&'m str, TensorId>,
    /// Inputs of each node; `None` where an optional input is left out.
    pub inputs: Vec<Vec<Option<TensorId>>>,
    /// Outputs of each node.
    pub outputs: Vec<Vec<Option<TensorId>>>,
    /// The node that writes each tensor.
    pub producer: Vec<Option<usize>>,
    /// Constants, seen through Identity nodes.
    pub constants: Vec<Option<Constant<'m>>>,
    /// Tensors of this graph that the bodies of each node's subgraphs read.
    pub captured: Vec<Vec<TensorId>>,
    opsets: HashMap<String, i64>,
}

impl<'m> Graph<'m> {
    /// Indexes the main graph.
    ///
    /// # Errors
    /// When the graph is missing, a tensor is undefined or produced twice.
    pub fn new(model: &'m Model) -> Result<Self> {
        static EMPTY: std::sync::LazyLock<GraphProto> = std::sync::LazyLock::new(GraphProto::default);
        let proto = model.proto.graph.as_ref().unwrap_or(&EMPTY);
        let index = GraphIndex::new(proto)?;
        let opsets = model
            .proto
            .opset_import
            .iter()
            .map(|o| o.domain().to_owned())
            .chain([String::new()])
            .map(|d| (canonical(&d).to_owned(), onnx::opset(&model.proto, &d)))
            .collect();
        let mut g = Graph {
            model,
            proto,
            names: Vec::new(),
            ids: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            producer: Vec::new(),
            constants: Vec::new(),
            captured: Vec::new(),
            opsets,
        };
        for v in &proto.input {
            g.intern(v.name());
        }
        for (i, t) in proto.initializer.iter().enumerate() {
            let id = g.intern(t.name());
            g.constants[id] = Some(Constant { tensor: Cow::Borrowed(t), origin: Origin::Initializer(i) });
        }
        for s in &proto.sparse_initializer {
            if let Some(v) = &s.values {
                g.intern(v.name());
            }
        }
        for (i, node) in proto.node.iter().enumerate() {
            let ids = |g: &mut Self, names: &'m [String]| -> Vec<Option<TensorId>> {
                names.iter().map(|n| (!n.is_empty()).then(|| g.intern(n))).collect()
            };
            let inputs = ids(&mut g, &node.input);
            let outputs = ids(&mut g, &node.output);
            for id in outputs.iter().flatten() {
                g.producer[*id] = Some(i);
            }
            if let (Some(Some(out)), true) = (outputs.first(), canonical(node.domain()).is_empty()) {
                let constant = match node.op_type() {
                    "Constant" => constant_of(node, i),
                    "Identity" => inputs.first().copied().flatten().and_then(|id| g.constants[id].clone()),
                    _ => None,
                };
                g.constants[*out] = constant;
            }
            g.inputs.push(inputs);
            g.outputs.push(outputs);
        }
        g.captured = vec![Vec::new(); proto.node.len()];
        for (name, nodes) in &index.captured {
            if let Some(&id) = g.ids.get(name.as_str()) {
                nodes.iter().for_each(|n| g.captured[*n].push(id));
            }
        }
        Ok(g)
    }

    fn intern(&mut self, name: &'m str) -> TensorId {
        let next = self.names.len();
        let id = *self.ids.entry(name).or_insert(next);
        if id == next {
            self.names.push(name);
            self.producer.push(None);
            self.constants.push(None);
        }
        id
    }

    /// The tensor of that name.
    pub fn id(&self, name: &str) -> Option<TensorId> {
        self.ids.get(name).copied()
    }

    /// The nodes, in the order of the file.
    pub fn nodes(&self) -> &'m [NodeProto] {
        &self.proto.node
    }

    /// The node's name for messages.
    pub fn label(&self, node: usize) -> String {
        onnx::node_label(&self.proto.node[node], node)
    }

    /// Version of the operator set that a node belongs to.
    pub fn opset_of(&self, node: &NodeProto) -> i64 {
        self.opsets.get(canonical(node.domain())).copied().unwrap_or(0)
    }

    /// Whether node `i` only gives a constant, itself or through Identity.
    pub fn is_constant_node(&self, i: usize) -> bool {
        self.outputs[i].len() == 1 && self.outputs[i][0].is_some_and(|o| self.constants[o].is_some())
    }

    /// Scale and zero point as far as the file gives them.
    pub fn affine(&self, q: &Quantization) -> onnx::Affine<'_> {
        let of = |id: Option<TensorId>| id.and_then(|id| self.constants[id].as_ref()).map(|c| c.tensor.as_ref());
        onnx::Affine { scale: of(q.scale), zero_point: of(q.zero_point), axis: q.axis }
    }

    /// Tensors that a caller gives: graph inputs that have no initializer.
    pub fn free_inputs(&self) -> Vec<&'m onnx::proto::ValueInfoProto> {
        let initialized: HashSet<&str> = self.proto.initializer.iter().map(|t| t.name()).collect();
        self.proto.input.iter().filter(|v| !initialized.contains(v.name())).collect()
    }
}

fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// The tensor that a Constant node gives, whichever attribute holds it.
fn constant_of<'m>(node: &'m NodeProto, index: usize) -> Option<Constant<'m>> {
    let origin = Origin::Node(index);
    if let Some(t) = onnx::attr_t(node, "value") {
        return Some(Constant { tensor: Cow::Borrowed(t), origin });
    }
    let float = onnx::DType::Float;
    let tensor = if let Some(f) = onnx::attr_f(node, "value_float") {
        onnx::from_f32("", &[], &[f], float)
    } else if let Some(i) = onnx::attr_i(node, "value_int") {
        onnx::from_i64("", &[], &[i])
    } else if let Some(v) = onnx::attr_ints(node, "value_ints") {
        onnx::from_i64("", &[v.len()], v)
    } else {
        let v = &onnx::attr(node, "value_floats")?.floats;
        onnx::from_f32("", &[v.len()], v, float)
    };
    tensor.ok().map(|t| Constant { tensor: Cow::Owned(t), origin })
}
