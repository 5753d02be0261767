//! Calibration data out of a random number generator, for models of any inputs.

use onnx_prune::data::{Batch, BatchSource, Label, Pass, SourceError};
use onnx_prune::runtime::{IoInfo, Tensor};

/// Some batches of two samples.
pub struct Noise(pub usize);

impl BatchSource for Noise {
    fn pass(&self, inputs: &[IoInfo]) -> Result<Pass<'_>, SourceError> {
        let inputs = inputs.to_vec();
        Ok(Pass::new((0..self.0).map(move |k| {
            let mut samples = 1;
            let mut given = Vec::new();
            for (i, info) in inputs.iter().enumerate() {
                // Images are 8 by 12 where the model leaves that open; without a rank it is one number.
                let free = |axis: usize, _: Option<&str>| [2, 16, 8, 12][axis.min(3)];
                let shape = info.shape(&free).unwrap_or_default();
                samples = shape.first().copied().unwrap_or(samples);
                given.push((info.name.clone(), Tensor::random(info.dtype, &shape, (1000 * k + i) as u64, 0..2)?));
            }
            let targets = (0..samples).map(|i| Label::Class((i + k) % 2)).collect();
            let names = (0..samples).map(|i| format!("{k}.{i}")).collect();
            Ok(Batch { inputs: given, targets, names, frames: Vec::new() })
        })))
    }
}
