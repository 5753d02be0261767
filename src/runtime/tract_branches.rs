//! Branches of `If` that give a constant, for tract: it takes the constant of one branch for what the node gives,
//! whatever the condition. So such an output comes out of a choice by the condition between the constant and itself.

use std::collections::HashSet;
use tract_onnx::pb::{GraphProto, NodeProto};

/// The tensors of a graph that depend on none of its inputs, and on no others of the graphs around it than `outer`.
pub(super) fn constants(graph: &GraphProto, outer: &HashSet<String>) -> HashSet<String> {
    let mut out = outer.clone();
    out.extend(graph.initializer.iter().map(|t| t.name.clone()));
    // An input may have a default.
    graph.input.iter().for_each(|v| {
        out.remove(&v.name);
    });
    for node in &graph.node {
        let bodies = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
        if !bodies && node.input.iter().all(|name| name.is_empty() || out.contains(name)) {
            out.extend(node.output.iter().filter(|name| !name.is_empty()).cloned());
        }
    }
    out
}

/// Lets the constants that a node's branches give follow from its condition.
pub(super) fn open(node: &mut NodeProto, outer: &HashSet<String>) {
    let Some(condition) = node.input.first().filter(|c| node.op_type == "If" && !outer.contains(*c)).cloned() else {
        return;
    };
    for branch in node.attribute.iter_mut().filter_map(|a| a.g.as_mut()) {
        let constant = constants(branch, outer);
        let mut choices = Vec::new();
        for output in branch.output.iter_mut().filter(|o| constant.contains(&o.name)) {
            let chosen = format!("{} by {condition}", output.name);
            choices.push(NodeProto {
                op_type: "Where".to_owned(),
                name: chosen.clone(),
                input: vec![condition.clone(), output.name.clone(), output.name.clone()],
                output: vec![chosen.clone()],
                ..Default::default()
            });
            output.name = chosen;
        }
        branch.node.append(&mut choices);
    }
}
