//! Nodes whose outputs nothing reads.

use std::collections::HashSet;

use crate::onnx::graph::captures;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::walk;

/// Drops nodes that `may_go` and whose outputs nothing reads; gives the names that are read. The nodes must stand in
/// order. Nodes that may have effects of their own have outputs too.
pub fn drop_unread(graph: &mut GraphProto, mut may_go: impl FnMut(&NodeProto) -> bool) -> HashSet<String> {
    let mut read: HashSet<String> = graph.output.iter().map(|v| v.name().to_owned()).collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if !node.output.iter().any(|o| read.contains(o)) && may_go(&node) {
            continue;
        }
        read.extend(node.input.iter().filter(|i| !i.is_empty()).cloned());
        read.extend(captures(&node).into_iter().map(str::to_owned));
        kept.push(node);
    }
    kept.reverse();
    graph.node = kept;
    read
}

/// Drops what no output of a subgraph depends on, in the subgraphs within it too. An initializer may also be an input's
/// default: then it stays.
pub fn drop_unread_within(subgraph: &mut GraphProto) {
    subgraph.node.iter_mut().flat_map(walk::subgraphs_mut).for_each(drop_unread_within);
    let read = drop_unread(subgraph, |_| true);
    let inputs: HashSet<&str> = subgraph.input.iter().map(|v| v.name()).collect();
    subgraph.initializer.retain(|t| read.contains(t.name()) || inputs.contains(t.name()));
    let made: HashSet<&str> = subgraph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)).collect();
    subgraph.value_info.retain(|v| made.contains(v.name()) || read.contains(v.name()));
}
