//! The nodes of an analysed graph, put together again: bodies into the nodes that own them.

use crate::analysis::Graph;
use crate::onnx;
use crate::onnx::edit::{Editor, Emit, Names, ScopeId};
use crate::onnx::proto::{GraphProto, NodeProto};

/// An editor with a scope for each of a graph's.
pub struct Assembly {
    /// The nodes so far, and the initializers that they need beside those of the graph.
    pub edit: Editor,
    scopes: Vec<ScopeId>,
}

impl Assembly {
    /// Nothing yet.
    pub fn new(graph: &Graph, names: Names) -> Assembly {
        let mut edit = Editor::with_names(GraphProto::default(), onnx::opset(&graph.model.proto, ""), names);
        let bodies = graph.scopes.iter().skip(1);
        let scopes = [Editor::MAIN].into_iter().chain(bodies.map(|_| edit.add_scope())).collect();
        Assembly { edit, scopes }
    }

    /// Goes to the scope of a node of the graph; nodes are walked in the graph's order.
    pub fn enter(&mut self, graph: &Graph, i: usize) {
        self.edit.enter(self.scopes[graph.scope_of(i)]);
    }

    /// Adds a node of the graph in its scope.
    pub fn push(&mut self, graph: &Graph, i: usize, mut node: NodeProto) {
        if graph.is_entry(i) {
            return;
        }
        self.enter(graph, i);
        self.edit.fill_bodies(&mut node, graph.bodies[i].iter().map(|scope| self.scopes[*scope]));
        self.edit.emit(node);
    }
}
