//! Shape inference: one walk over the nodes, each asked what comes out.

use std::collections::BTreeSet;

use super::graph::{Graph, NodeId, PerNode, PerTensor, TensorId};
use crate::algebra::{Bindings, Dim, Symbols};
use crate::index::Id;
use crate::onnx;
use crate::onnx::proto::tensor_shape_proto::dimension::Value as DimValue;
use crate::onnx::proto::type_proto::Value as TypeValue;
use crate::onnx::proto::{TensorProto, TypeProto, ValueInfoProto};
use crate::ops::{Fact, InferCx, Inferred, MAX_VALUE, NodeView, Operator, Value};
use crate::tensor::DType;

/// What is known of every tensor.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By tensor.
    pub tensors: PerTensor<Fact>,
    /// The symbols in their shapes.
    pub symbols: Symbols,
    /// Numbers for the symbols, once bound.
    pub bindings: Bindings,
    /// Whether each node's operator could tell what comes out.
    pub inferred: PerNode<bool>,
    /// Sizes that differ from round to round of a loop.
    pub varying: BTreeSet<Varying>,
    /// What the contents of tensors that nodes write take to hold.
    followed: usize,
}

/// A tensor and its axis.
pub type Varying = (TensorId, usize);

/// Float contents are only followed where they are few: scales and the like.
const MAX_FLOATS: usize = 64;

/// Tensors of more axes than runtimes know have no shape here.
const MAX_RANK: usize = 64;

/// What contents of all tensors that nodes write may take to hold, in numbers; later ones are not followed.
const MAX_FOLLOWED: usize = 1 << 20;

/// Rounds in which one size each turns out to differ; then all sizes of what a loop is given are taken to.
const MAX_REPEATS: usize = 64;

/// What a constant tensor tells.
pub fn of_constant(t: &TensorProto) -> Fact {
    if t.dims.len() > MAX_RANK {
        return Fact { dtype: onnx::dtype_of(t), ..Fact::default() };
    }
    let shape: Vec<Dim> = t.dims.iter().map(|d| Dim::from(*d)).collect();
    let len = onnx::len(t).unwrap_or(usize::MAX);
    let dt = onnx::dtype_of(t);
    let value = if dt.is_real() {
        (len <= MAX_FLOATS).then(|| onnx::to_f64_any(t).ok().map(Value::Floats)).flatten()
    } else if len <= MAX_VALUE {
        onnx::to_i64(t).ok().map(|v| Value::Ints(v.into_iter().map(Dim::from).collect()))
    } else {
        None
    };
    Fact { value, ..Fact::new(dt, shape) }
}

impl Facts {
    /// What inputs, constants and value infos of the file say, before any operator is asked.
    pub fn seed(graph: &Graph) -> Facts {
        let mut facts = Facts { tensors: graph.per_tensor(Fact::default()), ..Default::default() };
        for scope in 0..graph.scopes.len() {
            let p = graph.graph_of(scope);
            for v in p.value_info.iter().chain(&p.output).chain(&p.input) {
                if let Some(id) = graph.lookup(scope, v.name()) {
                    facts.tensors[id] = declared(v, &mut facts.symbols);
                }
            }
            for s in &p.sparse_initializer {
                if let Some(id) = s.values.as_ref().and_then(|v| graph.lookup(scope, v.name())) {
                    let dtype = s.values.as_ref().map_or(DType::Undefined, onnx::dtype_of);
                    if s.dims.len() <= MAX_RANK {
                        facts.tensors[id] = Fact::new(dtype, s.dims.iter().map(|d| Dim::from(*d)).collect());
                    }
                }
            }
        }
        for (id, c) in graph.constants.enumerate() {
            if let Some(c) = c {
                facts.tensors[id] = of_constant(graph.contents(c));
            }
        }
        facts
    }

    /// Asks every node in turn. Where an operator has no answer, what the file declares stays.
    pub fn infer(graph: &Graph, seed: &Facts) -> Facts {
        let mut facts = seed.clone();
        let (mut next, mut repeats) = (0, 0);
        while next < graph.count() {
            let i = NodeId::at(next);
            let (inferred, varying) = facts.infer_node(graph, seed, i);
            facts.inferred.push(inferred);
            let known = facts.varying.len();
            facts.varying.extend(varying);
            next = match graph.entry_of(i) {
                // A size was taken to be the same in every round of a loop and is not: the subgraphs are walked again.
                Some(entry) if facts.varying.len() > known => {
                    repeats += 1;
                    if repeats > MAX_REPEATS {
                        let given = graph.outputs[entry].iter().flatten();
                        facts.varying.extend(given.flat_map(|id| (0..MAX_RANK).map(|k| (*id, k))));
                    }
                    entry.place()
                }
                _ => next + 1,
            };
            facts.inferred.truncate(next);
        }
        facts
    }

