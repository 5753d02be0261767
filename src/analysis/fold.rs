//! Weights that are computed from weights: what no input reaches is a constant.
//!
//! Weight normalisation, spectral normalisation and standardisation leave their arithmetic in the graph. What comes
//! out of it is what a layer reads, so that is what is scored, cut and stored; nothing inside of it is a layer. The
//! nodes stay as long as nothing is cut. A constant that would take more room than what it is computed from (a table
//! that is spread, a product of thin matrices) is not folded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::facts::Facts;
use super::graph::{Constant, Folded, Graph, NodeId, PerNode, PerTensor, TensorId, TensorOrigin};
use crate::onnx::proto::TensorProto;
use crate::onnx::{self, DType};
use crate::ops::values::{self, Folding, Nature, Numbers, ValueCx};

/// A step may hold this many times the numbers of the file that it is computed from.
const SPREAD: usize = 16;
/// And so many at least.
const FEW: usize = 1 << 12;

/// Folds what can be; says what was.
pub(super) fn fold(graph: &mut Graph, facts: &Facts) -> Vec<String> {
    let regions = Finder::new(graph, facts).regions();
    let mut found: Vec<(TensorId, Numbers, usize)> = Vec::new();
    for (region, points) in regions.iter().enumerate() {
        let numbers = evaluate(graph, facts, points).unwrap_or_default();
        found.extend(numbers.into_iter().map(|(id, numbers)| (id, numbers, region)));
    }
    if found.is_empty() {
        return Vec::new();
    }
    let points: BTreeSet<TensorId> = found.iter().map(|(id, ..)| *id).collect();
    let passed = passed(graph, &points);
    let mut constants = Vec::new();
    for (id, numbers, region) in found {
        let sources = sources(graph, id);
        let size = |id: &TensorId| facts.tensors[*id].known_shape().map_or(0, |s| s.iter().product::<usize>());
        // The first of equals: sources are in the order of the file.
        let Some(main) = sources.iter().copied().rev().max_by_key(size) else { continue };
        let Some(tensor) = stored(graph.name(id), facts.tensors[id].dtype, &numbers) else { continue };
        constants.push((id, Constant::folded(tensor, main), Folded { sources, region }));
    }
    let note = note(graph, &constants, &passed);
    graph.fold(constants, passed);
    vec![note]
}

fn note(graph: &Graph, found: &[(TensorId, Constant, Folded)], passed: &PerNode<bool>) -> String {
    let ops: BTreeSet<&str> = passed.ids().filter(|i| passed[*i]).map(|i| graph.node(i).op_type()).collect();
    let ops = ops.into_iter().collect::<Vec<_>>().join(", ");
    let first = found.first().map_or("", |(_, c, _)| match c.origin {
        TensorOrigin::Folded(main) => graph.name(main),
        _ => "",
    });
    match found.len() {
        1 => format!("1 weight is computed from other constants ({ops}): '{first}'; it is pruned as what it comes to"),
        n => format!(
            "{n} weights are computed from other constants ({ops}), the first from '{first}'; they are pruned as what \
             they come to"
        ),
    }
}

fn stored(name: &str, dt: DType, numbers: &Numbers) -> Option<TensorProto> {
    let raw: Vec<u8> = match dt {
        DType::Double => numbers.iter().flat_map(|v| v.to_le_bytes()).collect(),
        _ => {
            let data: Vec<f32> = numbers.iter().map(|v| *v as f32).collect();
            return onnx::from_f32(name, numbers.shape(), &data, dt).ok();
        }
    };
    Some(TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(dt as i32),
        dims: numbers.shape().iter().map(|n| *n as i64).collect(),
        raw_data: Some(raw.into()),
        ..TensorProto::default()
    })
}

/// Looks for constants to fold.
struct Finder<'g> {
    graph: &'g Graph,
    facts: &'g Facts,
    /// By node, where all that it is given follows from the file.
    rules: PerNode<Option<&'static Folding>>,
    /// By tensor: floats that are stored or computed from stored ones.
    known: PerTensor<bool>,
    /// By tensor: read as it is by something that an input reaches.
    exposed: PerTensor<bool>,
    /// By tensor: outputs of graphs, and what subgraphs read that are not walked.
    held: PerTensor<bool>,
}

