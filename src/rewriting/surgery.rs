//! From kept channels to a smaller graph.

use std::collections::HashMap;

use super::assembly::Assembly;
use super::clean;
use super::error::{Error, Result};
use super::weights::{Mode, NewWeights, cut};
use crate::algebra::{Dim, Kept, Symbols, Term};
use crate::analysis::{Analysis, Graph, NodeId, PerTensor, TensorId, Use, infer_one, of_constant};
use crate::onnx::edit::{Emit, Names};
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::onnx::{self, DType};
use crate::ops::{self, Fact, NodeView, Operator, Parsed, Rewrite, RewriteCx, Value};

/// The model with only `kept` channels.
///
/// Shapes are inferred again from nothing as the nodes are rewritten; each output must have the size that its
/// axis terms predict.
///
/// # Errors
/// [`Error::Node`] names the first node that cannot follow or whose shape is not as predicted.
pub fn prune(a: &Analysis, kept: &Kept) -> Result<ModelProto> {
    let (weights, mut walker) = Walker::new(a, kept, Mode::Remove)?;
    for i in a.graph.node_ids() {
        walker.node(i, &weights.reads)?;
    }
    let GraphProto { node, initializer, .. } = walker.made.edit.finish();
    let mut proto = clean::copy_without_weights(a, &weights.replaced);
    if let Some(graph) = &mut proto.graph {
        graph.node = node;
        graph.initializer.extend(weights.added.into_iter().chain(initializer));
        clean::declare(a, kept, graph);
        clean::drop_dead(graph, proto.ir_version.unwrap_or(0));
    }
    Ok(proto)
}

/// The nodes that cannot follow, or do not come out as predicted, each with what [`prune`] would say of it.
///
/// # Errors
/// When a weight cannot be read.
pub fn obstacles(a: &Analysis, kept: &Kept) -> Result<Vec<(NodeId, Error)>> {
    let (weights, mut walker) = Walker::new(a, kept, Mode::Outline)?;
    let mut found = Vec::new();
    for i in a.graph.node_ids() {
        match walker.node(i, &weights.reads) {
            Ok(()) => {}
            Err(e @ Error::Node { .. }) => {
                walker.as_predicted(i);
                found.push((i, e));
            }
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

/// Facts before any node is asked: inputs and constants; what nodes write is left open.
fn seed(a: &Analysis) -> PerTensor<Fact> {
    let mut facts = a.facts.tensors.clone();
    for outputs in &a.graph.outputs {
        for id in outputs.iter().flatten().filter(|id| a.graph.constants[**id].is_none()) {
            facts[*id] = Fact::default();
        }
    }
    facts
}

/// Facts of a node's inputs, by name in its scope, and of the ends of its subgraphs.
fn inputs<'f>(
    facts: &'f PerTensor<Fact>,
    new_facts: &'f HashMap<String, Fact>,
    graph: &Graph,
    scope: usize,
    names: &[String],
    ends: &[End],
) -> Vec<Option<&'f Fact>> {
    let named = |n: &String| new_facts.get(n).or_else(|| graph.lookup(scope, n).map(|id| &facts[id]));
    let own = names.iter().map(|n| if n.is_empty() { None } else { named(n) });
    let end = |end: &End| match end {
        End::Tensor(id) => id.map(|id| &facts[id]),
        End::New(name) => new_facts.get(name),
    };
    own.chain(ends.iter().map(end)).collect()
}

/// What a subgraph is given, or gives.
enum End {
    /// A tensor of the old graph.
    Tensor(Option<TensorId>),
    /// What took the place of a constant.
    New(String),
}

/// The rule of a node that is not in the old graph.
fn rule(node: &NodeProto) -> Option<&'static dyn Operator> {
    ops::find(node.domain(), node.op_type()).map(|d| d.rule)
}

struct Walker<'a> {
    a: &'a Analysis,
    kept: &'a Kept,
    /// By tensor of the old graph, as it is in the new one.
    facts: PerTensor<Fact>,
    /// Of tensors that only the new graph has.
    new_facts: HashMap<String, Fact>,
    symbols: Symbols,
    /// The nodes so far, and the initializers that they need beside the weights.
    made: Assembly,
    /// What nodes have picked: by scope, tensor, axis and positions.
    picked: HashMap<(usize, String, usize, Vec<i64>), String>,
}

