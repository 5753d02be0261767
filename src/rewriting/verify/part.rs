//! The part of a model before operators that a runtime does not know.

use std::collections::{BTreeSet, HashSet};

use crate::onnx::{self, proto::GraphProto, proto::NodeProto};
use crate::runtime;

/// Types of operators that a runtime said it does not know, of those in a graph.
pub fn unknown_operators(graph: &GraphProto, said: &runtime::Error) -> BTreeSet<String> {
    let text = said.to_string();
    let telling = [
        "not a registered",
        "No Op registered",
        "NOT_IMPLEMENTED",
        "not implemented",
        "is not supported by it",
        "is unknown",
    ];
    if !telling.iter().any(|t| text.contains(t)) {
        return BTreeSet::new();
    }
    let words: HashSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut out = BTreeSet::new();
    let mut open: Vec<&GraphProto> = vec![graph];
    while let Some(g) = open.pop() {
        for n in &g.node {
            if words.contains(n.op_type()) {
                out.insert(n.op_type().to_owned());
            }
            open.extend(onnx::walk::subgraphs(n));
        }
    }
    out
}

fn has(node: &NodeProto, unknown: &BTreeSet<String>) -> bool {
    unknown.contains(node.op_type()) || onnx::walk::subgraphs(node).any(|g| g.node.iter().any(|n| has(n, unknown)))
}

/// Takes nodes of these types away with all that follows from them; what they read becomes outputs, beside the outputs
/// that are left.
pub fn cut_before(graph: &mut GraphProto, unknown: &BTreeSet<String>) {
    let mut lost: HashSet<String> = HashSet::new();
    let mut read: Vec<String> = Vec::new();
    let mut made: HashSet<String> = HashSet::new();
    let nodes = std::mem::take(&mut graph.node);
    for node in nodes {
        let own = has(&node, unknown);
        let captured = onnx::captures(&node).iter().any(|n| lost.contains(*n));
        if own || captured || node.input.iter().any(|n| lost.contains(n)) {
            if own {
                read.extend(node.input.iter().filter(|n| made.contains(*n)).cloned());
            }
            lost.extend(node.output.iter().filter(|n| !n.is_empty()).cloned());
        } else {
            made.extend(node.output.iter().cloned());
            graph.node.push(node);
        }
    }
    graph.output.retain(|v| !lost.contains(v.name()));
    let there: HashSet<String> = graph.output.iter().map(|v| v.name().to_owned()).collect();
    let mut new: Vec<String> = read.into_iter().filter(|n| !there.contains(n)).collect();
    new.sort_unstable();
    new.dedup();
    let declared = |name: &String| graph.value_info.iter().find(|v| v.name() == name).cloned();
    let new: Vec<_> = new.iter().map(|n| declared(n).unwrap_or_else(|| onnx::untyped(n))).collect();
    graph.output.extend(new);
    graph.value_info.retain(|v| !lost.contains(v.name()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::edit::NewNode;

    fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
        NewNode::new(op).inputs(inputs.iter().copied()).output(output).build()
    }

    #[test]
    fn what_an_unknown_operator_reads_becomes_an_output() {
        let mut g = GraphProto {
            node: vec![
                node("Relu", &["x"], "a"),
                node("Strange", &["a", "w"], "b"),
                node("Abs", &["a"], "c"),
                node("Add", &["b", "c"], "y"),
            ],
            output: vec![onnx::untyped("y"), onnx::untyped("c")],
            ..GraphProto::default()
        };
        let said = runtime::Error::Unsupported { runtime: "r", model: "m".into(), what: "operator Strange".into() };
        let unknown = unknown_operators(&g, &said);
        assert_eq!(unknown.iter().collect::<Vec<_>>(), ["Strange"]);
        cut_before(&mut g, &unknown);
        assert_eq!(g.node.iter().map(|n| n.op_type()).collect::<Vec<_>>(), ["Relu", "Abs"]);
        assert_eq!(g.output.iter().map(|v| v.name()).collect::<Vec<_>>(), ["c", "a"]);
        let other = runtime::Error::Run { runtime: "r", model: "m".into(), why: "Relu: sizes differ".into() };
        assert!(unknown_operators(&g, &other).is_empty());
    }
}