impl<'g> Finder<'g> {
    fn new(graph: &'g Graph, facts: &'g Facts) -> Self {
        let float = |id: TensorId| facts.tensors[id].dtype.is_real();
        let mut fixed: PerTensor<bool> = graph.constants.iter().map(Option::is_some).collect();
        let mut known: PerTensor<bool> = graph.tensors().map(|id| fixed[id] && float(id)).collect();
        let mut rules = graph.per_node(None);
        for (i, slot) in rules.enumerate_mut() {
            let inputs = &graph.inputs[i];
            let given: Vec<TensorId> = inputs.iter().flatten().copied().collect();
            let follows = !given.is_empty() && given.iter().all(|id| fixed[*id]);
            if graph.is_constant_node(i) || !is_plain(graph, i) || !follows {
                continue;
            }
            graph.outputs[i].iter().flatten().for_each(|id| fixed[*id] = true);
            let told = |id: &TensorId| known[*id] || facts.tensors[*id].value.is_some();
            let shaped = graph.outputs[i].iter().flatten().all(|id| facts.tensors[*id].known_shape().is_some());
            let rule = graph
                .folding(i)
                .filter(|_| facts.inferred[i] && shaped && given.iter().all(told) && given.iter().any(|id| known[*id]));
            if rule.is_some() {
                graph.outputs[i].iter().flatten().for_each(|id| known[*id] = float(*id));
            }
            *slot = rule;
        }
        let held = held(graph);
        let mut finder = Finder { graph, facts, rules, known, exposed: graph.per_tensor(false), held };
        finder.expose();
        finder
    }

    /// The tensor that counts for a constant seen through Identity.
    fn own(&self, id: TensorId) -> TensorId {
        self.graph.holder(id).unwrap_or(id)
    }

    fn expose(&mut self) {
        for i in self.graph.node_ids().rev() {
            if self.graph.is_constant_node(i) {
                continue;
            }
            let shown = match self.rules[i] {
                None => true,
                // What only moves numbers says of what it moves what is said of the result.
                Some(_) => !self.computes(i) && self.graph.outputs[i].iter().flatten().any(|id| self.exposed[*id]),
            };
            if shown {
                for id in self.graph.inputs[i].iter().flatten() {
                    let own = self.own(*id);
                    self.exposed[own] = true;
                }
            }
        }
    }

    /// Outputs of arithmetic that something else reads, together where they are computed from the same tensors, as
    /// far as folding them makes no file larger.
    fn regions(&self) -> Vec<Vec<TensorId>> {
        let graph = self.graph;
        let mut sets = Sets(graph.tensors().collect());
        for i in graph.node_ids().filter(|i| self.rules[*i].is_some()) {
            let all = graph.inputs[i].iter().chain(&graph.outputs[i]).flatten().filter(|id| self.known[**id]);
            // One number for all says nothing.
            let mut all = all.map(|id| self.own(*id)).filter(|id| self.elements(*id) > 1);
            if let Some(first) = all.next() {
                all.for_each(|id| sets.join(first, id));
            }
        }
        let mut regions: BTreeMap<TensorId, (Vec<TensorId>, f64, f64)> = BTreeMap::new();
        for i in graph.node_ids() {
            if let Some(id) = self.point(i) {
                let region = regions.entry(sets.root(id)).or_default();
                region.0.push(id);
                region.1 += self.bytes(id);
            }
        }
        for id in graph.tensors() {
            let stays = self.exposed[id] || self.held[id] || self.own(id) != id || graph.constants[id].is_none();
            if let Some(region) = regions.get_mut(&sets.root(id)).filter(|_| self.known[id] && !stays) {
                region.2 += self.bytes(id);
            }
        }
        regions.into_values().filter(|(_, folded, freed)| folded <= freed).map(|(points, ..)| points).collect()
    }

