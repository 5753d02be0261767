//! The graph by numbers: tensors and nodes indexed, constants looked up.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::error::Result;
use super::relations::Quantization;
use crate::index::{Id, IdVec, id};
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::{self, GraphIndex, Model};
use crate::ops::values::Folding;
use crate::ops::{self, Description, Fact, NodeView, Operator, Parsed};

id! {
    /// A tensor of a graph.
    TensorId
}

id! {
    /// A node, in the order in which a graph's nodes are walked.
    NodeId
}

/// Something for each tensor of a graph.
pub type PerTensor<T> = IdVec<TensorId, T>;

/// Something for each node of a graph.
pub type PerNode<T> = IdVec<NodeId, T>;

/// Where a constant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorOrigin {
    /// An initializer of the main graph.
    Initializer(usize),
    /// An initializer of a subgraph, with its tensor.
    Subgraph(TensorId),
    /// A Constant node.
    Node(NodeId),
    /// Computed from stored tensors alone; the largest of them.
    Folded(TensorId),
}

/// How a constant is computed.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// The stored tensors that it is computed from.
    pub sources: Vec<TensorId>,
    /// Constants of one number are computed from tensors that they share: they are stored all or none.
    pub region: usize,
}

/// A tensor whose contents the file gives.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Where the contents come from.
    pub origin: TensorOrigin,
    held: Held,
}

impl Constant {
    /// What is computed from stored tensors, the largest of which is `main`.
    pub(super) fn folded(tensor: TensorProto, main: TensorId) -> Constant {
        Constant { origin: TensorOrigin::Folded(main), held: Held::Made(Arc::new(tensor)) }
    }
}

/// Where contents stand.
#[derive(Clone, Debug)]
enum Held {
    /// Among the initializers of a scope.
    Initializer(usize, usize),
    /// In the attribute `value` of a node, given by scope and place.
    Value(usize, usize),
    /// Beside the model.
    Made(Arc<TensorProto>),
}

/// A graph of the model: the main one, or the subgraph of a control-flow node.
pub struct Scope {
    /// The scope around it.
    pub parent: Option<usize>,
    /// Where the node that owns it stands in that scope, and which of its subgraphs this is.
    owner: (usize, usize),
    ids: HashMap<Arc<str>, TensorId>,
}

/// The graph of a model, indexed, with the subgraphs of its control flow.
///
/// Nodes are numbered in the order in which they are walked. A node with subgraphs comes twice: first as the entry of
/// its subgraphs, which writes what they are given; then, after their nodes, as itself. As itself it also reads the
/// inputs and outputs of its subgraphs, which stand behind its own inputs.
pub struct Graph {
    /// The model.
    pub model: Arc<Model>,
    names: PerTensor<Arc<str>>,
    /// The main graph, then all subgraphs that are walked.
    pub scopes: Vec<Scope>,
    /// What is known of each node's operator, and its attributes once they are parsed.
    described: PerNode<Option<&'static Description>>,
    parsed: PerNode<Parsed>,
    /// Scope of each node, and its place there.
    places: PerNode<(usize, usize)>,
    /// The node that each entry belongs to, and the other way round; `None` for nodes without subgraphs.
    partner: PerNode<Option<NodeId>>,
    /// Subgraphs of each node, in the order of its attributes. Entries have none.
    pub subgraphs: PerNode<Vec<usize>>,
    /// Inputs of each node; `None` where an optional input is left out.
    pub inputs: PerNode<Vec<Option<TensorId>>>,
    /// Outputs of each node.
    pub outputs: PerNode<Vec<Option<TensorId>>>,
    /// The node that writes each tensor.
    pub producer: PerTensor<Option<NodeId>>,
    /// Constants, seen through Identity nodes.
    pub constants: PerTensor<Option<Constant>>,
    /// Tensors that the subgraphs of each node read, where those are not walked.
    pub captured: PerNode<Vec<TensorId>>,
    /// Constants that nodes compute.
    pub folded: BTreeMap<TensorId, Folded>,
    /// Nodes that only compute such constants.
    passed: PerNode<bool>,
    opsets: HashMap<String, i64>,
}

