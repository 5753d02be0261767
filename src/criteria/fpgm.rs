//! The fpgm criterion.

use super::distances::FilterDistances;
use super::l2::Square;
use super::manual::manual_page;
use super::{Criterion, Roles, ScorePlan};

manual_page! {
    /// Distance from the geometric median: filters close to all others can be replaced by them.
    ///
    /// # What it scores
    /// How far the weights that produce a channel are from those that produce the others.
    ///
    /// # Formula
    /// For an item with weight W, s(c) = Σ_k ‖W_c − W_k‖₂ over the surviving channels k, W_c the raw
    /// values that produce channel c: I·kH·kW of them for a convolution [O, I, kH, kW].
    /// Where several positions make one channel, their rows are concatenated in order.
    /// The group's score is the mean over its output-side items (or `reduction`).
    ///
    /// # Needs
    /// Weights. Reads output rows only. A group that nothing produces (no output-side item) is scored by
    /// l2 of its input columns and named in the notes.
    ///
    /// # Cost
    /// One matrix product of C²·I·kH·kW multiplications per item at the start, and C² roots per item
    /// and step. Memory: 2·C² bytes per item.
    ///
    /// # Reference
    /// He et al., Filter Pruning via Geometric Median, CVPR 2019.
    ///
    /// # Differs from others
    /// Large filters are not important as such: equal filters score low however large. Torch-Pruning
    /// squares the weights before it takes distances, the paper and this criterion do not.
    pub struct Fpgm;
}

impl Criterion for Fpgm {
    fn name(&self) -> &'static str {
        "fpgm"
    }

    fn manual(&self) -> &'static str {
        Fpgm::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::items(&FilterDistances, Roles::OUT)
    }

    fn fallback(&self) -> Option<ScorePlan> {
        Some(ScorePlan::items(&Square, Roles::IN))
    }
}