    /// Whether the operator could tell what comes out, and which sizes differ from round to round.
    fn infer_node(&mut self, graph: &Graph, seed: &Facts, i: NodeId) -> (bool, Vec<Varying>) {
        if graph.is_constant_node(i) {
            return (true, Vec::new());
        }
        let mut symbols = std::mem::take(&mut self.symbols);
        let view = graph.view(i, &self.tensors);
        let Inferred { outputs, varying } = infer_one(view, graph.operator(i), graph.outputs[i].len(), &mut symbols);
        let inferred = outputs.iter().all(|f| f.shape.is_some());
        for (id, mut new) in graph.outputs[i].iter().zip(outputs) {
            if let Some(id) = *id {
                self.loosen(&mut symbols, id, &mut new);
                self.followed = self.followed.saturating_add(weight(&new));
                if self.followed > MAX_FOLLOWED {
                    (new.value, new.counts, new.steps) = (None, None, None);
                }
                self.tensors[id] = merge(&seed.tensors[id], new, &symbols);
                self.tensors[id].reconcile();
            }
        }
        self.symbols = symbols;
        let tensor = |(k, axis): (usize, usize)| Some((graph.inputs[i].get(k).copied().flatten()?, axis));
        (inferred, varying.into_iter().filter_map(tensor).collect())
    }

    /// Opens the sizes that differ from round to round.
    pub fn loosen(&self, symbols: &mut Symbols, id: TensorId, fact: &mut Fact) {
        for &(_, k) in self.varying.range((id, 0)..=(id, usize::MAX)) {
            if let Some(d) = fact.shape.as_mut().and_then(|s| s.get_mut(k)) {
                *d = symbols.unknown(format!("round:{}:{k}", id.place()));
            }
        }
    }

    /// The concrete shape of a tensor under the bindings.
    pub fn concrete(&self, id: TensorId, bindings: &Bindings) -> Option<Vec<usize>> {
        let shape = self.tensors[id].shape.as_ref()?;
        shape.iter().map(|d| usize::try_from(self.symbols.eval(d, bindings)?).ok()).collect()
    }
}

/// Asks an operator what comes out of its node: one fact for each of so many outputs.
pub fn infer_one(view: NodeView, op: Option<&dyn Operator>, outputs: usize, symbols: &mut Symbols) -> Inferred {
    let mut cx = InferCx { view, written: outputs, symbols };
    let mut told = op.and_then(|op| op.infer(&mut cx)).unwrap_or_default();
    told.outputs.resize(outputs, Fact::default());
    // A size below 0 is none, whatever an operator makes of wrong attributes.
    let sound = |f: &Fact| {
        let shape = f.shape.as_deref().unwrap_or_default();
        shape.len() <= MAX_RANK && shape.iter().all(|d| d.known().is_none_or(|n| n >= 0))
    };
    match told.outputs.iter().all(sound) {
        true => told.outputs.iter_mut().for_each(Fact::reconcile),
        false => told.outputs.fill(Fact::default()),
    }
    told
}

/// What the contents of a tensor take to hold, in numbers.
fn weight(fact: &Fact) -> usize {
    let value = match &fact.value {
        Some(Value::Ints(v)) => v.iter().map(Dim::weight).sum(),
        Some(Value::Floats(v)) => v.len(),
        None => 0,
    };
    value + fact.counts.as_ref().map_or(0, Vec::len)
}

/// An inferred fact over a declared one: what follows from the inputs is believed first.
fn merge(declared: &Fact, inferred: Fact, symbols: &Symbols) -> Fact {
    let dtype = if inferred.dtype != DType::Undefined { inferred.dtype } else { declared.dtype };
    let shape = match (inferred.shape, &declared.shape) {
        (Some(mut new), Some(old)) if new.len() == old.len() => {
            for (n, o) in new.iter_mut().zip(old) {
                if symbols.is_unknown(n) {
                    *n = o.clone();
                }
            }
            Some(new)
        }
        (Some(new), _) => Some(new),
        (None, old) => old.clone(),
    };
    Fact { dtype, shape, ..inferred }
}

fn declared(v: &ValueInfoProto, symbols: &mut Symbols) -> Fact {
    let Some(TypeProto { value: Some(TypeValue::TensorType(t)), .. }) = &v.r#type else { return Fact::default() };
    let shape = t.shape.as_ref().filter(|s| s.dim.len() <= MAX_RANK).map(|s| {
        s.dim
            .iter()
            .enumerate()
            .map(|(k, d)| match &d.value {
                Some(DimValue::DimValue(n)) if *n >= 0 => Dim::from(*n),
                Some(DimValue::DimParam(p)) if !p.is_empty() => symbols.named(p),
                _ => symbols.named(&format!("{}:{k}", v.name())),
            })
            .collect()
    });
    Fact { dtype: DType::of(t.elem_type()), shape, ..Fact::default() }
}
