//! A graph that is being changed.

use std::collections::HashSet;

use super::dead::drop_unread;
use super::{Emit, Names, add_outputs};
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::onnx::{Result, walk};

/// A list of nodes that is being made: of the main graph, or of a subgraph that is put into its node once it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeId(usize);

/// A graph that is being changed, from its first node to its last.
///
/// [`next`](Editor::next) takes the next of the old nodes, [`emit`](Emit::emit) puts a node behind those that are done.
/// So a node that is emitted before the one just taken stands before it, one that is emitted after it behind it, and
/// one that is taken and not emitted is gone.
#[derive(Clone, Debug)]
pub struct Editor {
    opset: i64,
    names: Names,
    graph: GraphProto,
    ahead: std::vec::IntoIter<NodeProto>,
    scopes: Vec<Vec<NodeProto>>,
    scope: usize,
}

impl Editor {
    /// An empty graph.
    pub fn new(name: &str, opset: i64) -> Editor {
        Editor::open(GraphProto { name: Some(name.to_owned()), ..GraphProto::default() }, opset)
    }

    /// Opens a graph; the names in it are taken.
    pub fn open(graph: GraphProto, opset: i64) -> Editor {
        let names = Names::of(&graph);
        Editor::with_names(graph, opset, names)
    }

    /// Opens a graph in a model in which these names are taken.
    pub fn with_names(mut graph: GraphProto, opset: i64, names: Names) -> Editor {
        let ahead = std::mem::take(&mut graph.node).into_iter();
        Editor { opset, names, graph, ahead, scopes: vec![Vec::new()], scope: 0 }
    }

    /// The scope of the main graph.
    pub const MAIN: ScopeId = ScopeId(0);

    /// A scope for the nodes of a subgraph.
    pub fn add_scope(&mut self) -> ScopeId {
        self.scopes.push(Vec::new());
        ScopeId(self.scopes.len() - 1)
    }

    /// Nodes are emitted into this scope from here on.
    pub fn enter(&mut self, scope: ScopeId) {
        self.scope = scope.0.min(self.scopes.len() - 1);
    }

    /// Puts the nodes of scopes into the subgraphs of a node, in the order of its attributes.
    pub fn fill_subgraphs(&mut self, node: &mut NodeProto, scopes: impl IntoIterator<Item = ScopeId>) {
        for (subgraph, scope) in walk::subgraphs_mut(node).zip(scopes) {
            subgraph.node = self.scopes.get_mut(scope.0).map(std::mem::take).unwrap_or_default();
        }
    }

    /// The next of the old nodes.
    #[allow(clippy::should_implement_trait, reason = "an editor is no iterator: nodes are emitted in between")]
    pub fn next(&mut self) -> Option<NodeProto> {
        self.ahead.next()
    }

    /// How many nodes of the present scope are done.
    pub fn done(&self) -> usize {
        self.scopes[self.scope].len()
    }

    /// Nodes of the present scope from the `from`-th on that are done.
    pub fn done_from(&self, from: usize) -> &[NodeProto] {
        self.scopes[self.scope].get(from..).unwrap_or_default()
    }

    /// Takes back what was emitted after the `to`-th node.
    pub fn undo(&mut self, to: usize) {
        self.scopes[self.scope].truncate(to);
    }

    /// The names that are taken.
    pub fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    /// The graph around the nodes: inputs, outputs, initializers, declarations.
    pub fn graph(&self) -> &GraphProto {
        &self.graph
    }

    /// The graph around the nodes, open to change.
    pub fn graph_mut(&mut self) -> &mut GraphProto {
        &mut self.graph
    }

    /// One more input of the graph.
    pub fn input(&mut self, declared: ValueInfoProto) {
        self.names.take(declared.name());
        self.graph.input.push(declared);
    }

    /// One more output of the graph.
    pub fn output(&mut self, declared: ValueInfoProto) {
        self.graph.output.push(declared);
    }

