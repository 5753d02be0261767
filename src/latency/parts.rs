//! The parts of a model that are timed alone.

use std::collections::{BTreeMap, HashMap};

use crate::algebra::Atom;
use crate::analysis::{Analysis, NodeId, PerNode, TensorId};
use crate::planning::Limit;

/// A contraction and what follows it, up to the next one.
#[derive(Clone, Debug)]
pub struct Part {
    /// What other parts read of it, or the graph gives back.
    pub outputs: Vec<TensorId>,
    /// Groups that its time depends on, by axes that shrink apart. Groups that meet in one axis (the inputs of a
    /// Concat) shrink together here.
    pub axes: Vec<Vec<usize>>,
}

/// All parts, and which of them each node belongs to.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// In file order.
    pub parts: Vec<Part>,
    /// By node; `None` for sizes, weights, control flow, and what comes before the first contraction.
    pub of: PerNode<Option<usize>>,
}

impl Parts {
    /// Takes a model apart. Only groups that `limits` lets shrink count.
    pub fn of(a: &Analysis, limits: &[Limit]) -> Parts {
        let g = &a.graph;
        let mut contraction = g.per_node(false);
        a.costs.mac_nodes.iter().for_each(|i| contraction[*i] = true);
        let mut of: PerNode<Option<usize>> = g.per_node(None);
        let mut n = 0;
        for i in g.node_ids() {
            if !computes(a, i) || !g.subgraphs[i].is_empty() {
                continue;
            }
            let before = g.inputs[i].iter().flatten().filter_map(|id| of[g.producer[*id]?]).max();
            of[i] = if contraction[i] {
                n += 1;
                Some(n - 1)
            } else {
                before
            };
        }
        let mut parts = vec![Part { outputs: Vec::new(), axes: Vec::new() }; n];
        let mut read = g.per_tensor(false);
        for (i, inputs) in g.inputs.enumerate() {
            let foreign = |id: &&TensorId| g.producer[**id].is_none_or(|p| of[p] != of[i]);
            inputs.iter().flatten().filter(foreign).chain(&g.captured[i]).for_each(|id| read[*id] = true);
        }
        g.proto().output.iter().filter_map(|v| g.id(v.name())).for_each(|id| read[id] = true);
        let shrinking: HashMap<Atom, usize> = a
            .groups
            .iter()
            .zip(limits)
            .enumerate()
            .filter(|(_, (g, l))| l.least < g.size)
            .map(|(i, (g, _))| (g.atom, i))
            .collect();
        let mut axes: Vec<Sets> = vec![Sets::default(); n];
        for (i, part) in of.enumerate() {
            let Some(part) = *part else { continue };
            parts[part].outputs.extend(g.outputs[i].iter().flatten().filter(|id| read[**id]));
            let outputs = g.outputs[i].iter().flatten().filter_map(|id| a.relations.tensors[*id].as_ref());
            for t in a.relations.uses[i].iter().flatten().chain(outputs).flatten() {
                let leaves = a.relations.terms.leaves(*t);
                axes[part].join(leaves.iter().filter_map(|l| shrinking.get(l).copied()));
            }
        }
        for (part, sets) in parts.iter_mut().zip(axes) {
            part.axes = sets.into_lists();
        }
        Parts { parts, of }
    }
}

/// Whether a node of the main graph computes with activations, and not with sizes or weights alone.
pub fn computes(a: &Analysis, node: NodeId) -> bool {
    let g = &a.graph;
    let activation =
        |id: &TensorId| g.constants[*id].is_none() && !a.relations.derived[*id] && a.facts.tensors[*id].value.is_none();
    g.scope_of(node) == 0 && !g.is_entry(node) && !g.is_folded(node) && g.outputs[node].iter().flatten().any(activation)
}

/// Disjoint sets of groups.
#[derive(Clone, Debug, Default)]
struct Sets(BTreeMap<usize, usize>);

impl Sets {
    fn root(&self, mut g: usize) -> usize {
        while let Some(&up) = self.0.get(&g).filter(|up| **up != g) {
            g = up;
        }
        g
    }

    /// Makes the sets of some groups one.
    fn join(&mut self, groups: impl Iterator<Item = usize>) {
        let mut first = None;
        for g in groups {
            self.0.entry(g).or_insert(g);
            let root = self.root(g);
            let to = *first.get_or_insert(root);
            let to = self.root(to);
            self.0.insert(root, to);
        }
    }

    fn into_lists(self) -> Vec<Vec<usize>> {
        let mut lists: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        self.0.keys().for_each(|g| lists.entry(self.root(*g)).or_default().push(*g));
        lists.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_join_through_any_member() {
        let mut s = Sets::default();
        for pair in [[4, 2], [7, 9], [9, 4], [5, 5]] {
            s.join(pair.into_iter());
        }
        assert_eq!(s.into_lists(), [vec![5], vec![2, 4, 7, 9]]);
    }
}
