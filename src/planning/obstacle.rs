//! What stands in the way of a plan, and what would help.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::axes::Axes;
use super::eligible::{Limit, limits};
use super::error::{Error, Result};
use super::options::Options;
use super::schemes::Scheme;
use crate::analysis::{Analysis, AxisKind, NodeId, TensorId};
use crate::hint::Hint;
use crate::ops::Work;

/// Why no group may shrink.
pub fn nothing(a: &Analysis, o: &Options) -> Error {
    let why = if !a.groups.is_empty() {
        let left: Vec<AxisKind> = AxisKind::ALL.into_iter().filter(|k| a.groups.iter().any(|g| g.kind == *k)).collect();
        let open = o.only.is_empty() && o.protect.is_empty();
        if !left.iter().any(|k| o.axes.contains(*k)) {
            let names = left.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
            format!("the kinds of its groups are {names}, which shrink with {} {}", Hint::Axes, o.axes.with(left))
        } else if open {
            format!("no group that may shrink has more channels than must stay ({} {})", Hint::RoundTo, o.round_to)
        } else {
            format!("{}, {} and {} leave no group", Hint::Only, Hint::Protect, Hint::Axes)
        }
    } else {
        stuck(a)
    };
    Error::NothingPrunable { why }
}

/// Why a model has no groups.
fn stuck(a: &Analysis) -> String {
    let mut parts = Vec::new();
    if let Some(node) = blind_from(a) {
        let (label, op) = (a.graph.label(node), a.graph.operator_name(node));
        parts.push(format!(
            "shapes are unknown behind node {label} ({op}); have the file declare them (by the shape inference of the \
             exporter or of onnx), or give the sizes of inputs by {}",
            Hint::Shapes
        ));
    } else if let Some(input) = without_shape(a) {
        parts.push(format!("input '{input}' has no declared shape: declare one in the file"));
    }
    if let Some((kind, at, share)) = heaviest(a) {
        let n = a.frozen.len();
        let what = match share {
            Some(share) => format!("those with most of the MACs ({:.0} %)", 100.0 * share),
            None => "the first".to_owned(),
        };
        let by = if at.is_empty() { String::new() } else { format!(" ({at})") };
        parts.push(format!("all {n} weight axes are frozen, {what} because of: {kind}{by}; inspect lists all reasons"));
    }
    if parts.is_empty() {
        parts.extend(work_elsewhere(a));
    }
    if parts.is_empty() {
        parts.push("it has no weights between its inputs and outputs that a node could lose".to_owned());
    }
    parts.join("; ")
}

fn unknown(a: &Analysis, id: &Option<TensorId>) -> bool {
    id.is_some_and(|id| a.facts.tensors[id].shape.is_none())
}

/// The node that first gives a tensor of unknown shape, of those that a contraction waits for.
fn blind_from(a: &Analysis) -> Option<NodeId> {
    let waits = |i: &NodeId| {
        let counted = a.graph.operator(*i).is_some_and(|op| op.work() == Work::Counted);
        counted && a.graph.inputs[*i].iter().any(|id| unknown(a, id))
    };
    let mut node = a.graph.node_ids().find(waits)?;
    // Nodes stand in order: each step leads to an earlier one.
    while let Some(id) = a.graph.inputs[node].iter().flatten().find(|id| unknown(a, &Some(**id))) {
        node = a.graph.producer[*id].filter(|before| *before < node)?;
    }
    Some(node)
}

/// An input that a contraction may wait for and that has no shape.
fn without_shape(a: &Analysis) -> Option<&str> {
    let inputs = a.graph.free_inputs();
    inputs.into_iter().map(|v| v.name()).find(|name| a.graph.id(name).is_some_and(|id| unknown(a, &Some(id))))
}

