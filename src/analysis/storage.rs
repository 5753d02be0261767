//! What a file stores: each tensor once, each copy that pruning makes of one, and nothing that falls away.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::graph::{Graph, PerTensor, TensorId, TensorOrigin};
use super::groups::{Group, Views};
use super::relations::{Relations, Use};
use crate::algebra::{Atom, Cost, Monomial, Term};
use crate::onnx::proto::{GraphProto, ModelProto, TensorProto};
use crate::onnx::{self};

/// Weights of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StoredWeights {
    /// Elements of tensors of floats, or of a type that weights are quantized to.
    pub params: f64,
    /// Bytes that these take.
    pub bytes: f64,
}

impl StoredWeights {
    fn add(&mut self, other: StoredWeights) {
        self.params += other.params;
        self.bytes += other.bytes;
    }

    fn of(t: &TensorProto) -> StoredWeights {
        let dt = onnx::dtype_of(t);
        if !dt.is_real() && !dt.is_quantized() {
            return StoredWeights::default();
        }
        let params = t.dims.iter().map(|d| *d as f64).product::<f64>();
        let bits = dt.bits();
        StoredWeights { params, bytes: params * bits as f64 / 8.0 }
    }
}

/// Counts the weights that a model stores: initializers and constants, of subgraphs and functions too.
pub fn count(model: &ModelProto) -> StoredWeights {
    let mut sum = StoredWeights::default();
    onnx::walk::graphs(model).for_each(|g| of_graph(g, &mut sum));
    model.functions.iter().flat_map(|f| &f.node).for_each(|n| of_node(n, &mut sum));
    sum
}

fn of_graph(g: &GraphProto, sum: &mut StoredWeights) {
    g.initializer.iter().for_each(|t| sum.add(StoredWeights::of(t)));
    g.sparse_initializer.iter().filter_map(|s| s.values.as_ref()).for_each(|t| sum.add(StoredWeights::of(t)));
    g.node.iter().for_each(|n| of_node(n, sum));
}

fn of_node(n: &onnx::proto::NodeProto, sum: &mut StoredWeights) {
    if n.op_type() == "Constant"
        && matches!(n.domain(), "" | "ai.onnx")
        && let Some(t) = onnx::constant(n)
    {
        sum.add(StoredWeights::of(&t));
    }
    onnx::walk::subgraphs(n).for_each(|g| of_graph(g, sum));
}

/// Parameters and bytes as functions of the groups' channel counts.
///
/// A tensor is stored as long as something reads all of it. Uses of it that keep other channels read copies: of one
/// tensor, uses with different axes are taken to keep different channels as soon as one of these shrinks.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// All that the original stores.
    whole: StoredWeights,
    /// What stays however much is cut.
    rest: StoredWeights,
    tensors: Vec<Tensor>,
    copies: Vec<Copy>,
    full: Vec<usize>,
}

/// A stored tensor that may fall away.
#[derive(Clone, Debug)]
struct Tensor {
    size: StoredWeights,
    /// Copies that read it as long as they are whole.
    readers: Vec<usize>,
}

/// A view of a tensor, stored once it is cut.
#[derive(Clone, Debug)]
struct Copy {
    elements: Cost,
    /// Of one element.
    unit: StoredWeights,
    groups: Vec<usize>,
}

/// A part of an axis: a group's, or one that stays as it is, by size.
#[derive(PartialEq, Eq, Hash)]
enum StoredPart {
    Of(usize),
    Whole(Option<i64>),
}

impl Copy {
    fn is_cut(&self, counts: &[usize], full: &[usize]) -> bool {
        self.groups.iter().any(|g| counts[*g] < full[*g])
    }
}