impl Graph {
    /// Indexes the graph.
    ///
    /// # Errors
    /// When the graph is missing, a tensor is undefined or produced twice.
    pub fn new(model: impl Into<Arc<Model>>) -> Result<Self> {
        let model: Arc<Model> = model.into();
        model.proto.graph.as_ref().map(GraphIndex::new).transpose()?;
        let opsets = model
            .proto
            .opset_import
            .iter()
            .map(|o| o.domain().to_owned())
            .chain([String::new()])
            .map(|d| (canonical(&d).to_owned(), onnx::opset(&model.proto, &d)))
            .collect();
        let mut g = Graph {
            model: Arc::clone(&model),
            names: IdVec::new(),
            scopes: Vec::new(),
            described: IdVec::new(),
            parsed: IdVec::new(),
            places: IdVec::new(),
            partner: IdVec::new(),
            subgraphs: IdVec::new(),
            inputs: IdVec::new(),
            outputs: IdVec::new(),
            producer: IdVec::new(),
            constants: IdVec::new(),
            captured: IdVec::new(),
            folded: BTreeMap::new(),
            passed: IdVec::new(),
            opsets,
        };
        let proto = of_model(&model);
        let main = g.add_scope(proto, None, (0, 0));
        g.add_nodes(main, proto);
        Ok(g)
    }

    /// The main graph as it stands in the file.
    pub fn proto(&self) -> &GraphProto {
        of_model(&self.model)
    }

    /// The graph of a scope as it stands in the file.
    pub fn graph_of(&self, scope: usize) -> &GraphProto {
        let Scope { parent, owner: (place, subgraph), .. } = &self.scopes[scope];
        match parent {
            Some(outer) => onnx::walk::subgraphs(&self.graph_of(*outer).node[*place]).nth(*subgraph).unwrap_or(empty()),
            None => self.proto(),
        }
    }

    /// What a constant holds.
    pub fn contents<'g>(&'g self, constant: &'g Constant) -> &'g TensorProto {
        match &constant.held {
            Held::Initializer(scope, i) => &self.graph_of(*scope).initializer[*i],
            Held::Value(scope, place) => value(&self.graph_of(*scope).node[*place]),
            Held::Made(tensor) => tensor,
        }
    }

    /// What a tensor holds, where the file gives it.
    pub fn tensor(&self, id: TensorId) -> Option<&TensorProto> {
        self.constants[id].as_ref().map(|c| self.contents(c))
    }

    /// The name of a tensor.
    pub fn name(&self, id: TensorId) -> &str {
        &self.names[id]
    }

    /// All tensors.
    pub fn tensors(&self) -> impl DoubleEndedIterator<Item = TensorId> + ExactSizeIterator + use<> {
        self.names.ids()
    }

    /// The same for each tensor.
    pub fn per_tensor<T: Clone>(&self, value: T) -> PerTensor<T> {
        IdVec::of(value, self.names.len())
    }

    /// Adds a graph with its inputs and initializers.
    fn add_scope(&mut self, proto: &GraphProto, parent: Option<usize>, owner: (usize, usize)) -> usize {
        let scope = self.scopes.len();
        self.scopes.push(Scope { parent, owner, ids: HashMap::new() });
        for v in &proto.input {
            self.define(scope, v.name());
        }
        for (index, t) in proto.initializer.iter().enumerate() {
            let id = self.define(scope, t.name());
            let origin = if scope == 0 { TensorOrigin::Initializer(index) } else { TensorOrigin::Subgraph(id) };
            self.constants[id] = Some(Constant { origin, held: Held::Initializer(scope, index) });
        }
        for v in proto.sparse_initializer.iter().filter_map(|s| s.values.as_ref()) {
            self.define(scope, v.name());
        }
        scope
    }

    fn add_nodes(&mut self, scope: usize, proto: &GraphProto) {
        for (place, node) in proto.node.iter().enumerate() {
            let read = |g: &mut Self, n: &String| {
                (!n.is_empty()).then(|| g.lookup(scope, n).unwrap_or_else(|| g.define(scope, n)))
            };
            let mut inputs: Vec<Option<TensorId>> = node.input.iter().map(|n| read(self, n)).collect();
            let control = ops::find(node.domain(), node.op_type()).is_some_and(|d| d.rule.enters().is_some());
            let (mut subgraphs, mut entry) = (Vec::new(), None);
            if control {
                let protos: Vec<&GraphProto> = onnx::walk::subgraphs(node).collect();
                let numbered = protos.iter().enumerate();
                subgraphs = numbered.map(|(k, b)| self.add_scope(b, Some(scope), (place, k))).collect();
                let given: Vec<Option<TensorId>> =
                    subgraphs.iter().zip(&protos).flat_map(|(b, p)| self.given(*b, p)).collect();
                entry = Some(self.push((scope, place), node, inputs.clone(), given.clone()));
                subgraphs.iter().zip(&protos).for_each(|(b, p)| self.add_nodes(*b, p));
                inputs.extend(given);
                for (b, p) in subgraphs.iter().zip(&protos) {
                    inputs.extend(p.output.iter().map(|v| self.lookup(*b, v.name())));
                }
            }
            let outputs: Vec<Option<TensorId>> =
                node.output.iter().map(|n| (!n.is_empty()).then(|| self.define(scope, n))).collect();
            if let (Some(Some(out)), true) = (outputs.first(), canonical(node.domain()).is_empty()) {
                let constant = match node.op_type() {
                    "Constant" => {
                        let held = onnx::constant(node).map(|tensor| match tensor {
                            Cow::Borrowed(_) => Held::Value(scope, place),
                            Cow::Owned(tensor) => Held::Made(Arc::new(tensor)),
                        });
                        held.map(|held| Constant { origin: TensorOrigin::Node(self.next()), held })
                    }
                    "Identity" => inputs.first().copied().flatten().and_then(|id| self.constants[id].clone()),
                    _ => None,
                };
                self.constants[*out] = constant;
            }
            let captured = if control { Default::default() } else { onnx::captures(node) };
            let captured = captured.into_iter().filter_map(|n| self.lookup(scope, n)).collect();
            let i = self.push((scope, place), node, inputs, outputs);
            (self.subgraphs[i], self.captured[i], self.partner[i]) = (subgraphs, captured, entry);
            if let Some(e) = entry {
                self.partner[e] = Some(i);
            }
        }
    }