impl<'a> Walker<'a> {
    fn new(a: &'a Analysis, kept: &'a Kept, mode: Mode) -> Result<(NewWeights, Walker<'a>)> {
        let mut names = Names::of_model(&a.graph.model.proto).tagged("pruned");
        let weights = cut(a, kept, mode, &mut names)?;
        let mut walker = Walker {
            a,
            kept,
            facts: seed(a),
            new_facts: HashMap::new(),
            symbols: a.facts.symbols.clone(),
            made: Assembly::new(&a.graph, names),
            picked: HashMap::new(),
        };
        for t in weights.replaced.values().chain(&weights.added) {
            walker.new_facts.insert(t.name().to_owned(), of_constant(t));
        }
        Ok((weights, walker))
    }

    /// Takes the outputs of a node that could not follow to be what the axes say.
    fn as_predicted(&mut self, i: NodeId) {
        let a = self.a;
        for id in a.graph.outputs[i].iter().flatten() {
            let old = &a.facts.tensors[*id];
            let sizes = |axes: &Vec<Term>| axes.iter().map(|t| a.relations.terms.kept_size(*t, self.kept)).collect();
            let shape = a.relations.tensors[*id].as_ref().map(sizes).or_else(|| old.shape.clone());
            self.facts[*id] = Fact { dtype: old.dtype, shape, ..Fact::default() };
        }
    }

    fn fail(&self, i: NodeId, why: impl Into<String>) -> Error {
        Error::Node { node: self.a.graph.label(i), why: why.into() }
    }

    fn node(&mut self, i: NodeId, reads: &HashMap<(NodeId, usize), String>) -> Result<()> {
        let (a, g) = (self.a, &self.a.graph);
        let mut node = g.node(i).clone();
        self.made.enter(g, i);
        if g.is_constant_node(i) {
            self.made.push(g, i, node);
            return Ok(());
        }
        let ends = self.redirect(i, &mut node, reads);
        let op = g.operator(i);
        self.pin(i, &mut node, op.map_or(&[][..], ops::Operator::shape_operands))?;
        self.pick(i, &mut node)?;
        if let Some(op) = op {
            self.rewrite(i, op, &mut node, &ends)?;
        }
        self.told(i, op, &node, &ends)?;
        for (subgraph, scope) in onnx::walk::subgraphs_mut(&mut node).zip(&g.subgraphs[i]) {
            clean::declare_subgraph(a, self.kept, *scope, subgraph);
        }
        self.made.push(g, i, node);
        Ok(())
    }

    /// Lets a node and its subgraphs read the tensors that weights became; gives what the subgraphs are given and give.
    fn redirect(&mut self, i: NodeId, node: &mut NodeProto, reads: &HashMap<(NodeId, usize), String>) -> Vec<End> {
        let g = &self.a.graph;
        let end = |(k, id): (usize, &Option<TensorId>)| match reads.get(&(i, k)) {
            Some(new) => End::New(new.clone()),
            None => End::Tensor(*id),
        };
        let ends = g.inputs[i].iter().enumerate().skip(node.input.len()).map(end).collect();
        self.made.redirect(g, i, node, reads);
        ends
    }

    /// Makes attributes and shape operands follow.
    fn rewrite(&mut self, i: NodeId, op: &dyn Operator, node: &mut NodeProto, ends: &[End]) -> Result<()> {
        let (a, g) = (self.a, &self.a.graph);
        let (scope, before) = (g.scope_of(i), self.so_far());
        let parsed = Parsed::default();
        let mut cx = RewriteCx {
            view: NodeView {
                node,
                opset: g.opset_of(node),
                inputs: inputs(&self.facts, &self.new_facts, g, scope, &node.input, ends),
                parsed: &parsed,
            },
            before: g.inputs[i].iter().map(|t| t.map(|t| &a.facts.tensors[t])).collect(),
            axes_in: &a.relations.uses[i],
            axes_out: self.axes_out(i),
            terms: &a.relations.terms,
            kept: self.kept,
            emit: &mut self.made.edit,
        };
        let rewrite = if cx.settled() { Some(Rewrite::default()) } else { op.rewrite(&mut cx) };
        let Some(rewrite) = rewrite else {
            return Err(self.fail(i, "its attributes or operands cannot follow the axes that shrank"));
        };
        rewrite.apply(node);
        self.learn(before, scope);
        Ok(())
    }

