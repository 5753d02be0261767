//! Where batches come from, and how they are used.

use crate::data::{Batch, Origin};
use crate::runtime::{IoInfo, Runtime, SessionOptions};

/// What went wrong in a data set.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// One walk over the data.
pub type Batches<'s> = Box<dyn Iterator<Item = Result<Batch, SourceError>> + 's>;

/// Batches that can be gone through again: the same ones, in the same order.
pub trait Source: Send + Sync {
    /// Starts from the first batch, for a model with these inputs.
    ///
    /// # Errors
    /// When the data cannot be opened or does not fit the inputs; each batch may fail by itself.
    fn batches(&self, inputs: &[IoInfo]) -> Result<Batches<'_>, SourceError>;

    /// Names of the classes; nothing where the data has none.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// Where the data comes from, for reports.
    fn origin(&self) -> Option<&Origin> {
        None
    }
}

/// Batches held in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemory(pub Vec<Batch>);

impl Source for InMemory {
    fn batches(&self, _: &[IoInfo]) -> Result<Batches<'_>, SourceError> {
        Ok(Box::new(self.0.iter().cloned().map(Ok)))
    }
}

/// Data and the means to run a model on it.
pub struct Calibration<'a> {
    /// The data.
    pub source: &'a dyn Source,
    /// What runs the model.
    pub runtime: &'a dyn Runtime,
    /// How it runs.
    pub session: SessionOptions,
    /// Seed of sampled positions.
    pub seed: u64,
    /// Output positions that are looked at per sample and layer.
    pub positions: usize,
    /// Told the number of samples done; answers whether to go on.
    pub progress: &'a dyn Fn(usize) -> bool,
}

impl Calibration<'_> {
    /// Positions per sample and layer unless told otherwise: He et al. and Luo et al. take 10.
    pub const POSITIONS: usize = 10;
}