    /// Whether a node gives other numbers than it is given, or the same in an order that no axis follows.
    fn computes(&self, i: NodeId) -> bool {
        let Some(rule) = self.rules[i] else { return false };
        match rule.nature {
            Nature::Picks => {
                let by = self.graph.inputs[i].get(1).copied().flatten();
                let order = by.and_then(|id| self.facts.tensors[id].numbers());
                order.is_some_and(|v| v.len() > 1 && v.windows(2).any(|w| w[0].checked_add(1) != Some(w[1])))
            }
            nature => nature != Nature::Moves,
        }
    }

    /// What a node computes, if that is to be folded.
    fn point(&self, i: NodeId) -> Option<TensorId> {
        let graph = self.graph;
        if !self.computes(i) {
            return None;
        }
        let mut outputs = graph.outputs[i].iter().flatten().copied();
        let first = outputs.next().filter(|id| graph.outputs[i].first() == Some(&Some(*id)))?;
        let used = |id: TensorId| self.held[id] || graph.inputs.iter().any(|inputs| inputs.contains(&Some(id)));
        let alone = !self.held[first] && !outputs.any(used);
        (alone && self.exposed[first] && self.known[first] && self.elements(first) > 1).then_some(first)
    }

    fn elements(&self, id: TensorId) -> usize {
        self.facts.tensors[id].known_shape().and_then(|s| product(&s)).unwrap_or(0)
    }

    fn bytes(&self, id: TensorId) -> f64 {
        let bits = self.facts.tensors[id].dtype.bits();
        self.elements(id) as f64 * bits as f64 / 8.0
    }
}

fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b))
}

/// Whether a node has no subgraphs, of any kind.
fn is_plain(graph: &Graph, i: NodeId) -> bool {
    !graph.is_entry(i) && graph.entry_of(i).is_none() && onnx::walk::subgraphs(graph.node(i)).next().is_none()
}

/// Tensors that are outputs of the graph or of a subgraph, or that a subgraph reads that is not walked.
fn held(graph: &Graph) -> PerTensor<bool> {
    let mut held = graph.per_tensor(false);
    for scope in 0..graph.scopes.len() {
        let outputs = graph.graph_of(scope).output.iter().filter_map(|v| graph.lookup(scope, v.name()));
        outputs.for_each(|id| held[graph.holder(id).unwrap_or(id)] = true);
    }
    for id in graph.captured.iter().flatten() {
        held[graph.holder(*id).unwrap_or(*id)] = true;
    }
    held
}

/// Disjoint sets of tensors.
struct Sets(PerTensor<TensorId>);

impl Sets {
    fn root(&self, mut id: TensorId) -> TensorId {
        while self.0[id] != id {
            id = self.0[id];
        }
        id
    }

    fn join(&mut self, a: TensorId, b: TensorId) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        self.0[high] = low;
    }
}

/// The nodes that a tensor is computed by, and the stored tensors that it is computed from, both in order.
fn behind(graph: &Graph, id: TensorId) -> (BTreeSet<NodeId>, BTreeSet<TensorId>) {
    let (mut nodes, mut stored) = (BTreeSet::new(), BTreeSet::new());
    let mut queue = vec![id];
    while let Some(id) = queue.pop() {
        if let Some(holder) = graph.holder(id) {
            stored.insert(holder);
        } else if let Some(i) = graph.producer[id].filter(|i| nodes.insert(*i)) {
            queue.extend(graph.inputs[i].iter().flatten());
        }
    }
    (nodes, stored)
}

fn sources(graph: &Graph, id: TensorId) -> Vec<TensorId> {
    behind(graph, id).1.into_iter().collect()
}

