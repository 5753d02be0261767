//! What a model that ends early gives from within: of that, the channels that stay are compared.

use std::collections::HashMap;

use super::inputs::Inputs;
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::rewriting::error::Result;

/// By axis, the positions that stay; `None` where all do.
type Stay = Vec<Option<Vec<usize>>>;

/// Outputs that have fewer channels in the pruned model: `None` where only a run could tell which.
#[derive(Default)]
pub struct Inner(HashMap<String, Option<Stay>>);

impl Inner {
    /// Looks them up among these.
    pub fn of<'n>(a: &Analysis, kept: &Kept, outputs: impl Iterator<Item = &'n str>) -> Inner {
        let terms = &a.relations.terms;
        let of = |name: &'n str| {
            let id = a.graph.id(name)?;
            let own = a.graph.proto().output.iter().any(|v| v.name() == name);
            // Sizes of what shrinks, and positions in it, are others afterwards.
            if !own && !a.facts.tensors[id].dtype.is_real() {
                return Some((name.to_owned(), None));
            }
            let axes = a.relations.tensors.get(id)?.as_ref()?;
            axes.iter().any(|t| terms.shrinks(*t, kept)).then(|| {
                let told = axes.iter().all(|t| !terms.shrinks(*t, kept) || terms.size(*t).known().is_some());
                let stay = || axes.iter().map(|t| terms.kept_positions(*t, kept)).collect();
                (name.to_owned(), told.then(stay))
            })
        };
        Inner(outputs.filter_map(of).collect())
    }

    /// Whether an output can be compared.
    pub fn tells(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(Option::is_some)
    }

    /// The outputs that can be compared.
    pub fn told(&self, mut all: Inputs) -> Inputs {
        all.retain(|(name, _)| self.tells(name));
        all
    }

    /// The same of the original, with the channels that stay.
    ///
    /// # Errors
    /// When an output is not as large as its axes say.
    pub fn narrow(&self, all: Inputs) -> Result<Inputs> {
        let mut all = self.told(all);
        for (name, tensor) in &mut all {
            let Some(Some(axes)) = self.0.get(name) else { continue };
            for (axis, positions) in axes.iter().enumerate() {
                if let Some(positions) = positions {
                    *tensor = tensor.at(axis, positions)?;
                }
            }
        }
        Ok(all)
    }
}
