//! Groups that some node cannot follow, found before anything is planned.

use std::sync::Arc;

use super::error::Result;
use super::surgery::obstacles;
use crate::algebra::{Kept, Reason};
use crate::analysis::{Analysis, NodeId, Shapes, Sharing};
use crate::onnx::Model;

/// Trials in one search for what a node cannot follow.
const MAX_TRIALS: usize = 256;

const CANNOT: &str = "node that cannot follow when it shrinks";

/// Analyses a model and freezes each group that some node cannot follow, with the node as the reason: a rule may
/// promise more than it holds where sizes are spelled in an unusual way.
///
/// # Errors
/// When the model is inconsistent, a weight cannot be read, or `shapes` do not fit.
pub fn analyse(model: impl Into<Arc<Model>>, shapes: &Shapes, sharing: Sharing) -> Result<Analysis> {
    let mut a = Analysis::with(model, shapes, sharing)?;
    let kept: Kept = a.groups.iter().map(|g| (g.atom, half(g.size))).collect();
    let stuck = stuck(&a, &kept)?;
    if !stuck.is_empty() {
        a.freeze(&stuck)?;
    }
    Ok(a)
}

/// Every other channel.
fn half(size: usize) -> Arc<[u32]> {
    (0..u32::try_from(size).unwrap_or(u32::MAX)).step_by(2).collect()
}

/// The groups that must not shrink for the rest to be rewritten, of those that `kept` shrinks, each with the node that
/// stands in the way.
///
/// # Errors
/// When a weight cannot be read.
pub fn stuck(a: &Analysis, kept: &Kept) -> Result<Vec<(usize, Reason)>> {
    let all: Vec<usize> = (0..a.groups.len()).filter(|g| kept.contains_key(&a.groups[*g].atom)).collect();
    let mut search = Search { a, kept, trials: 0, found: Vec::new() };
    let mut left = all;
    // What fails together though each part goes by itself is found once the others are gone.
    loop {
        let before = search.found.len();
        search.among(&left)?;
        if search.found.len() == before || search.trials > MAX_TRIALS {
            return Ok(search.found);
        }
        left.retain(|g| search.found.iter().all(|(f, _)| f != g));
    }
}

struct Search<'a> {
    a: &'a Analysis,
    kept: &'a Kept,
    trials: usize,
    found: Vec<(usize, Reason)>,
}

impl Search<'_> {
    fn among(&mut self, groups: &[usize]) -> Result<()> {
        let atoms = groups.iter().map(|g| self.a.groups[*g].atom);
        let kept: Kept = atoms.filter_map(|atom| Some((atom, Arc::clone(self.kept.get(&atom)?)))).collect();
        self.trials += 1;
        let failed = obstacles(self.a, &kept)?;
        let Some((node, _)) = failed.first() else { return Ok(()) };
        let before = self.found.len();
        if groups.len() > 1 && self.trials < MAX_TRIALS {
            let (first, second) = groups.split_at(groups.len() / 2);
            self.among(first)?;
            self.among(second)?;
        }
        if self.found.len() == before {
            // Only together, or there is just one: those that the nodes carry, else all.
            let carried = |g: &&usize| failed.iter().any(|(n, _)| self.carries(*n, **g));
            let mut those: Vec<usize> = groups.iter().filter(carried).copied().collect();
            if those.is_empty() {
                those = groups.to_vec();
            }
            let at: Arc<str> = format!("{} {}", self.a.graph.node(*node).op_type(), self.a.graph.label(*node)).into();
            self.found.extend(those.into_iter().map(|g| (g, Reason { kind: CANNOT, at: Arc::clone(&at) })));
        }
        Ok(())
    }

    /// Whether a group lies on an axis that the node reads or writes.
    fn carries(&self, node: NodeId, group: usize) -> bool {
        let Analysis { graph, relations, groups, .. } = self.a;
        let read = relations.uses[node].iter().flatten();
        let written = graph.outputs[node].iter().flatten().filter_map(|id| relations.tensors[*id].as_ref());
        read.chain(written).flatten().any(|t| relations.terms.carries(*t, groups[group].atom))
    }
}
