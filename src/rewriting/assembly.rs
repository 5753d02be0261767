//! The nodes of an analysed graph, put together again: subgraphs into the nodes that own them.

use std::collections::HashMap;

use crate::analysis::{Graph, NodeId};
use crate::onnx;
use crate::onnx::edit::{Editor, Emit, Names, NewNode, ScopeId};
use crate::onnx::proto::type_proto::Value as TypeValue;
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
        let subgraphs = graph.scopes.iter().skip(1);
        let scopes = [Editor::MAIN].into_iter().chain(subgraphs.map(|_| edit.add_scope())).collect();
        Assembly { edit, scopes }
    }

    /// Goes to the scope of a node of the graph; nodes are walked in the graph's order.
    pub fn enter(&mut self, graph: &Graph, i: NodeId) {
        self.edit.enter(self.scopes[graph.scope_of(i)]);
    }

    /// Adds a node of the graph in its scope.
    pub fn push(&mut self, graph: &Graph, i: NodeId, mut node: NodeProto) {
        if graph.is_entry(i) {
            return;
        }
        self.enter(graph, i);
        self.edit.fill_subgraphs(&mut node, graph.subgraphs[i].iter().map(|scope| self.scopes[*scope]));
        self.edit.emit(node);
    }

    /// Lets a node read, and its subgraphs give, the tensors that took the place of constants: `reads` by (node,
    /// input), where the ends of subgraphs follow the node's own inputs.
    pub fn redirect(
        &mut self,
        graph: &Graph,
        i: NodeId,
        node: &mut NodeProto,
        reads: &HashMap<(NodeId, usize), String>,
    ) {
        for (k, slot) in node.input.iter_mut().enumerate() {
            if let Some(new) = reads.get(&(i, k)) {
                slot.clone_from(new);
            }
        }
        let own = node.input.len();
        let given: usize = onnx::walk::subgraphs(node).map(|b| b.input.len()).sum();
        let mut at = own + given;
        for (subgraph, scope) in onnx::walk::subgraphs_mut(node).zip(&graph.subgraphs[i]) {
            self.edit.enter(self.scopes[*scope]);
            for out in &mut subgraph.output {
                if let Some(new) = reads.get(&(i, at)) {
                    let name = self.edit.fresh(out.name());
                    out.name = Some(self.edit.op(NewNode::identity(new, name)));
                    // Of what is inferred the runtime asks no declaration.
                    if let Some(TypeValue::TensorType(t)) = out.r#type.as_mut().and_then(|t| t.value.as_mut()) {
                        t.shape = None;
                    }
                }
                at += 1;
            }
        }
        self.enter(graph, i);
    }
}
