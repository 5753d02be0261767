//! The variance criterion.

use super::manual::manual_page;
use super::{Criterion, ScorePlan};
use crate::statistics::VARIANCES;

manual_page! {
    /// How much a channel varies, as the next layers weigh it.
    ///
    /// # What it scores
    /// What is lost of the outputs of the layers that read a channel if it is replaced by its mean.
    ///
    /// # Formula
    /// s(c) = Σ var(x)·‖W_x‖² over the numbers x that channel c gives to patches, var over sampled positions, W_x
    /// the weights that read x, summed over the layers that read the group.
    ///
    /// # Needs
    /// Data (`data`); labels are not read. 10 positions per sample and layer, chosen by `seed`. Layers are
    /// Conv, Gemm and MatMul with a constant weight; a group that none of them reads is scored by l2 and
    /// named in the notes.
    ///
    /// # Cost
    /// One pass over the data. Memory: 4 bytes times the square of a patch, however many samples.
    ///
    /// # Reference
    /// An et al., Fluctuation-based Adaptive Structured Pruning (FLAP), AAAI 2024; the variance alone: Berisha et
    /// al., Variance-Based Pruning, ICCV 2025.
    ///
    /// # Differs from others
    /// A channel that is always on costs nothing here: its mean can go into a bias, which `refit` does. Channels
    /// that say the same are not told apart; obs does that.
    pub struct Variance;
}

impl Criterion for Variance {
    fn name(&self) -> &'static str {
        "variance"
    }

    fn manual(&self) -> &'static str {
        Variance::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::group(&[&VARIANCES], |g| g.of(VARIANCES).to_vec())
    }
}
