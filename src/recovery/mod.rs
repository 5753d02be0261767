//! Accuracy won back from data without training: least squares and statistics of batch normalisations.

pub mod samples;
pub mod segments;
pub mod store;


use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::data::Target;
use crate::metrics::{Metric, Scores, TopK};
use crate::onnx::Model;
use crate::report::Recovery;
use crate::rewriting;
use crate::statistics::{self, Calibration, Tap};

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Means {
    /// Solve the least squares of layers that read groups that shrank.
    pub refit: bool,
    /// Estimate the statistics of batch normalisations again.
    pub recalibrate: bool,
}

impl Means {
    /// Whether anything is asked for.
    pub fn any(self) -> bool {
        self.refit || self.recalibrate
    }
}

/// Changes the values of weights of a pruned model, no shape; tells the accuracy on the same data along the way.
///
/// # Errors
/// When the data or the runtime fails.
pub fn recover(
    a: &Analysis,
    kept: &Kept,
    pruned: &mut Model,
    means: Means,
    calibration: &Calibration,
) -> rewriting::Result<Recovery> {
    let mut out = Recovery {
        original: accuracy(a.graph.model, calibration)?,
        pruned: accuracy(pruned, calibration)?,
        ..Recovery::default()
    };
    if means.refit {
        let done = rewriting::refit(a, kept, &mut pruned.proto, calibration)?;
        (out.layers, out.layers_left) = (Some(done.layers), done.left);
        out.refitted = accuracy(pruned, calibration)?;
    }
    if means.recalibrate {
        let external = pruned.external.clone();
        out.normalizations = Some(rewriting::recalibrate(&mut pruned.proto, external.as_ref(), calibration)?);
        out.recalibrated = accuracy(pruned, calibration)?;
    }
    Ok(out)
}

/// Share of right answers in the first output, of the samples with a class; `None` where there is nothing to count.
///
/// # Errors
/// When the data or the runtime fails.
pub fn accuracy(model: &Model, calibration: &Calibration) -> statistics::Result<Option<f64>> {
    let mut top = TopK::<1>::default();
    Tap::open(model, calibration)?.run(&mut |batch, outputs, _| {
        let scores = outputs.first().and_then(|(_, output)| Scores::of(&output.to_tensor().ok()?).ok());
        // What fills a batch of fixed size up has rows too, and other outputs have other rows than samples.
        if let Some(scores) = scores.filter(|s| s.rows().len() >= batch.len()) {
            for (row, target) in scores.rows().zip(&batch.targets) {
                if let Target::Class(class) = target {
                    top.see(row, *class);
                }
            }
        }
        Ok(())
    })?;
    Ok(top.figure().value)
}
