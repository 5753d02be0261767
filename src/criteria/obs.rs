//! The obs criterion.

use super::manual::manual_page;
use super::{Criterion, ScorePlan};
use crate::statistics::ERRORS;

manual_page! {
    /// Structured optimal brain surgeon: what the next layers lose although the rest makes up for it.
    ///
    /// # What it scores
    /// How much of what the layers that read the group give is lost once a channel has gone after all that
    /// go before it, if their remaining weights are solved again by least squares.
    ///
    /// # Formula
    /// For a layer W that reads x with covariance A, and P = (A + 0.001·mean(diag A)·I)⁻¹: removing the columns c
    /// of a channel costs trace(W_c·(P_cc)⁻¹·W_cᵀ). Each time the channel goes that costs least, summed over the
    /// layers, each relative to trace(W·A·Wᵀ); then W −= W_c·(P_cc)⁻¹·P_c and P −= P_·c·(P_cc)⁻¹·P_c.
    /// s(c) = the sum of costs up to and with c. Rows of W are scaled by the batch normalisation that follows.
    ///
    /// # Needs
    /// Data (`data`); labels are not read. About 8,192 positions per layer from all samples together, chosen by
    /// `seed`. Layers are Conv, Gemm and MatMul with a constant weight; a group that none of them reads is
    /// scored by l2 and named in the notes.
    ///
    /// # Cost
    /// One pass over the data, and n³ per layer for patches of n numbers (channels × kernel). Memory: 4 bytes
    /// times n² per layer, however many samples. Of more than 128 channels, 1 to 2 % are chosen at a time. The
    /// order is found once: a channel that goes is the next in it, so the rest keep their score.
    ///
    /// # Reference
    /// Hassibi and Stork, Second Order Derivatives for Network Pruning: Optimal Brain Surgeon, NIPS 1992; for
    /// groups of columns: Kurtic et al., ZipLM, NeurIPS 2023.
    ///
    /// # Differs from others
    /// thinet and cp let the weights stay while they choose; obs chooses as if `refit` followed each step, and so
    /// keeps channels that cannot be made up for. With scheme `allocate` its sums are the error curves themselves.
    pub struct Obs;
}

impl Criterion for Obs {
    fn name(&self) -> &'static str {
        "obs"
    }

    fn manual(&self) -> &'static str {
        Obs::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::group(&[&ERRORS], |g| g.of(ERRORS).to_vec())
    }
}
