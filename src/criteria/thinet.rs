//! The thinet criterion.

use super::manual::manual_page;
use super::{Criterion, ScorePlan};
use crate::statistics::SHARES;

manual_page! {
    /// Greedy reconstruction: first goes what changes the next layers' outputs least.
    ///
    /// # What it scores
    /// When a channel goes, if at each step that one goes whose loss, together with all that went before,
    /// changes the outputs of the layers that read the group least.
    ///
    /// # Formula
    /// Z_c = the share of channel c in the outputs of the layers that read the group, at sampled positions;
    /// G_cd = ⟨Z_c, Z_d⟩, summed over these layers. From T = ∅, the channel that minimises
    /// ‖Σ_{j ∈ T ∪ c} Z_j‖² joins T; s(c) = its turn, 1 to C.
    ///
    /// # Needs
    /// Data (`data`); labels are not read. 10 positions per sample and layer, chosen by `seed`. Layers are
    /// Conv, Gemm and MatMul with a constant weight; a group that none of them reads is scored by l2 and
    /// named in the notes. Where a normalisation mixes channels, activations are taken as they are with all
    /// channels there.
    ///
    /// # Cost
    /// One pass over the data. Per position half the square of a patch's values (channels × kernel) in
    /// multiplications, C² per group for the turns. Memory: 4 bytes times the square of a patch, however many
    /// samples. Turns are found once: a channel that goes is the next in turn, so the rest keep theirs.
    ///
    /// # Reference
    /// Luo et al., ThiNet: A Filter Level Pruning Method, ICCV 2017.
    ///
    /// # Differs from others
    /// The Gram matrix is accumulated batch by batch, activations are never stored. `refit` solves the least
    /// squares of the layers that read the group, where the paper scales the surviving channels.
    pub struct ThiNet;
}

impl Criterion for ThiNet {
    fn name(&self) -> &'static str {
        "thinet"
    }

    fn manual(&self) -> &'static str {
        ThiNet::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::group(&[&SHARES], |g| turns(g.of(SHARES), g.channels))
    }
}

/// The turn of each channel, from 1.
fn turns(gram: &[f64], n: usize) -> Vec<f64> {
    let mut scores = vec![0.0; n];
    // ⟨Z_c, Σ of what is gone⟩.
    let mut gone = vec![0.0; n];
    let mut left: Vec<usize> = (0..n).collect();
    for turn in 1..=n {
        let rise = |c: usize| gram[c * n + c] + 2.0 * gone[c];
        // The first of equals, whatever is left.
        let Some(at) = (0..left.len()).min_by(|a, b| rise(left[*a]).total_cmp(&rise(left[*b]))) else { break };
        let c = left.remove(at);
        scores[c] = turn as f64;
        gone.iter_mut().zip(&gram[c * n..(c + 1) * n]).for_each(|(g, z)| *g += z);
    }
    scores
}
