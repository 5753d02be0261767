//! One node of the walk: what it is given, what its rule says, and what becomes of both.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Axes, MAX_PICKED, QUANTIZED, Quantization, Use, Walker};
use crate::algebra::{Reason, Term, Terms};
use crate::analysis::graph::{NodeId, TensorId};
use crate::analysis::streams;
use crate::ops::values::Nature;
use crate::ops::{Fact, Notes, Quantized, RelateCx};

/// What a node is given.
struct Given {
    axes: Vec<Option<Axes>>,
    constants: Vec<bool>,
    /// Inputs that hold weights.
    weight: Vec<bool>,
    /// How the node computes, where it computes from constants.
    nature: Option<Nature>,
    /// Whether it hands on what an input has picked of a weight.
    passes_on: bool,
}

/// What a node's rule says.
struct Told {
    axes_in: Vec<Option<Axes>>,
    /// `None` without a rule for this form.
    axes_out: Option<Vec<Option<Axes>>>,
    notes: Notes,
}

impl Walker<'_> {
    pub(super) fn node(&mut self, i: NodeId) {
        let graph = self.graph;
        if graph.is_constant_node(i) {
            self.out.uses.push(vec![None; graph.inputs[i].len()]);
            return;
        }
        let label: Arc<str> = format!("{} {}", graph.node(i).op_type(), graph.label(i)).into();
        let given = self.given(i);
        let rule = graph.operator(i);
        self.positions(i, &given.axes, rule.map_or(&[], |op| op.places()), &label);
        let nature = given.nature;
        let Told { axes_in, axes_out, notes: Notes { roles, quantized, .. } } = self.ask(i, given, &label);
        let deliberate = rule.and_then(|op| op.frozen());
        let kind = match (rule, deliberate) {
            (_, Some(why)) => why,
            (Some(_), None) => "form of an operator without a rule",
            (None, None) => "operator without a rule",
        };
        let reason = Reason { kind, at: label };
        let related = axes_out.is_some();
        let mut axes_out = axes_out.unwrap_or_default();
        axes_out.resize(graph.outputs[i].len(), None);
        if related {
            self.freeze_inside(nature, &axes_in, &axes_out, &reason.at);
        } else {
            if deliberate.is_none() {
                *self.out.without_rule.entry(graph.operator_name(i)).or_default() += 1;
            }
            axes_in.iter().flatten().flatten().for_each(|t| self.out.terms.freeze(*t, &reason));
        }
        let subgraph = Reason { kind: "read by a control-flow subgraph", at: reason.at.clone() };
        for id in &graph.captured[i] {
            if let Some(axes) = self.out.tensors[*id].clone() {
                axes.iter().for_each(|t| self.out.terms.freeze(*t, &subgraph));
            }
        }
        self.made(i, &axes_in, axes_out, &reason);
        self.numbers(i, &axes_in, if related { &quantized } else { &[] });
        self.out.uses.push(axes_in);
        for r in roles {
            let at = Use { node: i, input: r.input };
            match graph.inputs[i].get(r.input).copied().flatten() {
                Some(id) if graph.constants[id].is_some() => drop(self.out.roles.insert((at, r.axis), r.role)),
                _ => self.notes.push((at, r.axis, r.role)),
            }
        }
    }

    /// What a node is given. Notes which outputs are computed from constants, and which no input decides.
    fn given(&mut self, i: NodeId) -> Given {
        let (graph, facts) = (self.graph, self.facts);
        let inputs = &graph.inputs[i];
        let mut axes: Vec<Option<Axes>> = inputs.iter().map(|id| id.and_then(|id| self.axes_of(id))).collect();
        self.own_axes(i, &mut axes);
        let plain = !graph.is_entry(i) && graph.entry_of(i).is_none();
        self.settle(i, plain);
        let constant = |id: TensorId| graph.constants[id].is_some() || self.out.derived[id];
        let computed = plain && !inputs.is_empty() && inputs.iter().flatten().all(|id| constant(*id));
        let nature = graph.folding(i).map(|r| r.nature).filter(|_| computed);
        if nature.is_some_and(|n| !n.moves()) {
            for (id, axes) in inputs.iter().zip(&mut axes) {
                let (Some(holder), Some(axes)) = (id.and_then(|id| graph.holder(id)), axes) else { continue };
                if axes.iter().filter(|t| self.out.terms.size(**t).known() > Some(1)).count() > 1 {
                    axes.clone_from(self.inside.entry(holder).or_insert_with(|| axes.clone()));
                }
            }
        }
        let constants: Vec<bool> = inputs.iter().map(|id| id.is_some_and(constant)).collect();
        let float = |id: &Option<TensorId>| id.is_some_and(|id| facts.tensors[id].dtype.is_real());
        let whole = |id: TensorId, axes: &Option<Axes>| graph.constants[id].is_some() || self.out.tensors[id] == *axes;
        let holds = |id: &Option<TensorId>| id.is_some_and(|id| constant(id) || self.picked[id]);
        let is_weight = |(id, axes): (&Option<TensorId>, &Option<Axes>)| {
            holds(id) && float(id) && id.is_some_and(|id| whole(id, axes))
        };
        let weight: Vec<bool> = inputs.iter().zip(&axes).map(is_weight).collect();
        let passes_on = inputs.iter().any(|id| id.is_some_and(|id| self.picked[id]))
            && inputs.iter().filter(|id| id.is_some()).all(holds);
        if computed {
            graph.outputs[i].iter().flatten().for_each(|id| self.out.derived[*id] = true);
        }
        Given { axes, constants, weight, nature, passes_on }
    }

    /// Asks the rule of a node. A rule may rely on what its own inference has checked.
    fn ask(&mut self, i: NodeId, given: Given, label: &Arc<str>) -> Told {
        let (graph, facts) = (self.graph, self.facts);
        let nothing = Fact::default();
        let outputs: Vec<&Fact> = graph.outputs[i].iter().map(|t| t.map_or(&nothing, |t| &facts.tensors[t])).collect();
        let usable = graph.operator(i).filter(|_| facts.inferred[i]);
        let (tensors, settled) = (&self.out.tensors, &self.settled);
        let continues = |terms: &Terms, a: usize, t: Term, b: usize| {
            let at = |k: usize| graph.inputs[i].get(k).copied().flatten();
            at(a).zip(at(b)).is_some_and(|(a, b)| streams::continues(graph, tensors, settled, terms, (a, t), b))
        };
        let mut cx = RelateCx {
            view: graph.view(i, &facts.tensors),
            outputs,
            terms: &mut self.out.terms,
            axes_in: given.axes,
            constant: given.constants,
            weight: given.weight,
            notes: Notes::default(),
            label: label.clone(),
            places: (0..graph.inputs[i].len()).collect(),
            continues: &continues,
        };
        let answer = usable.and_then(|op| op.relate(&mut cx));
        let (axes_in, notes) = (cx.axes_in, cx.notes);
        if answer.is_some() && (notes.picks || given.passes_on) {
            graph.outputs[i].iter().flatten().for_each(|id| self.picked[*id] = true);
        }
        Told { axes_in, axes_out: answer.map(|related| related.axes), notes }
    }

    /// The axes of a node's outputs. What the rule says and what the shapes say may differ: then neither is believed.
    fn made(&mut self, i: NodeId, axes_in: &[Option<Axes>], axes_out: Vec<Option<Axes>>, reason: &Reason) {
        for (id, axes) in self.graph.outputs[i].iter().zip(axes_out) {
            let Some(id) = *id else { continue };
            let shape = self.facts.tensors[id].shape.as_deref();
            let fits = |a: &Axes| {
                shape.is_some_and(|s| s.len() == a.len() && a.iter().zip(s).all(|(t, d)| self.out.terms.size(*t) == *d))
            };
            self.out.tensors[id] = match axes {
                Some(a) if fits(&a) => Some(a),
                other => {
                    other.iter().flatten().for_each(|t| self.out.terms.freeze(*t, reason));
                    axes_in.iter().flatten().flatten().for_each(|t| self.out.terms.freeze(*t, reason));
                    self.frozen_axes(id, reason)
                }
            };
        }
    }

    /// Constants of integers that a node reads: numbers where its rule takes them for such, else contents that stay.
    fn numbers(&mut self, i: NodeId, axes_in: &[Option<Axes>], quantized: &[(usize, Quantized)]) {
        let graph = self.graph;
        for (k, axes) in axes_in.iter().enumerate() {
            let (Some(id), Some(axes)) = (graph.inputs[i][k], axes) else { continue };
            if graph.constants[id].is_none() || self.facts.tensors[id].dtype.is_real() {
                continue;
            }
            match quantized.iter().find(|(q, _)| *q == k) {
                Some((_, by)) => {
                    let at = |p: Option<usize>| p.and_then(|p| *graph.inputs[i].get(p)?);
                    let (scale, zero_point) = (at(by.scale), at(by.zero_point));
                    let by = Quantization { scale, zero_point, axis: by.axis, packed: by.packed };
                    self.out.quantized.insert(Use { node: i, input: k }, by);
                }
                None => self.keep_contents(id, axes),
            }
        }
    }

    /// What no input decides is as good as a constant where it meets what an input decides: an axis that its own
    /// computation froze (positions counted up, a mask written by index) is a fresh one there, and where that shrinks
    /// the positions are picked ([`Relations::picked`]).
    fn own_axes(&mut self, i: NodeId, axes_in: &mut [Option<Axes>]) {
        let graph = self.graph;
        if graph.inputs[i].iter().flatten().all(|id| self.settled[*id]) {
            return;
        }
        for (id, axes) in graph.inputs[i].iter().zip(axes_in) {
            let Some(id) = id.filter(|id| self.settled[*id] && graph.constants[*id].is_none()) else { continue };
            if !self.facts.tensors[id].dtype.is_real() {
                continue;
            }
            for t in axes.iter_mut().flatten() {
                let terms = &mut self.out.terms;
                let size = terms.size(*t);
                let stuck = |t: &Term| terms.frozen(*t).is_some_and(|r| r.kind != QUANTIZED);
                if (2..=MAX_PICKED).contains(&size.known().unwrap_or(0)) && terms.leaves(*t).iter().all(stuck) {
                    *t = terms.atom(size);
                }
            }
        }
    }

    /// Positions in a tensor are other ones once its axes shrink: only what takes them for positions may read them.
    fn positions(&mut self, i: NodeId, axes_in: &[Option<Axes>], taken: &[usize], label: &Arc<str>) {
        for (k, id) in self.graph.inputs[i].iter().enumerate() {
            if taken.contains(&k) || id.is_none_or(|id| self.facts.tensors[id].places.is_none()) {
                continue;
            }
            let reason = Reason { kind: "indices of a pooled maximum", at: label.clone() };
            axes_in[k].iter().flatten().for_each(|t| self.out.terms.freeze(*t, &reason));
        }
    }

    fn settle(&mut self, i: NodeId, plain: bool) {
        let graph = self.graph;
        let inputs = &graph.inputs[i];
        let all = plain && !inputs.is_empty() && inputs.iter().flatten().all(|id| self.settled[*id]);
        for id in graph.outputs[i].iter().flatten() {
            self.settled[*id] |= all || self.facts.tensors[*id].value.is_some();
        }
    }

    /// What a weight is computed with, where it stays computed, is no layer: what its arithmetic sums over stays.
    fn freeze_inside(&mut self, of: Option<Nature>, given: &[Option<Axes>], made: &[Option<Axes>], at: &Arc<str>) {
        let terms = &mut self.out.terms;
        let stays = match of {
            Some(Nature::Mixes) => BTreeSet::new(),
            Some(Nature::Contracts) => made.iter().flatten().flatten().flat_map(|t| terms.leaves(*t)).collect(),
            _ => return,
        };
        let reason = Reason { kind: "inside of a computed weight", at: at.clone() };
        let inside = given.iter().flatten().flatten().flat_map(|t| terms.leaves(*t)).filter(|l| !stays.contains(l));
        inside.collect::<Vec<_>>().into_iter().for_each(|l| terms.freeze(l, &reason));
    }
}
