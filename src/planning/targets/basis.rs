//! What figures are taken of.

use crate::analysis::Analysis;

/// Predicts how long a model with some channel counts runs.
pub trait Latency: Sync {
    /// Milliseconds of a run with one channel count per group.
    fn milliseconds(&self, counts: &[usize]) -> f64;
}

/// A model, and what is known of it beside its channel counts.
pub struct Basis<'a> {
    /// The model.
    pub analysis: &'a Analysis,
    /// Channel counts with nothing removed.
    pub full: Vec<usize>,
    /// Channels that a ratio is a share of.
    pub channels: usize,
    /// Bytes that the file takes beside weights.
    pub fixed_bytes: f64,
    /// Predicts latency, where a target asks for that.
    pub latency: Option<&'a dyn Latency>,
}

impl<'a> Basis<'a> {
    /// A model of which nothing else is known; ratios are shares of all its channels.
    pub fn new(analysis: &'a Analysis) -> Self {
        let full = analysis.full_counts();
        let channels = full.iter().sum();
        Basis { analysis, full, channels, fixed_bytes: 0.0, latency: None }
    }
}
