//! The l2 criterion.

use super::manual::manual_page;
use super::{Criterion, ScorePlan, Term};

manual_page! {
    /// Sum of squared weights.
    ///
    /// # What it scores
    /// The energy of the weights that produce, scale and consume a channel.
    ///
    /// # Formula
    /// For an item with weight W, s(c) = Σ_j w_{c,j}², with no root, over the values that belong to
    /// channel c: for a convolution [O, I, kH, kW] that is I·kH·kW values on the output side and
    /// O·kH·kW on the input side; for a normalisation scale one value.
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
    /// MagnitudeImportance(p=2) of Torch-Pruning with its defaults: squares without the root, so the
    /// ranking over several items is not that of the Euclidean norms.
    pub struct L2;
}

/// w².
pub(super) struct Square;

impl Term for Square {
    const NAME: &'static str = "w²";

    #[inline(always)]
    fn of(weight: f64, _: f64) -> f64 {
        weight * weight
    }
}

impl Criterion for L2 {
    fn name(&self) -> &'static str {
        "l2"
    }

    fn manual(&self) -> &'static str {
        L2::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::L2
    }
}
