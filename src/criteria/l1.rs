//! The l1 criterion.

use super::manual::manual_page;
use super::{Criterion, Roles, ScorePlan, Term};

manual_page! {
    /// Sum of absolute weights.
    ///
    /// # What it scores
    /// How much absolute weight produces, scales and consumes a channel.
    ///
    /// # Formula
    /// For an item with weight W, s(c) = Σ_j |w_{c,j}|, over the values that belong to channel c:
    /// for a convolution [O, I, kH, kW] that is I·kH·kW values on the output side and O·kH·kW on the
    /// input side; for a normalisation scale one value.
    /// The group's score is the mean over its items (or `reduction`).
    ///
    /// # Needs
    /// Weights. Reads output rows, input columns and normalisation scales; biases are not scored.
    ///
    /// # Cost
    /// One pass over the weights; later steps read only what was removed.
    ///
    /// # Reference
    /// Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017; group form: Fang et al., DepGraph, CVPR 2023.
    ///
    /// # Differs from others
    /// MagnitudeImportance(p=1) of Torch-Pruning with its defaults. Less drawn to single large weights than l2.
    pub struct L1;
}

/// |w|.
pub(super) struct Magnitude;

impl Term for Magnitude {
    const NAME: &'static str = "|w|";

    #[inline(always)]
    fn of(weight: f64, _: f64) -> f64 {
        weight.abs()
    }
}

impl Criterion for L1 {
    fn name(&self) -> &'static str {
        "l1"
    }

    fn manual(&self) -> &'static str {
        L1::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::items(&Magnitude, Roles::SCORED)
    }
}
