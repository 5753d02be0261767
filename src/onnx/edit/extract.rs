//! A part of a graph as a graph of its own.

use std::collections::{HashMap, HashSet};

use crate::onnx::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

/// What a part is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extracted {
    /// The nodes, in their order.
    pub nodes: Vec<NodeProto>,
    /// The initializers that these read.
    pub initializers: Vec<TensorProto>,
    /// Declarations of initializers that a caller may give other values.
    pub overridable: Vec<ValueInfoProto>,
    /// Tensors that the part is given, in order of their names.
    pub given: Vec<String>,
}

/// The part of a graph that computes `outputs` from tensors that are `given` to it, and from those that nothing in the
/// graph makes. What subgraphs read is not followed.
pub fn extract(graph: GraphProto, outputs: &[String], given: impl Fn(&str) -> bool) -> Extracted {
    let made = |(i, n): (usize, &NodeProto)| n.output.iter().map(move |o| (o.clone(), i)).collect::<Vec<_>>();
    let makers: HashMap<String, usize> = graph.node.iter().enumerate().flat_map(made).collect();
    let held: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
    let mut needed = HashSet::new();
    let mut wanted = vec![false; graph.node.len()];
    let mut out = Extracted::default();
    let mut open = outputs.to_vec();
    while let Some(name) = open.pop() {
        if name.is_empty() || !needed.insert(name.clone()) || held.contains(name.as_str()) {
            continue;
        }
        match makers.get(&name) {
            Some(i) if !given(&name) => {
                if !std::mem::replace(&mut wanted[*i], true) {
                    open.extend(graph.node[*i].input.iter().cloned());
                }
            }
            _ => out.given.push(name),
        }
    }
    out.given.sort_unstable();
    let overridable = graph.input.into_iter().filter(|v| held.contains(v.name()) && needed.contains(v.name()));
    out.overridable = overridable.collect();
    out.nodes = graph.node.into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(n, _)| n).collect();
    out.initializers = graph.initializer.into_iter().filter(|t| needed.contains(t.name())).collect();
    out
}
