//! The random criterion.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::manual::manual_page;
use super::{Criterion, ScorePlan};

manual_page! {
    /// Uniform random numbers: the baseline.
    ///
    /// # What it scores
    /// Nothing: what a criterion must beat to be worth its cost.
    ///
    /// # Formula
    /// s(c) uniform in [0, 1), drawn by ChaCha8 from the run's seed, the group's name and the channel's
    /// index. A channel keeps its draw from step to step.
    ///
    /// # Needs
    /// Nothing but a seed (`seed`).
    ///
    /// # Cost
    /// One draw per channel, once.
    ///
    /// # Reference
    /// Mittal et al., Recovering from Random Pruning, WACV 2018.
    ///
    /// # Differs from others
    /// Independent of the weights, of the number of threads and of the order of groups. Torch-Pruning
    /// draws anew at every step.
    pub struct Random;
}

impl Criterion for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn manual(&self) -> &'static str {
        Random::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::group(&[], |g| draws(g.seed, g.name, g.channels))
    }
}

/// One draw per channel: the c-th word of the stream that seed and group name select.
fn draws(seed: u64, group: &str, channels: usize) -> Vec<f64> {
    // FNV-1a: stable across versions and platforms, unlike the standard library's hasher.
    let name = group.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&name.to_le_bytes());
    key[16..24].copy_from_slice(&(group.len() as u64).to_le_bytes());
    let mut stream = ChaCha8Rng::from_seed(key);
    (0..channels).map(|_| stream.random::<f64>()).collect()
}