    /// Inputs of a subgraph that its node gives.
    fn given(&self, scope: usize, proto: &GraphProto) -> Vec<Option<TensorId>> {
        proto.input.iter().map(|v| self.scopes[scope].ids.get(v.name()).copied()).collect()
    }

    fn push(
        &mut self,
        place: (usize, usize),
        node: &NodeProto,
        inputs: Vec<Option<TensorId>>,
        outputs: Vec<Option<TensorId>>,
    ) -> NodeId {
        let i = self.next();
        outputs.iter().flatten().for_each(|id| self.producer[*id] = Some(i));
        self.described.push(ops::find(node.domain(), node.op_type()));
        self.parsed.push(Parsed::default());
        self.places.push(place);
        self.partner.push(None);
        self.subgraphs.push(Vec::new());
        self.captured.push(Vec::new());
        self.inputs.push(inputs);
        self.outputs.push(outputs);
        i
    }

    /// The number of the node that is pushed next.
    fn next(&self) -> NodeId {
        NodeId::at(self.places.len())
    }

    fn define(&mut self, scope: usize, name: &str) -> TensorId {
        if let Some(known) = self.scopes[scope].ids.get(name) {
            return *known;
        }
        let name: Arc<str> = name.into();
        let id = self.names.push(Arc::clone(&name));
        self.scopes[scope].ids.insert(name, id);
        self.producer.push(None);
        self.constants.push(None);
        id
    }

    /// The tensor that a name means in a scope.
    pub fn lookup(&self, scope: usize, name: &str) -> Option<TensorId> {
        let s = self.scopes.get(scope)?;
        s.ids.get(name).copied().or_else(|| self.lookup(s.parent?, name))
    }

    /// The tensor of the main graph of that name.
    pub fn id(&self, name: &str) -> Option<TensorId> {
        self.lookup(0, name)
    }

