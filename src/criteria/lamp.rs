//! The lamp criterion.

use super::manual::manual_page;
use super::{Criterion, ScorePlan};

manual_page! {
    /// Layer-adaptive magnitude: a channel's energy relative to all that are at least as strong.
    ///
    /// # What it scores
    /// What share of the remaining energy a channel holds once all weaker channels of its group are gone.
    ///
    /// # Formula
    /// u_c = the l2 score of channel c (Σ w² per item, reduced over items). With the group's surviving
    /// channels sorted ascending, s_i = u_i / Σ_{k≥i} u_k. The largest scores 1 before normalisation;
    /// equal energies are sorted by index.
    ///
    /// # Needs
    /// Weights. Reads output rows, input columns and normalisation scales; biases are not scored.
    ///
    /// # Cost
    /// As l2, and one sort of each changed group at every step.
    ///
    /// # Reference
    /// Lee et al., Layer-adaptive Sparsity for the Magnitude-based Pruning, ICLR 2021.
    ///
    /// # Differs from others
    /// Within a group it ranks as l2 does; it differs in how groups compare with each other. The paper
    /// scores single weights of a layer, here it is channels of a group, as in Torch-Pruning.
    pub struct Lamp;
}

impl Criterion for Lamp {
    fn name(&self) -> &'static str {
        "lamp"
    }

    fn manual(&self) -> &'static str {
        Lamp::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::L2
    }

    fn finish(&self, scores: &mut [f64]) {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(b.cmp(&a)));
        let mut above = 0.0;
        for i in order {
            above += scores[i];
            scores[i] = if above > 0.0 { scores[i] / above } else { 0.0 };
        }
    }
}
