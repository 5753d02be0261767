//! Nodes of all scopes, put together again: bodies into the nodes that own them.

use std::collections::HashMap;

use super::weights::Names;
use crate::analysis::Graph;
use crate::onnx;
use crate::onnx::proto::NodeProto;
use crate::onnx::proto::type_proto::Value as TypeValue;

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

    /// Lets the bodies of a node give the tensors that took the place of constants they gave: `reads` by (node, input),
    /// where the ends of bodies follow the node's own inputs.
    pub fn redirect(
        &mut self,
        graph: &Graph,
        i: usize,
        node: &mut NodeProto,
        reads: &HashMap<(usize, usize), String>,
        names: &mut Names,
    ) {
        let own = node.input.len();
        let given: usize = onnx::walk::bodies(node).map(|b| b.input.len()).sum();
        let mut at = own + given;
        for (body, scope) in onnx::walk::bodies_mut(node).zip(&graph.bodies[i]) {
            for out in &mut body.output {
                if let Some(new) = reads.get(&(i, at)) {
                    let name = names.fresh(out.name());
                    self.insert(*scope, onnx::identity(new.clone(), name.clone()));
                    out.name = Some(name);
                    // Of what is inferred the runtime asks no declaration.
                    if let Some(TypeValue::TensorType(t)) = out.r#type.as_mut().and_then(|t| t.value.as_mut()) {
                        t.shape = None;
                    }
                }
                at += 1;
            }
        }
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
