//! The walkers over a graph: constants, shapes, axis relations, groups, cost.
//!
//! The walkers know no operator by name; what an operator does stands in [`crate::ops`].

mod activations;
mod cost;
mod error;
mod facts;
mod fold;
mod graph;
mod groups;
mod kinds;
mod ladder;
mod ranges;
mod relations;
mod scales;
mod sizes;
mod storage;
mod streams;

pub use activations::ActivationCost;
pub use cost::Costs;
pub use error::{Error, Result};
pub use facts::{Facts, infer_one, of_constant};
pub use graph::{Constant, Folded, Graph, NodeId, PerNode, PerTensor, Scope, TensorId, TensorOrigin};
pub use groups::{Frozen, Group, Item, ViewId, Views, WeightView};
pub use kinds::{AxisKind, UnknownKind};
pub use ladder::{is_derived, others as other_sizes, settled};
pub use ranges::whole_numbers;
pub use relations::{Quantization, Relations, Use};
pub use sizes::{Flaws, Given, Open, Shapes, flaws, open as open_sizes, stored as stored_sizes};
pub use storage::{Storage, StoredWeights, count};

use std::sync::Arc;

use crate::algebra::{Atom, Reason};
use crate::onnx::Model;
use crate::ops::{Contraction, CostCx, Operator, Pointwise};

/// What the uses of one weight by several layers have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// They are one layer: all keep the same channels.
    #[default]
    Tied,
    /// Nothing: each keeps its own channels, with a copy of the weight where these differ.
    Apart,
}

/// Everything that follows from a model before anything is chosen.
pub struct Analysis {
    /// The indexed graph.
    pub graph: Graph,
    /// Types, shapes and small contents of every tensor.
    pub facts: Facts,
    /// Axis terms and the roles of weight axes.
    pub relations: Relations,
    /// The distinct copies of weights that pruning may tell apart.
    pub views: Views,
    /// What can shrink.
    pub groups: Vec<Group>,
    /// What cannot, and why.
    pub frozen: Vec<Frozen>,
    /// MACs, parameters and bytes as functions of the groups' channel counts.
    pub costs: Costs,
    /// What the user should know: guessed sizes, operators without a rule.
    pub warnings: Vec<String>,
}

impl Analysis {
    /// Analyses a model; `shapes` gives sizes for open dimensions of inputs.
    ///
    /// # Errors
    /// When the graph is inconsistent, or `shapes` names an input that is not there or contradicts its shape.
    pub fn new(model: impl Into<Arc<Model>>, shapes: &Shapes) -> Result<Self> {
        Self::with(model, shapes, Sharing::Tied)
    }

    /// The same, and says what uses of one weight have in common.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(model: impl Into<Arc<Model>>, shapes: &Shapes, sharing: Sharing) -> Result<Self> {
        let mut graph = Graph::new(model)?;
        let mut facts = Facts::infer(&graph, &Facts::seed(&graph));
        let (bindings, mut warnings) = sizes::bind(&graph, &facts, shapes)?;
        warnings.extend(fold::fold(&mut graph, &facts));
        let relations = Relations::build(&graph, &facts, sharing);
        warnings.extend(relations.warnings());
        let (views, groups, frozen) = groups::collect(&graph, &facts, &relations)?;
        let costs = Costs::build(&graph, &facts, &relations, &views, &groups, &bindings, &mut warnings);
        facts.bindings = bindings;
        Ok(Analysis { graph, facts, relations, views, groups, frozen, costs, warnings })
    }

    /// Freezes groups for these reasons; gives for each group that is left its old index.
    pub fn freeze(&mut self, why: &[(usize, Reason)]) -> Result<Vec<usize>> {
        for (g, reason) in why {
            if let Some(group) = self.groups.get(*g) {
                self.relations.terms.freeze(group.atom, reason);
            }
        }
        let old: Vec<Atom> = self.groups.iter().map(|g| g.atom).collect();
        let Analysis { graph, facts, relations, .. } = &*self;
        let (views, groups, frozen) = groups::collect(graph, facts, relations)?;
        let bindings = &facts.bindings;
        let costs = Costs::build(graph, facts, relations, &views, &groups, bindings, &mut Vec::new());
        let left = groups.iter().filter_map(|g| old.iter().position(|a| *a == g.atom)).collect();
        (self.views, self.groups, self.frozen, self.costs) = (views, groups, frozen, costs);
        Ok(left)
    }

    /// The contraction that a node computes. What subgraphs of control flow compute is left out: no caller can ask for
    /// it; so is what nodes compute from constants.
    pub fn contraction(&self, node: NodeId) -> Option<Contraction> {
        let main = self.graph.scope_of(node) == 0 && !self.graph.is_folded(node);
        let of = |op: &dyn Operator, cx: &CostCx| op.contraction(cx);
        main.then(|| cost::asked(&self.graph, &self.facts, &self.relations, node, of)).flatten().flatten()
    }

    /// What a node of the main graph does to each value by itself.
    pub fn pointwise(&self, node: NodeId) -> Option<Pointwise> {
        let main = self.graph.scope_of(node) == 0;
        let of = |op: &dyn Operator, cx: &CostCx| op.pointwise(cx);
        main.then(|| cost::asked(&self.graph, &self.facts, &self.relations, node, of)).flatten().flatten()
    }

    /// Channel counts of all groups as they are in the file.
    pub fn full_counts(&self) -> Vec<usize> {
        self.groups.iter().map(|g| g.size).collect()
    }
}
