//! Importance criteria and the incremental frame that scores dependency groups with them.
//!
//! A criterion sees weights, groups and statistics, never nodes. One criterion is one file and one line in
//! [`criteria`]; its doc comment is its manual page. What data says of a group comes with the group, already reduced
//! ([`crate::statistics`]). [`Scoreboard`] keeps the scores of all groups up
//! to date while channels are removed, without ever scanning the weights again.

mod bnscale;
mod board;
mod cp;
mod distances;
mod error;
mod filters;
mod fpgm;
mod frame;
mod hrank;
mod item;
mod l1;
mod l2;
mod lamp;
mod lasso;
mod manual;
mod marginals;
mod measure;
mod obs;
mod pairs;
mod plan;
mod random;
mod setup;
mod survivors;
mod thinet;
mod variance;
mod weight;

pub use bnscale::BnScale;
pub use board::Scoreboard;
pub use cp::Cp;
pub use error::Error;
pub use fpgm::Fpgm;
pub use frame::{Normalization, Reduction, ScoreOptions};
pub use hrank::HRank;
pub use item::{GroupItems, ItemRole, NOT_MINE, Roles, ScoredItem};
pub use l1::L1;
pub use l2::L2;
pub use lamp::Lamp;
pub use manual::HEADINGS;
pub use marginals::Term;
pub use measure::Measure;
pub use obs::Obs;
pub use plan::{Known, Needs, ScorePlan};
pub use random::Random;
pub use thinet::ThiNet;
pub use variance::Variance;
pub use weight::{Weight, WeightData};

/// An importance criterion: one score per channel of a group, lower is pruned first.
pub trait Criterion: Sync {
    /// Name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// The manual page: the doc comment of the implementing struct, in Markdown, with [`HEADINGS`].
    fn manual(&self) -> &'static str;

    /// What must be given.
    fn needs(&self) -> Needs {
        self.plan().needs()
    }

    /// What is measured.
    fn plan(&self) -> ScorePlan;

    /// What is measured instead in a group that has nothing that [`plan`](Criterion::plan) reads: l2, where that was
    /// more than weights.
    fn fallback(&self) -> Option<ScorePlan> {
        (!self.plan().statistics().is_empty()).then_some(ScorePlan::L2)
    }

    /// What orders channels that score the same.
    fn ties(&self) -> Option<ScorePlan> {
        None
    }

    /// The error where *no* group has an item that is read; `None` where the fallback will do.
    fn nothing_to_read(&self) -> Option<Error> {
        None
    }

    /// Last step before normalisation, on the reduced scores of the surviving channels in channel order.
    fn finish(&self, _scores: &mut [f64]) {}
}

/// All criteria, in the order in which they are listed to users.
pub fn criteria() -> &'static [&'static dyn Criterion] {
    &[&L1, &L2, &Lamp, &Fpgm, &BnScale, &Random, &HRank, &Cp, &ThiNet, &Obs, &Variance]
}

/// The criterion of that name.
///
/// # Errors
/// [`Error::Unknown`], with the names there are.
pub fn find(name: &str) -> Result<&'static dyn Criterion, Error> {
    criteria().iter().copied().find(|c| c.name() == name).ok_or_else(|| Error::Unknown {
        name: name.to_string(),
        known: criteria().iter().map(|c| c.name()).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests;
