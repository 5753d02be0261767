//! States that a loop hands on unchanged: what its subgraph is given is a value from outside.
//!
//! Some exporters pass the weights of a recurrent cell through a Loop as states. Such a state is read from outside
//! instead, the node loses it, and what the node gave as its last value is the first one.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::attr::plain;
use super::edit::{NewNode, drop_unread};
use super::graph::captures;
use super::proto::{GraphProto, NodeProto};
use super::{attr_i, walk};

/// Takes states that never change out of the loops of a graph and its subgraphs; gives how many. The nodes must stand
/// in order.
pub(super) fn settle(graph: &mut GraphProto, opset: i64) -> usize {
    let looping = |n: &NodeProto| walk::subgraphs(n).next().is_some();
    if !graph.node.iter().any(looping) {
        return 0;
    }
    let mut read: HashSet<String> = graph.output.iter().map(|v| v.name().to_owned()).collect();
    for n in &graph.node {
        read.extend(n.input.iter().cloned());
        read.extend(captures(n).into_iter().map(str::to_owned));
    }
    let mut settled = 0;
    for mut node in std::mem::take(&mut graph.node) {
        let mut aliases = Vec::new();
        if let Some(ends) = Ends::of(&node, opset) {
            let (n, last) = take(&mut node, &ends);
            settled += n;
            aliases.extend(last.into_iter().filter(|(_, to)| read.contains(to)));
        }
        settled += walk::subgraphs_mut(&mut node).map(|b| settle(b, opset)).sum::<usize>();
        graph.node.push(node);
        graph.node.extend(aliases.into_iter().map(|(from, to)| identity(from, to)));
    }
    settled
}

/// Where the states of a Loop or Scan stand.
struct Ends {
    states: usize,
    /// The first state among the node's inputs, its subgraph's inputs, its subgraph's outputs.
    first: usize,
    given: usize,
    made: usize,
}

impl Ends {
    fn of(node: &NodeProto, opset: i64) -> Option<Ends> {
        if !plain(node.domain()).is_empty() {
            return None;
        }
        let subgraph = walk::subgraphs(node).next()?;
        let ends = match node.op_type() {
            "Loop" => Ends { states: node.input.len().checked_sub(2)?, first: 2, given: 2, made: 1 },
            // Before operator set 9 the first input was the lengths of sequences.
            "Scan" if opset >= 9 => {
                let scanned = usize::try_from(attr_i(node, "num_scan_inputs")?).ok()?;
                Ends { states: node.input.len().checked_sub(scanned)?, first: 0, given: 0, made: 0 }
            }
            _ => return None,
        };
        let fits = subgraph.input.len() >= ends.given + ends.states && subgraph.output.len() >= ends.made + ends.states;
        fits.then_some(ends)
    }
}

/// Takes out the states that the subgraph hands on as they are. Gives what each was at first, with the name of what it
/// was at last, where that has one.
fn take(node: &mut NodeProto, ends: &Ends) -> (usize, Vec<(String, String)>) {
    let (mut gone, mut renamed) = (Vec::new(), BTreeMap::new());
    if let Some(subgraph) = walk::subgraphs(node).next() {
        let (mut inner, mut own) = (HashSet::new(), HashSet::new());
        subgraph.node.iter().flat_map(walk::subgraphs).for_each(|b| defined(b, &mut inner));
        defined(subgraph, &mut own);
        let mut origins: HashMap<&str, &str> = HashMap::new();
        for n in subgraph.node.iter().filter(|n| is_copy(n)) {
            let from = n.input[0].as_str();
            origins.insert(&n.output[0], origins.get(from).copied().unwrap_or(from));
        }
        // A node must give something.
        let most = node.output.len().saturating_sub(1);
        for k in (0..ends.states.min(node.output.len())).filter(|_| most > 0) {
            let first = &node.input[ends.first + k];
            let given = subgraph.input[ends.given + k].name();
            let made = subgraph.output[ends.made + k].name();
            let made = origins.get(made).copied().unwrap_or(made);
            let free = !first.is_empty() && !own.contains(first.as_str()) && !inner.contains(given);
            if made == given && !given.is_empty() && free && gone.len() < most {
                gone.push(k);
                renamed.insert(given.to_owned(), first.clone());
            }
        }
    }
    let mut last = Vec::new();
    for &k in gone.iter().rev() {
        let (first, name) = (node.input.remove(ends.first + k), node.output.remove(k));
        last.extend((!name.is_empty()).then_some((first, name)));
    }
    for subgraph in walk::subgraphs_mut(node).filter(|_| !gone.is_empty()) {
        for k in gone.iter().rev() {
            subgraph.input.remove(ends.given + k);
            subgraph.output.remove(ends.made + k);
        }
        subgraph.node.iter_mut().for_each(|n| rename(n, &renamed));
        let still: HashSet<&str> = subgraph.output.iter().map(|v| v.name()).collect();
        let given: Vec<NodeProto> = renamed
            .iter()
            .filter(|(to, _)| still.contains(to.as_str()))
            .map(|(to, from)| identity(from.clone(), to.clone()))
            .collect();
        subgraph.value_info.retain(|v| !renamed.contains_key(v.name()) || still.contains(v.name()));
        subgraph.node.splice(0..0, given);
        // Copies that nobody reads any more.
        drop_unread(subgraph, is_copy);
    }
    (gone.len(), last)
}

fn is_copy(n: &NodeProto) -> bool {
    n.op_type() == "Identity" && plain(n.domain()).is_empty() && n.input.len() == 1 && n.output.len() == 1
}

/// Names to which a graph or a subgraph in it gives a meaning.
fn defined<'a>(g: &'a GraphProto, out: &mut HashSet<&'a str>) {
    out.extend(g.input.iter().map(|v| v.name()));
    out.extend(g.initializer.iter().map(|t| t.name()));
    out.extend(g.sparse_initializer.iter().filter_map(|s| s.values.as_ref()).map(|t| t.name()));
    for n in &g.node {
        out.extend(n.output.iter().map(String::as_str));
        walk::subgraphs(n).for_each(|b| defined(b, out));
    }
}

fn rename(n: &mut NodeProto, to: &BTreeMap<String, String>) {
    for i in &mut n.input {
        if let Some(new) = to.get(i) {
            i.clone_from(new);
        }
    }
    walk::subgraphs_mut(n).flat_map(|b| &mut b.node).for_each(|n| rename(n, to));
}

fn identity(from: String, to: String) -> NodeProto {
    NewNode::identity(from, to.clone()).name(to).build()
}
