//! Axis relations: one walk over the nodes, each asked which output axis is which input axis.

use crate::tensor::DType;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Sharing;
use super::facts::Facts;
use super::graph::{Graph, NodeId, PerNode, PerTensor, TensorId};
use super::scales::{Readers, dequantized, scale_after};
use crate::algebra::{Reason, Term, Terms};
use crate::onnx;
use crate::ops::{Packed, Role};

mod node;

/// Axis terms of one tensor.
pub type Axes = Vec<Term>;

/// Axes of more positions are not picked from: the positions would have to be spelled out.
const MAX_PICKED: i64 = 1 << 20;

const QUANTIZED: &str = "quantized weight";

/// Where a weight is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Use {
    /// The node.
    pub node: NodeId,
    /// Its input.
    pub input: usize,
}

/// How integers stand for real ones: real = (q − zero point) · scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantization {
    /// The scale, where it is known.
    pub scale: Option<TensorId>,
    /// The zero point, where it is not 0.
    pub zero_point: Option<TensorId>,
    /// The axis that both follow, unless they are one number.
    pub axis: usize,
    /// Set where bytes hold several numbers, or are blocks with a scale each.
    pub packed: Option<Packed>,
}

/// The solved relations of a graph.
pub struct Relations {
    /// The arena.
    pub terms: Terms,
    /// Axis terms of tensors that nodes write or a caller gives.
    pub tensors: PerTensor<Option<Axes>>,
    /// Axis terms of each node's inputs. A constant has axes of its own at each use; those of layers
    /// that share a weight have been made one.
    pub uses: PerNode<Vec<Option<Axes>>>,
    /// Roles of axes of constants, by use and axis.
    pub roles: BTreeMap<(Use, usize), Role>,
    /// Constants of integers that rules take for real ones, by use.
    pub quantized: BTreeMap<Use, Quantization>,
    /// Tensors that nodes compute from constants only.
    pub derived: PerTensor<bool>,
    /// Operators without a rule, with how often they occur.
    pub without_rule: BTreeMap<String, usize>,
}

impl Relations {
    /// Relates the axes of all nodes.
    pub fn build(graph: &Graph, facts: &Facts, sharing: Sharing) -> Relations {
        let mut walker = Walker {
            graph,
            facts,
            settled: graph.constants.iter().map(Option::is_some).collect(),
            notes: Vec::new(),
            picked: graph.per_tensor(false),
            inside: HashMap::new(),
            out: Relations {
                terms: Terms::default(),
                tensors: graph.per_tensor(None),
                uses: PerNode::new(),
                roles: BTreeMap::new(),
                quantized: BTreeMap::new(),
                derived: graph.per_tensor(false),
                without_rule: BTreeMap::new(),
            },
        };
        walker.inputs();
        for i in graph.node_ids() {
            walker.node(i);
        }
        walker.outputs();
        walker.casts();
        walker.out.terms.settle();
        let layers: BTreeSet<Use> =
            walker.out.roles.iter().filter(|(_, r)| is_layer(**r)).map(|((u, _), _)| *u).collect();
        walker.roles();
        if sharing == Sharing::Tied {
            walker.tie(layers);
            walker.out.terms.settle();
        }
        walker.scales();
        walker.out
    }

    /// The axes of a node's input that are not those of the tensor it reads, with their terms: there the node reads
    /// some positions of what no input decides.
    pub fn picked(&self, graph: &Graph, at: Use) -> Vec<(usize, Term)> {
        let tensor = graph.inputs[at.node].get(at.input).copied().flatten().filter(|id| graph.constants[*id].is_none());
        let whole = tensor.and_then(|id| self.tensors[id].as_ref());
        let own = self.uses[at.node].get(at.input).and_then(Option::as_ref);
        let pairs = whole.into_iter().flatten().zip(own.into_iter().flatten());
        pairs.enumerate().filter(|(_, (w, o))| w != o).map(|(axis, (_, o))| (axis, *o)).collect()
    }

    /// What the user should know.
    pub fn warnings(&self) -> Vec<String> {
        let list: Vec<String> = self.without_rule.iter().map(|(op, n)| format!("{op} ({n})")).collect();
        match list.is_empty() {
            true => Vec::new(),
            false => vec![format!("no rule for {}: the axes they touch are frozen", list.join(", "))],
        }
    }
}

/// Whether a weight with an axis of this role is a layer, so that all its uses are one.
fn is_layer(role: Role) -> bool {
    matches!(role, Role::Out | Role::In | Role::Embedding)
}