    fn axes_out(&self, i: NodeId) -> Vec<Option<&'a [Term]>> {
        let a = self.a;
        a.graph.outputs[i].iter().map(|id| id.and_then(|id| a.relations.tensors[id].as_deref())).collect()
    }

    /// Infers what comes out of a rewritten node, and holds it against what its axis terms predict.
    fn told(&mut self, i: NodeId, op: Option<&dyn Operator>, node: &NodeProto, ends: &[End]) -> Result<()> {
        let (a, g) = (self.a, &self.a.graph);
        // A rule may have made the node another operator.
        let renamed = node.op_type() != g.node(i).op_type();
        let op = if renamed { rule(node) } else { op };
        let mut facts = self.infer(node, op, g.scope_of(i), ends, g.outputs[i].len());
        if a.facts.inferred[i] && facts.iter().any(|f| f.shape.is_none()) {
            return Err(self.fail(i, "its inputs do not fit any more"));
        }
        for (id, fact) in g.outputs[i].iter().zip(&mut facts) {
            id.iter().for_each(|id| a.facts.loosen(&mut self.symbols, *id, fact));
        }
        for ((id, mut fact), axes) in g.outputs[i].iter().zip(facts).zip(self.axes_out(i)) {
            let Some(id) = *id else { continue };
            self.fill(&mut fact, axes);
            self.check(i, id, &fact, axes)?;
            let old = &a.facts.tensors[id];
            // Where inference has no answer, the axes do: all that is known stays known.
            let by_axes = |axes: &[Term]| axes.iter().map(|t| a.relations.terms.kept_size(*t, self.kept)).collect();
            let shape = fact.shape.clone().or_else(|| axes.map(by_axes)).or_else(|| old.shape.clone());
            let dtype = if fact.dtype == DType::Undefined { old.dtype } else { fact.dtype };
            self.facts[id] = Fact { dtype, shape, ..fact };
            self.facts[id].reconcile();
        }
        Ok(())
    }

    fn infer(
        &mut self,
        node: &NodeProto,
        op: Option<&dyn Operator>,
        scope: usize,
        ends: &[End],
        outputs: usize,
    ) -> Vec<Fact> {
        let g = &self.a.graph;
        let inputs = inputs(&self.facts, &self.new_facts, g, scope, &node.input, ends);
        let view = NodeView { node, opset: g.opset_of(node), inputs, parsed: &Parsed::default() };
        infer_one(view, op, outputs, &mut self.symbols).outputs
    }

    /// Where only a run can tell a size, what the file declared of it stays, as long as nothing of it goes.
    fn fill(&self, fact: &mut Fact, axes: Option<&[Term]>) {
        let (Some(shape), Some(axes)) = (&mut fact.shape, axes) else { return };
        for (d, &t) in shape.iter_mut().zip(axes) {
            let terms = &self.a.relations.terms;
            if self.symbols.is_unknown(d) && !terms.shrinks(t, self.kept) {
                *d = terms.size(t);
            }
        }
    }

    /// The inferred shape must be the one that the axis terms predict.
    fn check(&self, i: NodeId, id: TensorId, fact: &Fact, axes: Option<&[Term]>) -> Result<()> {
        let (Some(shape), Some(axes)) = (&fact.shape, axes) else { return Ok(()) };
        let wanted: Vec<Dim> = axes.iter().map(|t| self.a.relations.terms.kept_size(*t, self.kept)).collect();
        // Run-time sizes may be spelled in another way; numbers may not differ.
        let agree = shape.len() == wanted.len()
            && shape.iter().zip(&wanted).all(|(x, y)| x == y || x.known().is_none() && y.known().is_none());
        if agree {
            return Ok(());
        }
        let show = |s: &[Dim]| s.iter().map(|d| self.symbols.show(d)).collect::<Vec<_>>().join("x");
        let (is, was) = (show(shape), show(&wanted));
        Err(self
            .fail(i, format!("output '{}' has shape {is} where {was} follows from the axes", self.a.graph.name(id))))
    }

    /// Sizes used as data keep the value they had: a scale computed from a head's width must not change with it.
    fn pin(&mut self, i: NodeId, node: &mut NodeProto, operands: &[usize]) -> Result<()> {
        let g = &self.a.graph;
        let outputs_followed = g.outputs[i].iter().flatten().all(|id| self.a.facts.tensors[*id].value.is_some());
        if outputs_followed {
            return Ok(());
        }
        for k in 0..node.input.len() {
            let Some(id) = g.inputs[i].get(k).copied().flatten() else { continue };
            // What is computed from weights alone follows them.
            if operands.contains(&k) || g.constants[id].is_some() || self.a.relations.derived[id] {
                continue;
            }
            let (old, new) = (&self.a.facts.tensors[id], &self.facts[id]);
            if old.value.is_none() || old.value == new.value || old.shape != new.shape {
                continue;
            }
            // Small weights are followed by value too: what is only in another order is no size.
            let axes = self.a.relations.uses[i].get(k).and_then(Option::as_ref);
            if axes.is_some_and(|a| a.iter().any(|t| self.a.relations.terms.shrinks(*t, self.kept))) {
                continue;
            }
            let Some(tensor) = self.constant(id, old) else {
                return Err(self.fail(i, format!("'{}' is computed from a size that changed", g.name(id))));
            };
            node.input[k] = tensor.name().to_owned();
            self.new_facts.insert(tensor.name().to_owned(), of_constant(&tensor));
            self.made.edit.hold(tensor);
        }
        Ok(())
    }

    /// Where a node reads only some positions of what no input decides, another node picks them.
    fn pick(&mut self, i: NodeId, node: &mut NodeProto) -> Result<()> {
        let (a, kept) = (self.a, self.kept);
        for k in 0..node.input.len() {
            for (axis, t) in a.relations.picked(&a.graph, Use { node: i, input: k }) {
                let Some(positions) = a.relations.terms.kept_positions(t, kept) else { continue };
                let positions: Vec<i64> = positions.into_iter().map(|p| p as i64).collect();
                let scope = a.graph.scope_of(i);
                let key = (scope, node.input[k].clone(), axis, positions);
                if let Some(there) = self.picked.get(&key) {
                    node.input[k].clone_from(there);
                    continue;
                }
                let positions = &key.3;
                let before = self.so_far();
                let indices = self.made.edit.ints("positions", &[positions.len()], positions)?;
                let out = self.made.edit.fresh(&node.input[k]);
                let gather = self.made.edit.gather(&node.input[k], &indices, axis as i64).output(out);
                node.input[k] = self.made.edit.op(gather);
                self.learn(before, scope);
                self.picked.insert(key, node.input[k].clone());
            }
        }
        Ok(())
    }

    /// The old contents of a tensor as a constant, where all of them are known.
    fn constant(&mut self, id: TensorId, old: &Fact) -> Option<TensorProto> {
        let shape = old.known_shape()?;
        let name = self.made.edit.fresh(self.a.graph.name(id));
        let dtype = old.dtype;
        match old.value.as_ref()? {
            Value::Floats(v) => {
                let data: Vec<f32> = v.iter().map(|x| *x as f32).collect();
                onnx::from_f32(&name, &shape, &data, dtype).ok()
            }
            Value::Ints(v) => {
                let data: Vec<i64> = v.iter().map(Dim::known).collect::<Option<_>>()?;
                let mut t = onnx::from_i64(&name, &shape, &data).ok()?;
                if old.dtype == DType::Int32 {
                    t.data_type = Some(old.dtype as i32);
                    t.raw_data = Some(data.iter().flat_map(|x| (*x as i32).to_le_bytes()).collect::<Vec<u8>>().into());
                } else if old.dtype != DType::Int64 {
                    return None;
                }
                Some(t)
            }
        }
    }

    /// How many nodes and initializers there are.
    fn so_far(&self) -> (usize, usize) {
        (self.made.edit.done(), self.made.edit.graph().initializer.len())
    }

    /// Infers what is new since then.
    fn learn(&mut self, (nodes, tensors): (usize, usize), scope: usize) {
        let new = self.made.edit.graph().initializer[tensors..].iter();
        self.new_facts.extend(new.map(|t| (t.name().to_owned(), of_constant(t))));
        for n in self.made.edit.done_from(nodes).to_vec() {
            let facts = self.infer(&n, rule(&n), scope, &[], n.output.len());
            self.new_facts.extend(n.output.into_iter().zip(facts));
        }
    }
}