    /// Makes tensors outputs, see [`add_outputs`].
    ///
    /// # Errors
    /// When nothing defines one of them.
    pub fn add_outputs(&mut self, tensors: impl IntoIterator<Item = ValueInfoProto>) -> Result<()> {
        self.settle();
        add_outputs(&mut self.graph, tensors)?;
        self.ahead = std::mem::take(&mut self.graph.node).into_iter();
        Ok(())
    }

    /// Drops nodes that `may_go` and whose outputs nothing reads; gives the names that are read.
    pub fn drop_dead(&mut self, may_go: impl FnMut(&NodeProto) -> bool) -> HashSet<String> {
        self.settle();
        let read = drop_unread(&mut self.graph, may_go);
        self.ahead = std::mem::take(&mut self.graph.node).into_iter();
        read
    }

    /// The graph, with the nodes that are done and those that were not taken.
    pub fn finish(mut self) -> GraphProto {
        self.settle();
        self.graph
    }

    /// All nodes of the main scope in the graph.
    fn settle(&mut self) {
        let mut nodes = std::mem::take(&mut self.scopes[0]);
        nodes.extend(self.ahead.by_ref());
        self.graph.node = nodes;
    }
}

impl Emit for Editor {
    fn opset(&self) -> i64 {
        self.opset
    }

    fn fresh(&mut self, base: &str) -> String {
        self.names.fresh(base)
    }

    fn emit(&mut self, node: NodeProto) {
        self.scopes[self.scope].push(node);
    }

    fn hold(&mut self, tensor: TensorProto) {
        self.graph.initializer.push(tensor);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NewNode, untyped};
    use super::*;

    fn graph() -> GraphProto {
        let mut e = Editor::new("g", 17);
        e.input(untyped("x"));
        for (from, to) in [("x", "a"), ("a", "b"), ("b", "y")] {
            e.emit(NewNode::new("Relu").input(from).output(to).build());
        }
        e.output(untyped("y"));
        e.finish()
    }

    fn writes(g: &GraphProto) -> Vec<&str> {
        g.node.iter().flat_map(|n| &n.output).map(String::as_str).collect()
    }

    #[test]
    fn nodes_go_before_after_and_in_the_place_of_others() {
        let mut e = Editor::open(graph(), 17);
        let first = e.next().unwrap();
        e.op(NewNode::new("Neg").input("x").output("before"));
        e.emit(first);
        e.op(NewNode::new("Neg").input("a").output("after"));
        e.next().unwrap();
        e.op(NewNode::identity("a", "b"));
        let g = e.finish();
        assert_eq!(writes(&g), ["before", "a", "after", "b", "y"]);
        assert_eq!(g.node[3].op_type(), "Identity");
    }

    #[test]
    fn what_nobody_reads_is_dropped() {
        let mut e = Editor::open(graph(), 17);
        while let Some(node) = e.next() {
            e.op(NewNode::new("Neg").input(node.input[0].clone()));
            e.emit(node);
        }
        e.drop_dead(|_| true);
        assert_eq!(writes(&e.finish()), ["a", "b", "y"]);
    }

    #[test]
    fn subgraphs_are_filled_and_names_are_free_in_them() {
        let mut e = Editor::new("g", 17);
        let subgraph = e.add_scope();
        e.enter(subgraph);
        let inner = e.op(NewNode::new("Relu").input("x"));
        e.enter(Editor::MAIN);
        let mut node = NewNode::new("If").graph("then_branch", GraphProto::default()).output("y").build();
        e.fill_subgraphs(&mut node, [subgraph]);
        e.emit(node);
        assert_ne!(e.op(NewNode::new("Relu").input("x")), inner);
        let g = e.finish();
        assert_eq!(g.node.len(), 2);
        let held = walk::subgraphs(&g.node[0]).next().unwrap();
        assert_eq!(held.node[0].output, [inner]);
    }
}