/// The contents of these tensors; `None` where one of them cannot be told, or is not finite.
fn evaluate(graph: &Graph, facts: &Facts, points: &[TensorId]) -> Option<Vec<(TensorId, Numbers)>> {
    let (mut nodes, mut stored) = (BTreeSet::new(), BTreeSet::new());
    for id in points {
        let (n, s) = behind(graph, *id);
        nodes.extend(n);
        stored.extend(s);
    }
    let size = |id: TensorId| facts.tensors[id].known_shape().as_deref().and_then(product);
    let most = stored.iter().filter_map(|id| size(*id)).sum::<usize>().saturating_mul(SPREAD).saturating_add(FEW);
    let mut last: HashMap<TensorId, NodeId> = HashMap::new();
    for i in &nodes {
        last.extend(graph.inputs[*i].iter().flatten().map(|id| (*id, *i)));
    }
    let mut at_hand: HashMap<TensorId, Numbers> = HashMap::new();
    let mut found = Vec::new();
    for i in nodes {
        let node = graph.node(i);
        let outputs: Vec<TensorId> = graph.outputs[i].iter().flatten().copied().collect();
        if !outputs.iter().any(|id| facts.tensors[*id].dtype.is_real()) {
            continue;
        }
        for id in graph.inputs[i].iter().flatten() {
            if !at_hand.contains_key(id)
                && let Some(numbers) = read(graph, facts, *id)
            {
                at_hand.insert(*id, numbers);
            }
        }
        if outputs.iter().any(|id| size(*id).is_none_or(|n| n > most)) {
            return None;
        }
        // A number that is told needs no computation.
        if let Some(rule) = graph.folding(i) {
            let nothing = crate::ops::Fact::default();
            let cx = ValueCx {
                node,
                inputs: graph.inputs[i].iter().map(|id| id.map(|id| &facts.tensors[id])).collect(),
                numbers: graph.inputs[i].iter().map(|id| id.and_then(|id| at_hand.get(&id))).collect(),
                outputs: graph.outputs[i].iter().map(|id| id.map_or(&nothing, |id| &facts.tensors[id])).collect(),
            };
            let computed = values::compute(rule, &cx);
            for (id, numbers) in graph.outputs[i].iter().zip(computed.unwrap_or_default()) {
                if let Some(id) = *id {
                    at_hand.insert(id, numbers);
                }
            }
        }
        for id in graph.inputs[i].iter().flatten().filter(|id| last.get(*id) == Some(&i) && !points.contains(*id)) {
            at_hand.remove(id);
        }
    }
    for id in points {
        let numbers = at_hand.remove(id)?;
        if numbers.iter().any(|v| !v.is_finite()) {
            return None;
        }
        found.push((*id, numbers));
    }
    Some(found)
}

/// Floats that the file holds or that shape inference has followed.
fn read(graph: &Graph, facts: &Facts, id: TensorId) -> Option<Numbers> {
    let fact = &facts.tensors[id];
    let data = match (&graph.constants[id], &fact.value) {
        (Some(c), _) if fact.dtype.is_real() => onnx::to_f64_any(graph.contents(c)).ok()?,
        (None, Some(crate::ops::Value::Floats(v))) => v.clone(),
        _ => return None,
    };
    Numbers::from_shape_vec(fact.known_shape()?, data).ok()
}

/// Nodes that only compute these tensors.
fn passed(graph: &Graph, points: &BTreeSet<TensorId>) -> PerNode<bool> {
    let mut readers: PerTensor<Vec<NodeId>> = graph.per_tensor(Vec::new());
    for (i, inputs) in graph.inputs.enumerate() {
        inputs.iter().flatten().for_each(|id| readers[*id].push(i));
    }
    let held = held(graph);
    let mut passed = graph.per_node(false);
    for i in graph.node_ids().rev() {
        let outputs: Vec<TensorId> = graph.outputs[i].iter().flatten().copied().collect();
        let only = |id: &TensorId| !held[*id] && !readers[*id].is_empty() && readers[*id].iter().all(|r| passed[*r]);
        let constant = graph.is_constant_node(i) || !is_plain(graph, i);
        passed[i] = outputs.iter().any(|id| points.contains(id))
            || !constant && !outputs.is_empty() && outputs.iter().all(only);
    }
    passed
}
