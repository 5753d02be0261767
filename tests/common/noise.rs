//! Calibration data out of a random number generator, for models of any inputs.

use onnx_prune::data::{Batch, Target};
use onnx_prune::runtime::{IoInfo, random_inputs};
use onnx_prune::statistics::{Batches, Source, SourceError};

/// Some batches of two samples.
pub struct Noise(pub usize);

impl Source for Noise {
    fn batches(&self, inputs: &[IoInfo]) -> Result<Batches<'_>, SourceError> {
        let inputs = inputs.to_vec();
        Ok(Box::new((0..self.0).map(move |k| {
            let free = |_: &IoInfo, axis: usize, _: Option<&str>| if axis == 0 { 2 } else { 16 };
            let inputs = random_inputs(&inputs, &free, 1000 * k as u64, 0..2)?;
            let samples = inputs.first().and_then(|(_, t)| t.shape().first().copied()).unwrap_or(1);
            let targets = (0..samples).map(|i| Target::Class((i + k) % 2)).collect();
            Ok(Batch { inputs, targets, names: (0..samples).map(|i| format!("{k}.{i}")).collect(), frames: Vec::new() })
        })))
    }
}
