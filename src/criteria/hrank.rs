//! The hrank criterion.

use super::manual::manual_page;
use super::{Criterion, ScorePlan};
use crate::statistics::RANKS;

manual_page! {
    /// Mean rank of a channel's feature maps: maps of low rank say little.
    ///
    /// # What it scores
    /// How much independent information the channel carries on real data, where weights read it.
    ///
    /// # Formula
    /// s(c) = Σ over tensors of the mean over samples of rank(map of c), the tensors being those that the
    /// weights reading the group are given (after normalisation and activation), H×W for each sample.
    /// Where tokens take the place of an image, the map is tokens × (positions of c), so heads have a rank
    /// and single features have none. The rank is the number of singular values above
    /// σ_max·max(H, W)·ε, ε = 1.19e-7. Equal ranks are ordered by l2 of the weights.
    ///
    /// # Needs
    /// Data (`data`); labels are not read. A group whose maps have one row or one column (after global
    /// pooling, between fully connected layers) is scored by l2 and named in the notes.
    ///
    /// # Cost
    /// One pass over the data, and per map of n×n values 2/3·n³ multiplications in f64 and some products
    /// with a vector. Ranks are measured once: those of surviving channels stay as they are.
    ///
    /// # Reference
    /// Lin et al., HRank: Filter Pruning using High-Rank Feature Map, CVPR 2020.
    ///
    /// # Differs from others
    /// The number of singular values is counted by the signs of pivots, no singular value is computed: the
    /// ranks are torch.linalg.matrix_rank's, but for values within rounding of the tolerance. The paper reads
    /// the output of every convolution's activation, here it is what the next weight is given.
    pub struct HRank;
}

impl Criterion for HRank {
    fn name(&self) -> &'static str {
        "hrank"
    }

    fn manual(&self) -> &'static str {
        HRank::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::group(&[&RANKS], |g| g.of(RANKS).to_vec())
    }

    fn ties(&self) -> Option<ScorePlan> {
        Some(ScorePlan::L2)
    }
}
