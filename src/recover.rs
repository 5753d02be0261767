//! Accuracy won back from data without training: least squares and statistics of batch normalisations.

use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::data::Target;
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

/// Share of the samples with a class whose largest value in the first output is that class; `None` where there is
/// nothing to count.
pub fn accuracy(model: &Model, calibration: &Calibration) -> statistics::Result<Option<f64>> {
    let (mut right, mut total) = (0usize, 0usize);
    Tap::open(model, calibration)?.run(&mut |batch, outputs, _| {
        // A batch of fixed size may hold more rows than samples.
        let Some((rows, scores)) = outputs.first().and_then(|(_, t)| Some((*t.shape().first()?, t))) else {
            return Ok(());
        };
        let values = scores.to_f64_vec();
        let classes = if rows >= batch.len() { values.len() / rows.max(1) } else { 0 };
        for (row, target) in values.chunks_exact(classes.max(1)).zip(&batch.targets) {
            if let Target::Class(c) = target {
                let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
                right += usize::from(best.is_some_and(|(i, _)| i == *c));
                total += 1;
            }
        }
        Ok(())
    })?;
    Ok((total > 0).then(|| right as f64 / total as f64))
}
