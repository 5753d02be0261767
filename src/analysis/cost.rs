//! MACs, parameters and bytes as polynomials in the groups' channel counts.

use std::collections::{BTreeMap, HashMap};

use super::activations::ActivationCost;
use super::facts::Facts;
use super::graph::Graph;
use super::groups::{Group, Variant};
use super::relations::Relations;
use crate::algebra::{Atom, Bindings, Cost, Monomial, Term};
use crate::onnx::DType;
use crate::onnx::proto::TensorProto;
use crate::ops::{CostCx, Fact, Operator, Work, dtype};

/// Cost functions. All take one channel count per group.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    /// Multiply-accumulates of contractions at the bound input shapes.
    pub macs: Cost,
    /// The node of each product in `macs`.
    pub mac_nodes: Vec<usize>,
    /// Operators with work that is not in `macs`, with how many nodes: no rule counts it, or a size is unknown.
    pub uncounted: BTreeMap<String, usize>,
    /// Elements of weights that the graph uses, each counted once.
    pub params: Cost,
    /// Bytes of the same.
    pub weight_bytes: Cost,
    /// Bytes of live activations.
    pub activations: ActivationCost,
}

impl Costs {
    /// Builds the polynomials once; any candidate is an evaluation.
    pub fn build(
        graph: &Graph,
        facts: &Facts,
        relations: &Relations,
        variants: &[Variant],
        groups: &[Group],
        bindings: &Bindings,
        warnings: &mut Vec<String>,
    ) -> Costs {
        let places: HashMap<Atom, usize> = groups.iter().enumerate().map(|(i, g)| (g.atom, i)).collect();
        let index = |t: Atom| places.get(&t).copied();
        let compile = |m: &[Monomial]| Cost::compile(m, &relations.terms, &facts.symbols, bindings, &index);
        let (mut macs, mut mac_nodes, mut open) = (Vec::new(), Vec::new(), Vec::new());
        let mut uncounted: BTreeMap<String, usize> = BTreeMap::new();
        for i in (0..graph.nodes().len()).filter(|i| !graph.is_constant_node(*i)) {
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
        let (params, bytes) = weight_monomials(graph, variants);
        Costs {
            macs: compile(&macs).unwrap_or_default(),
            mac_nodes,
            uncounted,
            params: compile(&params).unwrap_or_default(),
            weight_bytes: compile(&bytes).unwrap_or_default(),
            activations: ActivationCost::build(graph, facts, relations, &compile),
        }
    }
}

/// What `ask` hears from a node's operator; `None` where it has none, or one with a rule whose inference did not answer.
pub(super) fn asked<R>(
    graph: &Graph,
    facts: &Facts,
    relations: &Relations,
    i: usize,
    ask: impl FnOnce(&dyn Operator, &CostCx) -> R,
) -> Option<R> {
    let node = graph.nodes()[i];
    let op = graph.operator(i).filter(|op| facts.inferred[i] || op.frozen().is_some())?;
    let inputs: Vec<Option<&Fact>> = graph.inputs[i].iter().map(|t| t.map(|t| &facts.tensors[t])).collect();
    let axes_out: Vec<Option<&[Term]>> =
        graph.outputs[i].iter().map(|id| id.and_then(|id| relations.tensors[id].as_deref())).collect();
    let cx = CostCx {
        node,
        opset: graph.opset_of(node),
        inputs,
        axes_in: &relations.uses[i],
        axes_out,
        terms: &relations.terms,
    };
    Some(ask(op, &cx))
}

/// Elements and bytes of float weights and quantized ones, by axis terms where they have some.
fn weight_monomials(graph: &Graph, variants: &[Variant]) -> (Vec<Monomial>, Vec<Monomial>) {
    let (mut params, mut bytes) = (Vec::new(), Vec::new());
    let mut seen = vec![false; graph.names.len()];
    for v in variants {
        // A second variant is a second tensor only once the kept channels differ: count the first.
        if std::mem::replace(&mut seen[v.tensor], true) {
            continue;
        }
        let Some(c) = &graph.constants[v.tensor] else { continue };
        let unit = if c.tensor.dims.iter().all(|d| *d > 0) { per_element(&c.tensor) } else { 0.0 };
        params.push(Monomial { coefficient: 1.0, axes: v.axes.clone() });
        bytes.push(Monomial { coefficient: unit, axes: v.axes.clone() });
    }
    for t in &graph.proto.initializer {
        let Some(id) = graph.id(t.name()) else { continue };
        if seen[id] || matches!(t.data_type(), dtype::INT32 | dtype::INT64 | dtype::BOOL | 8) {
            continue;
        }
        let n = t.dims.iter().map(|d| *d as f64).product::<f64>();
        params.push(Monomial { coefficient: n, axes: Vec::new() });
        bytes.push(Monomial { coefficient: weight_bytes(t), axes: Vec::new() });
    }
    (params, bytes)
}

/// Bytes that a tensor's contents take in the file.
fn weight_bytes(t: &TensorProto) -> f64 {
    let bits = DType::try_from(t.data_type()).map_or(32, DType::bits);
    t.dims.iter().map(|d| *d as f64).product::<f64>() * bits as f64 / 8.0
}

fn per_element(t: &TensorProto) -> f64 {
    weight_bytes(t) / t.dims.iter().map(|d| *d as f64).product::<f64>()
}