    /// The nodes, in the order in which they are walked.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &NodeProto> + DoubleEndedIterator {
        self.node_ids().map(|i| self.node(i))
    }

    /// The numbers of the nodes, in that order.
    pub fn node_ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        self.places.ids()
    }

    /// The same for each node.
    pub fn per_node<T: Clone>(&self, value: T) -> PerNode<T> {
        IdVec::of(value, self.places.len())
    }

    /// The nodes with their numbers, likewise.
    pub fn numbered(&self) -> impl ExactSizeIterator<Item = (NodeId, &NodeProto)> + DoubleEndedIterator {
        self.node_ids().map(|i| (i, self.node(i)))
    }

    /// How many nodes are walked.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// A node as it stands in the file.
    pub fn node(&self, i: NodeId) -> &NodeProto {
        let (scope, place) = self.places[i];
        &self.graph_of(scope).node[place]
    }

    /// The scope that a node stands in.
    pub fn scope_of(&self, node: NodeId) -> usize {
        self.places[node].0
    }

    /// Where a node stands among those of its scope; nodes of subgraphs and entries are not counted there.
    pub fn place_of(&self, node: NodeId) -> usize {
        self.places[node].1
    }

    /// The entry of a node's subgraphs, if it has any.
    pub fn entry_of(&self, node: NodeId) -> Option<NodeId> {
        self.partner[node].filter(|e| *e < node)
    }

    /// Whether this is the entry of a node's subgraphs.
    pub fn is_entry(&self, node: NodeId) -> bool {
        self.partner[node].is_some_and(|own| own > node)
    }

    /// What is known of a node's operator.
    pub fn operator(&self, node: NodeId) -> Option<&'static dyn Operator> {
        let rule = self.described[node]?.rule;
        if self.is_entry(node) { rule.enters() } else { Some(rule) }
    }

    /// How a node's operator computes, where constants are folded by it.
    pub fn folding(&self, node: NodeId) -> Option<&'static Folding> {
        self.described[node]?.folding.as_ref()
    }

    /// A node as its rules see it, with what is known of its inputs.
    pub fn view<'v>(&'v self, node: NodeId, facts: &'v PerTensor<Fact>) -> NodeView<'v> {
        NodeView {
            node: self.node(node),
            opset: self.opset_of(self.node(node)),
            inputs: self.inputs[node].iter().map(|t| t.map(|t| &facts[t])).collect(),
            parsed: &self.parsed[node],
        }
    }

    /// The node's name for messages.
    pub fn label(&self, node: NodeId) -> String {
        onnx::node_label(self.node(node), self.places[node].1)
    }

    /// The node's operator, with its domain where that is not the default one.
    pub fn operator_name(&self, node: NodeId) -> String {
        let n = self.node(node);
        match canonical(n.domain()) {
            "" => n.op_type().to_owned(),
            domain => format!("{domain}.{}", n.op_type()),
        }
    }

    /// Version of the operator set that a node belongs to.
    pub fn opset_of(&self, node: &NodeProto) -> i64 {
        self.opsets.get(canonical(node.domain())).copied().unwrap_or(0)
    }

    /// Whether node `i` only gives a constant: itself, through Identity, or as a step of its computation.
    pub fn is_constant_node(&self, i: NodeId) -> bool {
        let gives = self.outputs[i].len() == 1 && self.outputs[i][0].is_some_and(|o| self.constants[o].is_some());
        gives || self.is_folded(i)
    }

    /// Whether node `i` only computes constants from constants.
    pub fn is_folded(&self, i: NodeId) -> bool {
        self.passed.get(i).copied().unwrap_or(false)
    }

    /// The tensor that holds a constant's contents: Identity is looked through.
    pub fn holder(&self, id: TensorId) -> Option<TensorId> {
        match self.constants[id].as_ref()?.origin {
            TensorOrigin::Initializer(i) => self.id(self.proto().initializer[i].name()),
            TensorOrigin::Subgraph(id) => Some(id),
            TensorOrigin::Node(n) => self.outputs[n][0],
            TensorOrigin::Folded(_) => Some(id),
        }
    }

    /// The name that users know a weight by: where it is computed, that of the largest tensor that it comes from.
    pub fn weight_name(&self, id: TensorId) -> &str {
        match self.constants[id].as_ref().map(|c| c.origin) {
            Some(TensorOrigin::Folded(main)) => self.name(main),
            _ => self.name(id),
        }
    }

    /// Takes what nodes compute from constants as constants; `passed` says for each node whether it does only that.
    pub(super) fn fold(&mut self, found: Vec<(TensorId, Constant, Folded)>, passed: PerNode<bool>) {
        for (id, constant, how) in found {
            self.constants[id] = Some(constant);
            self.folded.insert(id, how);
        }
        self.passed = passed;
    }

    /// Scale and zero point as far as the file gives them.
    pub fn affine(&self, q: &Quantization) -> onnx::Affine<'_> {
        let of = |id: Option<TensorId>| id.and_then(|id| self.tensor(id));
        let bits = q.packed.map(|p| p.bits);
        onnx::Affine { scale: of(q.scale), zero_point: of(q.zero_point), axis: q.axis, packed: bits }
    }

    /// Tensors that a caller gives: graph inputs that have no initializer.
    pub fn free_inputs(&self) -> Vec<&onnx::proto::ValueInfoProto> {
        let initialized: HashSet<&str> = self.proto().initializer.iter().map(|t| t.name()).collect();
        self.proto().input.iter().filter(|v| !initialized.contains(v.name())).collect()
    }
}

/// The main graph of a model; an empty one where there is none.
fn of_model(model: &Model) -> &GraphProto {
    model.proto.graph.as_ref().unwrap_or(empty())
}

fn empty() -> &'static GraphProto {
    static EMPTY: LazyLock<GraphProto> = LazyLock::new(GraphProto::default);
    &EMPTY
}

/// The tensor in the attribute `value` of a Constant node.
fn value(node: &NodeProto) -> &TensorProto {
    static NOTHING: LazyLock<TensorProto> = LazyLock::new(TensorProto::default);
    onnx::attr_t(node, "value").unwrap_or(&NOTHING)
}

fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}
