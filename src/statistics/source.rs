//! Data, and the means to run a model on it.

use crate::data::BatchSource;
use crate::job::Job;
use crate::runtime::{Runtime, SessionOptions};

/// Data and the means to run a model on it.
pub struct Calibration<'a> {
    /// The data.
    pub source: &'a dyn BatchSource,
    /// What runs the model.
    pub runtime: &'a dyn Runtime,
    /// How it runs.
    pub session: SessionOptions,
    /// Seed of sampled positions.
    pub seed: u64,
    /// Output positions that are looked at per sample and layer.
    pub positions: usize,
    /// Is told the number of samples done.
    pub job: Job<'a>,
}

impl Calibration<'_> {
    /// Positions per sample and layer unless told otherwise: He et al. and Luo et al. take 10.
    pub const POSITIONS: usize = 10;
}
