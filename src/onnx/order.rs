//! Single assignment and topological order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::graph::{GraphIndex, captures, node_label};
use super::proto::{FunctionProto, GraphProto, NodeProto};
use super::{Error, Result, walk};

/// Checks that every tensor that is read is defined once, and sorts nodes that stand out of order, in the subgraphs as
/// well. Returns how many graphs were sorted.
pub(crate) fn check_and_sort(graph: &mut GraphProto) -> Result<usize> {
    sort_graph(graph, &mut BTreeMap::new())
}

/// Checks the same of what a function of the model does. It sees its inputs and nothing around it.
pub(crate) fn check_function(function: &FunctionProto) -> Result<()> {
    let declared = |names: &[String]| names.iter().map(|n| super::untyped(n)).collect();
    let mut graph = GraphProto {
        node: function.node.clone(),
        input: declared(&function.input),
        output: declared(&function.output),
        ..GraphProto::default()
    };
    check_and_sort(&mut graph).map(|_| ())
}

/// `outer` counts the definitions around a subgraph, by name.
fn sort_graph(graph: &mut GraphProto, outer: &mut BTreeMap<String, usize>) -> Result<usize> {
    let index = GraphIndex::new(graph)?;
    let known = |name: &str| name.is_empty() || index.defines(name) || outer.contains_key(name);
    let undefined = |node: String, tensor: &str| Err(Error::UndefinedTensor { node, tensor: tensor.to_owned() });
    for (n, node) in graph.node.iter().enumerate() {
        if let Some(name) = reads(node).into_iter().find(|name| !known(name)) {
            return undefined(node_label(node, n), name);
        }
    }
    if let Some(o) = graph.output.iter().find(|o| !known(o.name())) {
        return undefined("graph output".into(), o.name());
    }

    let mut sorted = 0;
    if let Some(order) = new_order(graph, &index)? {
        let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
        graph.node = order.into_iter().filter_map(|n| nodes.get_mut(n).and_then(Option::take)).collect();
        sorted += 1;
    }
    if graph.node.iter().all(|n| walk::subgraphs(n).next().is_none()) {
        return Ok(sorted);
    }
    let own: BTreeSet<String> =
        index.producer.into_keys().chain(index.initializer.into_keys()).chain(index.inputs).collect();
    own.iter().for_each(|name| *outer.entry(name.clone()).or_default() += 1);
    for subgraph in graph.node.iter_mut().flat_map(walk::subgraphs_mut) {
        sorted += sort_graph(subgraph, outer)?;
    }
    for name in own {
        if let Some(count) = outer.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                outer.remove(&name);
            }
        }
    }
    Ok(sorted)
}

fn reads(node: &NodeProto) -> BTreeSet<&str> {
    let mut names = captures(node);
    names.extend(node.input.iter().map(String::as_str).filter(|name| !name.is_empty()));
    names
}

/// `None` when the nodes stand in order already; else the order that keeps closest to the present one.
fn new_order(graph: &GraphProto, index: &GraphIndex) -> Result<Option<Vec<usize>>> {
    let count = graph.node.len();
    let mut waiting = vec![0usize; count];
    let mut feeds: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut in_order = true;
    for (n, node) in graph.node.iter().enumerate() {
        let makers: BTreeSet<usize> =
            reads(node).into_iter().filter_map(|name| index.producer.get(name)).map(|&(p, _)| p).collect();
        in_order &= makers.iter().all(|&p| p < n);
        waiting[n] = makers.len();
        makers.into_iter().for_each(|p| feeds[p].push(n));
    }
    if in_order {
        return Ok(None);
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..count).filter(|&n| waiting[n] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(n)) = ready.pop() {
        order.push(n);
        for &next in &feeds[n] {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    if order.len() == count {
        return Ok(Some(order));
    }
    let node = on_circle(&waiting, &feeds).map_or_else(String::new, |n| node_label(&graph.node[n], n));
    Err(Error::Cycle { node })
}

/// A node on a circle, not one merely behind it: walking back from a stuck node never leaves the stuck ones.
fn on_circle(waiting: &[usize], feeds: &[Vec<usize>]) -> Option<usize> {
    let mut maker = vec![None; waiting.len()];
    for (n, next) in feeds.iter().enumerate().filter(|&(n, _)| waiting[n] > 0) {
        next.iter().for_each(|&m| maker[m] = Some(n));
    }
    let mut n = waiting.iter().position(|&w| w > 0)?;
    for _ in 0..waiting.len() {
        n = maker[n]?;
    }
    Some(n)
}
