//! The cp criterion.

use super::lasso::entries;
use super::manual::manual_page;
use super::{Criterion, ScorePlan};
use crate::statistics::SHARES;

manual_page! {
    /// LASSO selection: what the next layers' outputs can be rebuilt without.
    ///
    /// # What it scores
    /// How strong a penalty on the number of channels must be before a channel is given up.
    ///
    /// # Formula
    /// Z_c = the share of channel c in the outputs of the layers that read the group, at sampled positions;
    /// Y = Σ_c Z_c, what all of them give together. Over the path of
    /// min_β ‖Y − Σ_c β_c·Z_c‖² + λ‖β‖₁, s(c) is the largest λ at which β_c is not 0. A channel that is a
    /// combination of others before it scores 0.
    ///
    /// # Needs
    /// Data (`data`); labels are not read. 10 positions per sample and layer, chosen by `seed`. Layers are
    /// Conv, Gemm and MatMul with a constant weight; a group that none of them reads is scored by l2 and
    /// named in the notes. Where a normalisation mixes channels, activations are taken as they are with all
    /// channels there.
    ///
    /// # Cost
    /// One pass over the data. Per position half the square of a patch's values (channels × kernel) in
    /// multiplications, C³ per group for the whole path. Memory: 4 bytes times the square of a patch, however
    /// many samples. The path is followed once: channels that are 0 down to some λ do not change it above,
    /// so the rest keep their score when they go.
    ///
    /// # Reference
    /// He et al., Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017.
    ///
    /// # Differs from others
    /// The exact path (LARS) from one Gram matrix that is accumulated batch by batch, where the paper searches
    /// for the λ that leaves the wanted number of channels. `refit` is the paper's second step. Where a layer
    /// reads other groups too, Y is the share of this one.
    pub struct Cp;
}

impl Criterion for Cp {
    fn name(&self) -> &'static str {
        "cp"
    }

    fn manual(&self) -> &'static str {
        Cp::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::group(&[&SHARES], |g| {
            let gram = g.of(SHARES);
            let target: Vec<f64> = gram.chunks_exact(g.channels.max(1)).map(|row| row.iter().sum()).collect();
            entries(gram, &target)
        })
    }
}
