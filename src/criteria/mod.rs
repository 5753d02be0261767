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
mod obs;
mod pairs;
mod random;
mod setup;
mod state;
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
pub use item::{GroupItems, Item, NOT_MINE, Role, Roles};
pub use l1::L1;
pub use l2::L2;
pub use lamp::Lamp;
pub use manual::HEADINGS;
pub use obs::Obs;
pub use random::Random;
pub use thinet::ThiNet;
pub use variance::Variance;
pub use weight::{Weight, WeightData};

/// What a criterion must be given: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    /// Nothing but the groups.
    pub const NOTHING: Needs = Needs(0);
    /// Values of weights.
    pub const WEIGHTS: Needs = Needs(1);
    /// Activations on calibration data.
    pub const ACTIVATIONS: Needs = Needs(2);
    /// Gradients of the mean loss over calibration data.
    pub const GRADIENTS: Needs = Needs(4);
    /// Gradients of each sample's loss.
    pub const SAMPLE_GRADIENTS: Needs = Needs(8);

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn and(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }
}

/// What is measured of one item, per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Σ |w| over the channel's surviving values.
    SumAbs,
    /// Σ w² over the channel's surviving values.
    SumSquares,
    /// Σ over the other surviving channels of the Euclidean distance between the two filters.
    Distances,
    /// A number drawn for the channel; reads no item.
    Draw,
    /// Mean rank of the channel's feature maps on data; reads no item.
    Ranks,
    /// What is lost once the channel has gone and what is left makes up for it; reads no item.
    Errors,
    /// Variance of what the channel gives, as the layers that read it weigh it; reads no item.
    Variances,
    /// What [`Criterion::of_shares`] makes of the channels' shares in what reads them, on data; reads no item.
    Shares,
}

impl Measure {
    /// Whether the measure reads items, and so changes with what is removed; others are taken once.
    pub(crate) fn reads_items(self) -> bool {
        matches!(self, Measure::SumAbs | Measure::SumSquares | Measure::Distances)
    }

    /// What must be given. Activations may be missing for some groups, which are then scored by weights.
    const fn needs(self) -> Needs {
        match self {
            Measure::SumAbs | Measure::SumSquares | Measure::Distances => Needs::WEIGHTS,
            Measure::Draw => Needs::NOTHING,
            Measure::Ranks | Measure::Shares | Measure::Errors | Measure::Variances => {
                Needs::ACTIVATIONS.and(Needs::WEIGHTS)
            }
        }
    }
}

/// What a criterion measures, and on which items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The item score.
    pub measure: Measure,
    /// The items that are read.
    pub roles: Roles,
}

impl Plan {
    /// Squares of all weights.
    pub const L2: Plan = Plan { measure: Measure::SumSquares, roles: Roles::SCORED };
    /// Shares in what reads the channels.
    pub const SHARES: Plan = Plan { measure: Measure::Shares, roles: Roles::NONE };
}

/// An importance criterion: one score per channel of a group, lower is pruned first.
pub trait Criterion: Sync {
    /// Name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// The manual page: the doc comment of the implementing struct, in Markdown, with [`HEADINGS`].
    fn manual(&self) -> &'static str;

    /// What must be given.
    fn needs(&self) -> Needs {
        self.plan().measure.needs()
    }

    /// What is measured.
    fn plan(&self) -> Plan;

    /// What is measured instead in a group that has nothing that [`plan`](Criterion::plan) reads: l2, where that was
    /// activations.
    fn fallback(&self) -> Option<Plan> {
        self.needs().contains(Needs::ACTIVATIONS).then_some(Plan::L2)
    }

    /// What orders channels that score the same.
    fn ties(&self) -> Option<Plan> {
        None
    }

    /// One score per channel from [`Measure::Shares`]: the Gram matrix ⟨Z_c, Z_d⟩ of the shares Z that the channels
    /// have in the outputs of the layers that read them, row-major.
    fn of_shares(&self, _gram: &[f64], channels: usize) -> Vec<f64> {
        vec![0.0; channels]
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
