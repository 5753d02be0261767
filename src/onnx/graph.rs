//! Who makes and who reads each tensor of a graph.

use std::collections::{BTreeMap, BTreeSet};

use super::proto::{GraphProto, NodeProto};
use super::{Error, Result, walk};

/// Index over one graph, by tensor name. It holds copies of the names, so the graph may change beside it.
#[derive(Clone, Debug, Default)]
pub struct GraphIndex {
    /// Node and output slot that make a tensor.
    pub producer: BTreeMap<String, (usize, usize)>,
    /// Nodes and input slots that read a tensor, in node order.
    pub consumers: BTreeMap<String, Vec<(usize, usize)>>,
    /// Position in `initializer`.
    pub initializer: BTreeMap<String, usize>,
    /// Position in `sparse_initializer`.
    pub sparse_initializer: BTreeMap<String, usize>,
    /// Graph inputs, those with an initializer as default included.
    pub inputs: BTreeSet<String>,
    /// Graph outputs.
    pub outputs: BTreeSet<String>,
    /// Tensors of this graph that subgraphs of its nodes read, and the nodes that own those subgraphs.
    pub captured: BTreeMap<String, Vec<usize>>,
}

impl GraphIndex {
    /// Errors when two nodes, or a node and an initializer or input, define the same tensor.
    pub fn new(graph: &GraphProto) -> Result<Self> {
        let mut index = GraphIndex {
            inputs: graph.input.iter().map(|i| i.name().to_owned()).collect(),
            outputs: graph.output.iter().map(|o| o.name().to_owned()).collect(),
            ..GraphIndex::default()
        };
        let twice = |who: &str, tensor: &str| Error::DuplicateName { node: who.to_owned(), tensor: tensor.to_owned() };
        if index.inputs.len() != graph.input.len() {
            let mut seen = BTreeSet::new();
            let second = graph.input.iter().find(|i| !seen.insert(i.name())).map_or("", |i| i.name());
            return Err(twice("graph input", second));
        }
        for (i, t) in graph.initializer.iter().enumerate() {
            if index.initializer.insert(t.name().to_owned(), i).is_some() {
                return Err(twice("initializer", t.name()));
            }
        }
        for (i, s) in graph.sparse_initializer.iter().enumerate() {
            let name = s.values.as_ref().map_or("", |v| v.name());
            if index.is_constant(name) || index.sparse_initializer.insert(name.to_owned(), i).is_some() {
                return Err(twice("sparse initializer", name));
            }
        }
        for (n, node) in graph.node.iter().enumerate() {
            index.add_node(n, node)?;
        }
        Ok(index)
    }

    fn add_node(&mut self, n: usize, node: &NodeProto) -> Result<()> {
        for (slot, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let taken = self.is_constant(name) || self.inputs.contains(name);
            if taken || self.producer.insert(name.clone(), (n, slot)).is_some() {
                return Err(Error::DuplicateName { node: node_label(node, n), tensor: name.clone() });
            }
        }
        for (slot, name) in node.input.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            self.consumers.entry(name.clone()).or_default().push((n, slot));
        }
        for name in captures(node) {
            self.captured.entry(name.to_owned()).or_default().push(n);
        }
        Ok(())
    }

    /// Whether a tensor is an initializer, dense or sparse (a graph input of the same name may override it).
    pub fn is_constant(&self, name: &str) -> bool {
        self.initializer.contains_key(name) || self.sparse_initializer.contains_key(name)
    }

    /// Nodes and input slots that read a tensor directly; subgraphs are in `captured`.
    pub fn readers(&self, name: &str) -> &[(usize, usize)] {
        self.consumers.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether this graph itself defines the tensor.
    pub fn defines(&self, name: &str) -> bool {
        self.producer.contains_key(name) || self.is_constant(name) || self.inputs.contains(name)
    }
}

/// Outer tensors that the subgraphs of a node read, in name order.
pub(crate) fn captures(node: &NodeProto) -> BTreeSet<&str> {
    walk::subgraphs(node).flat_map(free_names).collect()
}

/// Names that a subgraph reads and does not define. Recursion is bounded by the decoder's depth limit.
fn free_names(subgraph: &GraphProto) -> BTreeSet<&str> {
    let initializers = subgraph.initializer.iter().map(|t| t.name());
    let sparse = subgraph.sparse_initializer.iter().filter_map(|s| s.values.as_ref()).map(|v| v.name());
    let inputs = subgraph.input.iter().map(|i| i.name());
    let made = subgraph.node.iter().flat_map(|n| n.output.iter().map(String::as_str));
    let own: BTreeSet<&str> = initializers.chain(sparse).chain(inputs).chain(made).collect();

    let mut read: BTreeSet<&str> = subgraph.output.iter().map(|o| o.name()).collect();
    for node in &subgraph.node {
        read.extend(node.input.iter().map(String::as_str));
        read.extend(captures(node));
    }
    read.retain(|name| !name.is_empty() && !own.contains(name));
    read
}

/// Name of a node for messages: its own, or `op_type #index → first output`.
pub fn node_label(node: &NodeProto, index: usize) -> String {
    match node.name() {
        "" => format!("{} #{index} → {}", node.op_type(), node.output.first().map_or("", String::as_str)),
        name => name.to_owned(),
    }
}