struct Walker<'a> {
    graph: &'a Graph,
    facts: &'a Facts,
    /// Tensors that no input decides: constants, sizes, and what is computed from these only.
    settled: PerTensor<bool>,
    /// Roles at tensors that are computed from constants.
    notes: Vec<(Use, usize, Role)>,
    /// Tensors that hold weights, too, of which an input has picked some: matrices of a mixture's experts.
    picked: PerTensor<bool>,
    /// Axes of stored weights in the arithmetic that weights are computed with: there they are one at all uses, as
    /// copies would take more room.
    inside: HashMap<TensorId, Axes>,
    out: Relations,
}

impl Walker<'_> {
    fn frozen_axes(&mut self, id: TensorId, reason: &Reason) -> Option<Axes> {
        let shape = self.facts.tensors[id].shape.clone()?;
        Some(shape.into_iter().map(|d| self.out.terms.frozen_atom(d, reason)).collect())
    }

    fn inputs(&mut self) {
        for id in self.graph.tensors() {
            if self.graph.producer[id].is_none() && self.graph.constants[id].is_none() {
                let reason = Reason { kind: "graph input", at: self.graph.name(id).into() };
                self.out.tensors[id] = self.frozen_axes(id, &reason);
            }
        }
    }

    fn outputs(&mut self) {
        for v in &self.graph.proto().output {
            let reason = Reason { kind: "graph output", at: v.name().into() };
            if let Some(axes) = self.graph.id(v.name()).and_then(|id| self.out.tensors[id].clone()) {
                axes.iter().for_each(|t| self.out.terms.freeze(*t, &reason));
            }
        }
    }

    /// The axes of a node's input; a constant gets fresh ones.
    fn axes_of(&mut self, id: TensorId) -> Option<Axes> {
        if self.graph.constants[id].is_none() {
            return self.out.tensors[id].clone();
        }
        let shape = self.facts.tensors[id].shape.clone()?;
        Some(shape.into_iter().map(|d| self.out.terms.atom(d)).collect())
    }

    /// Constants that no rule takes for numbers (positions, sizes, masks) keep their contents.
    fn keep_contents(&mut self, id: TensorId, axes: &Axes) {
        let kind = match self.facts.tensors[id].dtype.is_quantized() {
            true => QUANTIZED,
            false => "constant that holds no floats",
        };
        let reason = Reason { kind, at: self.graph.name(id).into() };
        axes.iter().for_each(|t| self.out.terms.freeze(*t, &reason));
    }

    /// Makes one layer of all uses of a weight by layers: `direct` are those that read it as it is stored. Others read
    /// what is computed from it, where a factor that it is multiplied with looks like a weight, too.
    fn tie(&mut self, direct: BTreeSet<Use>) {
        let graph = self.graph;
        let mut uses: BTreeMap<TensorId, BTreeSet<Use>> = BTreeMap::new();
        for ((at, _), _) in self.out.roles.iter().filter(|(_, r)| is_layer(**r)) {
            let Some(id) = graph.inputs[at.node][at.input] else { continue };
            let wide = || self.facts.tensors[id].shape.iter().flatten().filter(|d| d.known() > Some(1)).count() > 1;
            if direct.contains(at) || wide() {
                uses.entry(graph.holder(id).unwrap_or(id)).or_default().insert(*at);
            }
        }
        let outside: BTreeSet<TensorId> = graph.captured.iter().flatten().filter_map(|id| graph.holder(*id)).collect();
        for (id, uses) in uses {
            let at: Arc<str> = graph.weight_name(id).into();
            let axes_of = |u: &Use| self.out.uses[u.node].get(u.input).cloned().flatten();
            let axes: Vec<Axes> = uses.iter().filter_map(axes_of).chain(self.inside.get(&id).cloned()).collect();
            let Some((first, others)) = axes.split_first() else { continue };
            if outside.contains(&id) {
                let reason = Reason { kind: "read by a control-flow subgraph", at };
                axes.iter().flatten().for_each(|t| self.out.terms.freeze(*t, &reason));
                continue;
            }
            // Exporters merge tensors that are full of one number, whatever reads them.
            if others.is_empty() || graph.tensor(id).is_some_and(onnx::is_uniform) {
                continue;
            }
            let reason = Reason { kind: "weight of several layers that do not fit together", at };
            for axes in others {
                for (a, b) in first.iter().zip(axes) {
                    self.out.terms.unify(*a, *b, &reason);
                }
            }
        }
    }

    /// Finds the scales of numbers that are summed up as they are.
    fn scales(&mut self) {
        let (graph, facts) = (self.graph, self.facts);
        if self.out.quantized.is_empty() {
            return;
        }
        let readers = Readers::of(graph);
        let zeros: BTreeSet<TensorId> = self.out.quantized.values().filter_map(|q| q.zero_point).collect();
        for (at, q) in self.out.quantized.iter_mut().filter(|(_, q)| q.scale.is_none()) {
            let numbers = graph.inputs[at.node][at.input].filter(|id| !zeros.contains(id));
            let sums = graph.outputs[at.node].first().copied().flatten();
            let (Some(numbers), Some(sums)) = (numbers, sums) else { continue };
            if facts.tensors[sums].dtype != DType::Int32 {
                continue;
            }
            let shape = |id: TensorId| facts.tensors[id].known_shape().unwrap_or_default();
            let each = shape(numbers).get(q.axis).copied();
            let fits =
                |id: &TensorId| shape(*id).iter().product::<usize>() == 1 || each.is_some_and(|n| shape(*id) == [n]);
            q.scale = scale_after(graph, &readers, sums).filter(fits);
        }
    }

    /// Finds zero points and scales of numbers that a Cast makes floats of.
    fn casts(&mut self) {
        let (graph, facts) = (self.graph, self.facts);
        let columns: HashMap<Use, usize> =
            self.notes.iter().filter(|(_, _, role)| *role == Role::Out).map(|(at, axis, _)| (*at, *axis)).collect();
        let float = |node: NodeId| {
            let out = graph.outputs[node].first().copied().flatten();
            out.is_some_and(|id| facts.tensors[id].dtype.is_real())
        };
        let cast = |(at, q): &(&Use, &Quantization)| {
            graph.inputs[at.node].len() == 1 && q.scale.is_none() && q.zero_point.is_none() && float(at.node)
        };
        let casts: Vec<Use> = self.out.quantized.iter().filter(cast).map(|(at, _)| *at).collect();
        if casts.is_empty() {
            return;
        }
        let readers = Readers::of(graph);
        let found = |at: &Use| dequantized(graph, facts, &readers, &self.out.derived, at.node, &columns);
        let found: Vec<_> = casts.iter().map(found).collect();
        let parameters: HashSet<Use> = found.iter().flatten().flat_map(|d| d.parameters.clone()).collect();
        for (at, found) in casts.into_iter().zip(found) {
            match found {
                _ if parameters.contains(&at) => {}
                Some(d) => {
                    let by = Quantization { scale: d.scale, zero_point: d.zero_point, axis: d.axis, packed: None };
                    self.out.quantized.insert(at, by);
                    for p in d.parameters {
                        let rank = self.out.uses[p.node].get(p.input).and_then(Option::as_ref).map_or(0, Vec::len);
                        self.out.roles.extend((0..rank).map(|k| ((p, k), Role::Quantization)));
                    }
                }
                None => {
                    let axes = self.out.uses[at.node][at.input].clone().unwrap_or_default();
                    let tensor = graph.inputs[at.node][at.input];
                    let reason = Reason { kind: QUANTIZED, at: tensor.map_or("", |id| graph.name(id)).into() };
                    axes.iter().for_each(|t| self.out.terms.freeze(*t, &reason));
                }
            }
        }
    }

    /// Hands roles of computed weights (a transposed one, a cast one) down to the constants they come from.
    fn roles(&mut self) {
        for (at, axis, role) in std::mem::take(&mut self.notes) {
            let Some(t) = self.out.uses[at.node][at.input].as_ref().and_then(|a| a.get(axis).copied()) else {
                continue;
            };
            let leaves: HashSet<Term> = self.out.terms.leaves(t).into_iter().collect();
            let mut queue: Vec<NodeId> =
                self.graph.inputs[at.node][at.input].and_then(|id| self.graph.producer[id]).into_iter().collect();
            let mut seen = HashSet::new();
            while let Some(n) = queue.pop() {
                if !seen.insert(n) {
                    continue;
                }
                for (k, id) in self.graph.inputs[n].iter().enumerate() {
                    let Some(id) = *id else { continue };
                    if self.graph.constants[id].is_none() {
                        let holds = self.out.derived[id] || self.picked[id];
                        queue.extend(self.graph.producer[id].filter(|_| holds));
                        continue;
                    }
                    for (a, &own) in self.out.uses[n][k].iter().flatten().enumerate() {
                        let mine = self.out.terms.leaves(own);
                        if self.out.terms.size(own).known() > Some(1) && mine.iter().any(|l| leaves.contains(l)) {
                            // What passes a constant on (a cast, a scale) says less of it than what uses it.
                            let slot = self.out.roles.entry((Use { node: n, input: k }, a)).or_insert(role);
                            *slot = role.min(*slot);
                        }
                    }
                }
            }
        }
    }
}
