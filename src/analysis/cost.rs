//! MACs, parameters and bytes as functions of the groups' channel counts.

use std::collections::{BTreeMap, HashMap};

use super::activations::ActivationCost;
use super::facts::Facts;
use super::graph::{Graph, NodeId};
use super::groups::{Group, Views};
use super::relations::Relations;
use super::storage::Storage;
use crate::algebra::{Atom, Bindings, Cost, Monomial, Term};
use crate::ops::{CostCx, Operator, Work};

/// Cost functions. All take one channel count per group.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    /// Multiply-accumulates of contractions at the bound input shapes.
    pub macs: Cost,
    /// The node of each product in `macs`.
    pub mac_nodes: Vec<NodeId>,
    /// Operators with work that is not in `macs`, with how many nodes: no rule counts it, or a size is unknown.
    pub uncounted: BTreeMap<String, usize>,
    /// What the file stores.
    pub storage: Storage,
    /// Bytes of live activations.
    pub activations: ActivationCost,
}

impl Costs {
    /// Builds the polynomials once; any candidate is an evaluation.
    pub fn build(
        graph: &Graph,
        facts: &Facts,
        relations: &Relations,
        views: &Views,
        groups: &[Group],
        bindings: &Bindings,
        warnings: &mut Vec<String>,
    ) -> Costs {
        let places: HashMap<Atom, usize> = groups.iter().enumerate().map(|(i, g)| (g.atom, i)).collect();
        let index = |t: Atom| places.get(&t).copied();
        let compile = |m: &[Monomial]| Cost::compile(m, &relations.terms, &facts.symbols, bindings, &index);
        let (mut macs, mut mac_nodes, mut open) = (Vec::new(), Vec::new(), Vec::new());
        let mut uncounted: BTreeMap<String, usize> = BTreeMap::new();
        // What no input reaches is computed once, not in every run.
        let runs = |i: &NodeId| !graph.outputs[*i].iter().flatten().any(|id| relations.derived[*id]);
        for i in graph.node_ids().filter(|i| !graph.is_folded(*i)).filter(runs) {
            let work = graph.operator(i).map_or(Work::Uncounted, |op| op.work());
            let of_node = asked(graph, facts, relations, i, |op, cx| op.macs(cx)).unwrap_or_default();
            let mut all = work == Work::None || work == Work::Counted && !of_node.is_empty();
            for m in of_node {
                if compile(std::slice::from_ref(&m)).is_some() {
                    macs.push(m);
                    mac_nodes.push(i);
                } else {
                    open.push(graph.label(i));
                    all = false;
                }
            }
            if !all {
                *uncounted.entry(graph.operator_name(i)).or_default() += 1;
            }
        }
        if let Some(first) = open.first() {
            let n = open.len();
            warnings
                .push(format!("MACs of {n} nodes are not counted, their sizes depend on the data (first: {first})"));
        }
        Costs {
            macs: compile(&macs).unwrap_or_default(),
            mac_nodes,
            uncounted,
            storage: Storage::build(graph, relations, views, groups, &index, &compile),
            activations: ActivationCost::build(graph, facts, relations, &compile),
        }
    }
}

impl Costs {
    /// Elements of the weights that a file with these channel counts stores.
    pub fn params(&self, counts: &[usize]) -> f64 {
        self.storage.eval(counts).params
    }

    /// Bytes of the same.
    pub fn weight_bytes(&self, counts: &[usize]) -> f64 {
        self.storage.eval(counts).bytes
    }
}

/// What `ask` hears from a node's operator; `None` where it has none, or one with a rule whose inference did not
/// answer.
pub(super) fn asked<R>(
    graph: &Graph,
    facts: &Facts,
    relations: &Relations,
    i: NodeId,
    ask: impl FnOnce(&dyn Operator, &CostCx) -> R,
) -> Option<R> {
    let op = graph.operator(i).filter(|op| facts.inferred[i] || op.frozen().is_some())?;
    let axes_out: Vec<Option<&[Term]>> =
        graph.outputs[i].iter().map(|id| id.and_then(|id| relations.tensors[id].as_deref())).collect();
    let cx =
        CostCx { view: graph.view(i, &facts.tensors), axes_in: &relations.uses[i], axes_out, terms: &relations.terms };
    Some(ask(op, &cx))
}