impl Storage {
    /// Finds what is stored, and what reads it. `pinned` tensors stay as they are; `index` gives the place of a
    /// group's atom, `compile` makes a cost of a product of axes.
    pub fn build(
        graph: &Graph,
        relations: &Relations,
        views: &Views,
        groups: &[Group],
        index: &dyn Fn(Atom) -> Option<usize>,
        compile: &dyn Fn(&[Monomial]) -> Option<Cost>,
    ) -> Storage {
        let pinned = pinned(graph, views);
        let mut out = Storage {
            whole: count(&graph.model.proto),
            full: groups.iter().map(|g| g.size).collect(),
            ..Storage::default()
        };
        // Copies that need all of each tensor while they are whole.
        let mut readers: PerTensor<Vec<usize>> = graph.per_tensor(Vec::new());
        let mut regions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut first: HashMap<(TensorId, Vec<Vec<StoredPart>>), usize> = HashMap::new();
        for view in views {
            // Uses that lose the same positions read one copy.
            let part = |atom: Atom| {
                index(atom).map_or_else(|| StoredPart::Whole(relations.terms.size(atom).known()), StoredPart::Of)
            };
            let parts = |t: &Term| relations.terms.leaves(*t).into_iter().map(part).collect();
            let v = *first.entry((view.tensor, view.axes.iter().map(parts).collect())).or_insert(out.copies.len());
            if v < out.copies.len() {
                continue;
            }
            let unit = unit(graph, view.tensor);
            let mut of: Vec<usize> =
                view.axes.iter().flat_map(|t| relations.terms.leaves(*t)).filter_map(index).collect();
            of.sort_unstable();
            of.dedup();
            let elements = compile(&[Monomial { coefficient: 1.0, axes: view.axes.clone() }]).unwrap_or_default();
            out.copies.push(Copy { elements, unit, groups: of });
            readers[view.tensor].push(v);
            if let Some(how) = graph.folded.get(&view.tensor) {
                how.sources.iter().for_each(|id| readers[*id].push(v));
                regions.entry(how.region).or_default().push(v);
            }
        }
        // What is computed from the same tensors is stored as soon as one of it is cut.
        for members in regions.into_values() {
            let all: BTreeSet<usize> = members.iter().flat_map(|v| out.copies[*v].groups.clone()).collect();
            members.iter().for_each(|v| out.copies[*v].groups = all.iter().copied().collect());
        }
        let mut known = StoredWeights::default();
        for (id, constant) in graph.constants.enumerate() {
            let Some(c) = constant.as_ref().filter(|c| !matches!(c.origin, TensorOrigin::Folded(_))) else { continue };
            if graph.holder(id) != Some(id) {
                continue;
            }
            let size = StoredWeights::of(graph.contents(c));
            known.add(size);
            if pinned[id] {
                out.rest.add(size);
            } else {
                out.tensors.push(Tensor { size, readers: std::mem::take(&mut readers[id]) });
            }
        }
        // In subgraphs that are not walked, and sparse ones.
        out.rest.add(StoredWeights { params: out.whole.params - known.params, bytes: out.whole.bytes - known.bytes });
        out
    }

    /// What is stored with these channel counts.
    pub fn eval(&self, counts: &[usize]) -> StoredWeights {
        if counts == self.full {
            return self.whole;
        }
        let cut: Vec<bool> = self.copies.iter().map(|c| c.is_cut(counts, &self.full)).collect();
        let mut sum = self.rest;
        for t in self.tensors.iter().filter(|t| t.readers.iter().any(|v| !cut[*v])) {
            sum.add(t.size);
        }
        for (c, _) in self.copies.iter().zip(&cut).filter(|(_, cut)| **cut) {
            let n = c.elements.eval(counts);
            sum.add(StoredWeights { params: n * c.unit.params, bytes: n * c.unit.bytes });
        }
        sum
    }
}

/// What an element of a tensor takes.
fn unit(graph: &Graph, id: TensorId) -> StoredWeights {
    let Some(t) = graph.tensor(id) else { return StoredWeights::default() };
    let one = TensorProto { data_type: t.data_type, ..TensorProto::default() };
    StoredWeights::of(&one)
}

/// Tensors that something reads that cannot follow a cut: a subgraph that is not walked, the caller, a node whose axes
/// are unknown, a use that holds no weights.
fn pinned(graph: &Graph, views: &Views) -> PerTensor<bool> {
    let mut out = graph.per_tensor(false);
    let follows: HashSet<Use> = views.iter().flat_map(|v| &v.uses).copied().collect();
    let own = |id: TensorId| graph.holder(id).unwrap_or(id);
    let outputs = graph.proto().output.iter().filter_map(|v| graph.id(v.name()));
    graph.captured.iter().flatten().copied().chain(outputs).for_each(|id| out[own(id)] = true);
    for i in graph.node_ids().filter(|i| !graph.is_constant_node(*i)) {
        for (k, id) in graph.inputs[i].iter().enumerate() {
            let Some(id) = *id else { continue };
            if !follows.contains(&Use { node: i, input: k }) {
                out[own(id)] = true;
            }
        }
    }
    out
}