/// The obstacle of the axes whose weights hold most of the MACs, with their share. What a caller gives and gets is none
/// where there is another.
fn heaviest(a: &Analysis) -> Option<(&str, &str, Option<f64>)> {
    let full = a.full_counts();
    let mut of_node: HashMap<NodeId, f64> = HashMap::new();
    for (k, node) in a.costs.mac_nodes.iter().enumerate() {
        *of_node.entry(*node).or_default() += a.costs.macs.eval_product(k, &full);
    }
    let mut readers: HashMap<&str, BTreeSet<NodeId>> = HashMap::new();
    for v in &a.views {
        readers.entry(a.graph.name(v.tensor)).or_default().extend(v.uses.iter().map(|u| u.node));
    }
    let mut nodes: BTreeMap<(&str, &str), BTreeSet<NodeId>> = BTreeMap::new();
    for f in &a.frozen {
        let own = f.places.iter().filter_map(|(name, _)| readers.get(name.as_str())).flatten();
        nodes.entry((f.kind, f.at.as_str())).or_default().extend(own);
    }
    let ends = |kind: &str| matches!(kind, "graph input" | "graph output");
    let macs = |all: &BTreeSet<NodeId>| all.iter().filter_map(|n| of_node.get(n)).sum::<f64>();
    let best = nodes
        .iter()
        .max_by(|(x, m), (y, n)| (!ends(x.0)).cmp(&!ends(y.0)).then(macs(m).total_cmp(&macs(n))).then(y.cmp(x)));
    let total: f64 = of_node.values().sum();
    best.map(|((kind, at), all)| (*kind, *at, (macs(all) > 0.0).then(|| macs(all) / total)))
}

/// Operators that hold what they compute with in their attributes.
fn work_elsewhere(a: &Analysis) -> Option<String> {
    let mut found: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for i in a.graph.node_ids() {
        let Some(op) = a.graph.operator(i).filter(|op| op.work() != Work::None) else { continue };
        if let Some(why) = op.frozen() {
            found.entry(a.graph.operator_name(i)).or_insert((0, why)).0 += 1;
        }
    }
    let list: Vec<String> = found
        .iter()
        .map(|(op, (n, why))| format!("{op} ({n} {}, {why})", if *n == 1 { "node" } else { "nodes" }))
        .collect();
    (!list.is_empty()).then(|| format!("its work is in {}, which has no channels", list.join(", ")))
}

/// Names the nodes that hold most of the MACs that are left, and the axes that would help.
pub fn missed(a: &Analysis, limits: &[Limit], counts: &[usize], more: impl FnOnce() -> Result<Option<Axes>>) -> String {
    let mut nodes: Vec<(f64, NodeId)> =
        (0..a.costs.macs.len()).map(|i| (a.costs.macs.eval_product(i, counts), a.costs.mac_nodes[i])).collect();
    nodes.sort_by(|x, y| y.0.total_cmp(&x.0));
    let total: f64 = nodes.iter().map(|n| n.0).sum();
    let list: Vec<String> = nodes
        .iter()
        .take(3)
        .map(|(m, n)| format!("{} ({:.0} %)", a.graph.label(*n), 100.0 * m / total.max(1.0)))
        .collect();
    let held = limits.iter().zip(a.full_counts()).filter(|(l, n)| l.least == *n).count();
    let mut text =
        format!("what is left is mostly {}; {held} of {} groups may not shrink", list.join(", "), limits.len());
    if let Ok(Some(axes)) = more() {
        text += &format!("; {} {axes} would reach it", Hint::Axes);
    }
    text
}

/// The choice of kinds that reaches what the given one does not: with one kind more where that is enough, else with
/// all that the model has.
///
/// # Errors
/// When a pattern is malformed.
pub fn other_axes(
    a: &Analysis,
    scheme: &dyn Scheme,
    o: &Options,
    reached: impl Fn(&[usize]) -> bool,
) -> Result<Option<Axes>> {
    let absent = |k: &AxisKind| !o.axes.contains(*k) && a.groups.iter().any(|g| g.kind == *k);
    let absent: Vec<AxisKind> = AxisKind::ALL.into_iter().filter(absent).collect();
    for more in absent.iter().map(std::slice::from_ref).chain([&absent[..]]) {
        let axes = o.axes.with(more.iter().copied());
        let least = limits(a, scheme, &Options { axes: axes.clone(), ..o.clone() })?;
        if reached(&least.iter().map(|l| l.least).collect::<Vec<_>>()) {
            return Ok(Some(axes));
        }
    }
    Ok(None)
}
