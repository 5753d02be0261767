//! In which order layers are refitted, and which of them must be.

use std::collections::{BTreeSet, HashMap};

use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::{self, walk};

/// The main graph as who reads what.
pub struct Flow<'g> {
    nodes: &'g [NodeProto],
    /// Tensors that each node reads, those that its subgraphs read included.
    reads: Vec<Vec<&'g str>>,
    makers: HashMap<&'g str, usize>,
    outputs: Vec<&'g str>,
}

impl<'g> Flow<'g> {
    /// Indexes a graph.
    pub fn new(graph: &'g GraphProto) -> Flow<'g> {
        let reads = |n: &'g NodeProto| -> Vec<&'g str> {
            let own: BTreeSet<&str> = n.input.iter().map(String::as_str).chain(onnx::captures(n)).collect();
            own.into_iter().filter(|n| !n.is_empty()).collect()
        };
        let made = |(i, n): (usize, &'g NodeProto)| n.output.iter().map(move |o| (o.as_str(), i));
        Flow {
            nodes: &graph.node,
            reads: graph.node.iter().map(reads).collect(),
            makers: graph.node.iter().enumerate().flat_map(made).filter(|(n, _)| !n.is_empty()).collect(),
            outputs: graph.output.iter().map(|v| v.name()).collect(),
        }
    }

    /// The node that makes a tensor.
    pub fn maker(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// The nodes that a node reads from.
    fn above(&self, node: usize) -> impl Iterator<Item = usize> {
        self.reads[node].iter().filter_map(|n| self.maker(n))
    }

    /// All nodes that the outputs depend on, each after those that it reads from. Of the nodes that one reads from,
    /// those with fewer layers above them come first: the shortcut of a residual block before its branch.
    pub fn order(&self, is_layer: &[bool]) -> Vec<usize> {
        let mut depth = vec![0usize; self.nodes.len()];
        for i in 0..self.nodes.len() {
            let most = self.above(i).map(|j| depth[j]).max().unwrap_or(0);
            depth[i] = most + usize::from(is_layer[i]);
        }
        let sorted = |i: usize| {
            let mut above: Vec<usize> = self.above(i).collect();
            above.sort_by_key(|j| (depth[*j], *j));
            above.dedup();
            above
        };
        let mut seen = vec![false; self.nodes.len()];
        let mut out = Vec::with_capacity(self.nodes.len());
        for start in self.outputs.iter().filter_map(|n| self.maker(n)) {
            let mut stack = vec![(start, None::<std::vec::IntoIter<usize>>)];
            while let Some((node, above)) = stack.last_mut() {
                let node = *node;
                if above.is_none() && std::mem::replace(&mut seen[node], true) {
                    stack.pop();
                    continue;
                }
                match above.get_or_insert_with(|| sorted(node).into_iter()).next() {
                    Some(next) if !seen[next] => stack.push((next, None)),
                    Some(_) => {}
                    None => {
                        out.push(node);
                        stack.pop();
                    }
                }
            }
        }
        out
    }

    /// Which nodes give something else once only `kept` channels are left.
    pub fn differs(&self, a: &Analysis, kept: &Kept) -> Vec<bool> {
        let mut out = vec![false; self.nodes.len()];
        let shrinks = a.views.iter().filter(|v| v.axes.iter().any(|t| a.relations.terms.shrinks(*t, kept)));
        for u in shrinks.flat_map(|v| &v.uses) {
            let name = a.graph.node(u.node).output.first().map_or("", String::as_str);
            match (a.graph.scope_of(u.node), self.maker(name)) {
                (0, Some(i)) => out[i] = true,
                // Inside of some subgraph.
                _ => (0..self.nodes.len())
                    .filter(|i| walk::subgraphs(&self.nodes[*i]).next().is_some())
                    .for_each(|i| out[i] = true),
            }
        }
        for i in 0..self.nodes.len() {
            out[i] |= self.above(i).any(|j| out[j]);
        }
        out
    }

    /// All nodes that a tensor depends on.
    pub fn ancestors(&self, name: &str) -> Vec<bool> {
        let mut out = vec![false; self.nodes.len()];
        let mut open: Vec<usize> = self.maker(name).into_iter().collect();
        while let Some(i) = open.pop() {
            if !std::mem::replace(&mut out[i], true) {
                open.extend(self.above(i));
            }
        }
        out
    }
}
