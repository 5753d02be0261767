//! Accuracy won back from data without training.
//!
//! Both networks run side by side over calibration samples, in pieces ([`segments`]), and each layer of the pruned one
//! is solved against what the original gives ([`mod@refit`]). Statistics of batch normalisations can be moved by what
//! pruning did to them, too. What comes of it is told on samples that were not solved with, where there are enough.

pub mod costs;
pub mod drawn;
mod flow;
mod quality;
pub mod refit;
pub mod samples;
pub mod segments;
mod solve;
pub mod store;
mod write;

use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::onnx::Model;
use crate::report::Recovery;
use crate::rewriting;
use crate::statistics::{self, Calibration};

use quality::{Outputs, likeness, loss, outputs};
use refit::{Options, Refitted, floats, refit};
use samples::Samples;
use segments::{Network, Runner};

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Means {
    /// Solve the least squares of layers whose inputs have changed.
    pub refit: bool,
    /// Move the statistics of batch normalisations by what pruning did to them.
    pub recalibrate: bool,
}

impl Means {
    /// Whether anything is asked for.
    pub fn any(self) -> bool {
        self.refit || self.recalibrate
    }
}

/// Changes the values of weights of a pruned model, no shape; tells how far it gives what the original gives, along
/// the way. Least squares that made that worse are undone. The job is told how many layers of how many are done.
///
/// # Errors
/// When the data or the runtime fails.
pub fn recover(
    a: &Analysis,
    kept: &Kept,
    pruned: &mut Model,
    means: Means,
    samples: &Samples,
    calibration: &Calibration,
) -> rewriting::Result<Recovery> {
    let runner = Runner { runtime: calibration.runtime, session: &calibration.session, job: calibration.job };
    let batches = samples.told();
    let from = batches.start;
    let run = |model: &Model| -> statistics::Result<Vec<Outputs>> {
        outputs(&mut Network::new(model, samples, batches.clone(), runner), samples, batches.clone())
    };
    let mut out = Recovery {
        stand_in: samples.stand_in,
        samples: samples.count(batches.clone()),
        held_out: samples.has_aside(),
        ..Recovery::default()
    };
    let before = run(pruned)?;
    let original = if means.refit {
        let options = Options::new(calibration.seed);
        let weights = pruned.proto.clone();
        let mut walked = refit(a, kept, pruned, samples, runner, options)?;
        let original = outputs(&mut walked.original, samples, batches.clone())?;
        let refitted = outputs(&mut walked.pruned, samples, batches.clone())?;
        let Refitted { layers, left } = walked.refitted;
        out.refitted = likeness(&refitted, &original, samples, from)?;
        // Too few samples can make things worse.
        if loss(&refitted, &original) <= loss(&before, &original) {
            (out.layers, out.layers_left) = (Some(layers), left);
        } else {
            (out.layers, out.layers_left) = (Some(0), layers + left);
            pruned.proto = weights;
        }
        original
    } else {
        run(&a.graph.model)?
    };
    out.original = likeness(&original, &original, samples, from)?.and_then(|l| l.accuracy);
    out.pruned = likeness(&before, &original, samples, from)?;
    if means.recalibrate {
        let external = pruned.external.clone();
        let part = samples.part(samples.solved());
        let calibration = Calibration { source: &part, session: calibration.session.clone(), ..*calibration };
        out.normalizations = Some(rewriting::recalibrate(a, kept, &mut pruned.proto, external.as_ref(), &calibration)?);
        out.recalibrated = likeness(&run(pruned)?, &original, samples, from)?;
    }
    Ok(out)
}

/// Refits a pruned model and tells what it has lost on the samples that results are told of.
///
/// # Errors
/// When the data or the runtime fails.
pub fn trial(
    a: &Analysis,
    kept: &Kept,
    pruned: &mut Model,
    samples: &Samples,
    calibration: &Calibration,
    options: Options,
) -> rewriting::Result<f64> {
    let runner = Runner { runtime: calibration.runtime, session: &calibration.session, job: calibration.job.quiet() };
    let mut walked = refit(a, kept, pruned, samples, runner, options)?;
    let told = samples.told().start..walked.original.batches().end;
    let original = outputs(&mut walked.original, samples, told.clone())?;
    Ok(loss(&outputs(&mut walked.pruned, samples, told)?, &original))
}
