//! Nodes of all scopes, put together again: bodies into the nodes that own them.

use crate::analysis::Graph;
use crate::onnx;
use crate::onnx::proto::NodeProto;

/// The nodes of each scope so far.
pub struct Assembly {
    scopes: Vec<Vec<NodeProto>>,
}

impl Assembly {
    /// Nothing yet.
    pub fn new(graph: &Graph) -> Assembly {
        Assembly { scopes: vec![Vec::new(); graph.scopes.len()] }
    }

    /// Adds a node of the graph, in the order in which nodes are walked.
    pub fn push(&mut self, graph: &Graph, i: usize, mut node: NodeProto) {
        if graph.is_entry(i) {
            return;
        }
        for (body, scope) in onnx::walk::bodies_mut(&mut node).zip(&graph.bodies[i]) {
            body.node = std::mem::take(&mut self.scopes[*scope]);
        }
        self.insert(graph.scope_of(i), node);
    }

    /// Adds a node that the graph does not have.
    pub fn insert(&mut self, scope: usize, node: NodeProto) {
        self.scopes[scope].push(node);
    }

    /// The nodes of the main graph.
    pub fn main(mut self) -> Vec<NodeProto> {
        self.scopes.first_mut().map(std::mem::take).unwrap_or_default()
    }
}
