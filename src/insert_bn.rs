//! The whole job of putting batch normalisations back: analyse, look at activations, insert, compare, write.

use std::path::Path;

use crate::analysis::{self, Analysis, Shapes};
use crate::evaluation::{self, Answers, Evaluator, Predictions, TaskEvaluator};
use crate::job::Stage;
use crate::onnx::{self, Model, SaveOptions, save};
use crate::rewriting;
use crate::runtime::{self, Session, run_samples};
use crate::statistics::{self, Calibration};

/// Largest difference allowed between the outputs with and without, as a share of the largest output.
const TOLERANCE: f64 = 1e-3;

/// Why it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model or the output file.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    /// The analysis.
    #[error(transparent)]
    Analysis(#[from] analysis::Error),
    /// The surgery, the runtime or the data.
    #[error(transparent)]
    Rewriting(#[from] rewriting::Error),
    /// No layer can take one.
    #[error("no layer that writes prunable channels lacks a batch normalisation")]
    Nothing,
    /// The result is not the same function.
    #[error(
        "output '{output}' differs from the original's by {difference:.1e} of its largest value: nothing was written"
    )]
    Differs {
        /// The output.
        output: String,
        /// The difference.
        difference: f64,
    },
}

impl From<statistics::Error> for Error {
    fn from(e: statistics::Error) -> Self {
        Error::Rewriting(e.into())
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Inserted {
    /// Normalisations inserted.
    pub layers: usize,
    /// Largest difference of any output on the data, as a share of the largest output.
    pub difference: f64,
    /// Samples that were looked at.
    pub samples: usize,
    /// What the user should know of files beside the new model.
    pub notes: Vec<String>,
}

/// Writes a model that gives what `model` gives and has a batch normalisation after each layer that writes prunable
/// channels; without `output` nothing is written.
///
/// # Errors
/// When there is nothing to insert, the data or the runtime fails, or the results differ: then nothing is written.
pub fn insert_bn(
    model: &Model,
    shapes: &Shapes,
    calibration: &Calibration,
    output: Option<&Path>,
) -> Result<Inserted, Error> {
    if let Some(path) = output {
        onnx::check_place(path)?;
    }
    calibration.job.stage(Stage::Calibrate).map_err(statistics::Error::from)?;
    let a = Analysis::new(model, shapes)?;
    let (proto, layers) = rewriting::insert_batch_norm(&a, calibration)?;
    if layers == 0 {
        return Err(Error::Nothing);
    }
    let (external, unknown, maps) = (model.external.clone(), model.unknown.clone(), model.maps.clone());
    let new = Model { proto, external, unknown, maps, ..Model::default() };
    let (difference, samples) = compare(model, &new, calibration)?;
    let mut notes = Vec::new();
    if let Some(path) = output {
        let staged = save::stage(&new, path, &SaveOptions::default())?;
        model.maps.unchanged()?;
        notes = staged.notes().to_vec();
        staged.commit()?;
    }
    Ok(Inserted { layers, difference, samples, notes })
}

/// Largest relative difference of the outputs on all samples, and the number of samples.
fn compare(before: &Model, after: &Model, calibration: &Calibration) -> Result<(f64, usize), Error> {
    let original = runtime::open_model(calibration.runtime, before.clone(), &calibration.session)
        .map_err(|e| Error::Rewriting(e.into()))?;
    let mut found = Differs { original, worst: 0.0, first: None };
    let seen = Evaluator::from(calibration).run(after, &mut found).map_err(statistics::Error::from)?;
    match found.first {
        Some((output, difference)) => Err(Error::Differs { output, difference }),
        None => Ok((found.worst, seen.samples)),
    }
}

/// Compares with what another model gives.
struct Differs {
    original: Box<dyn Session>,
    /// Largest difference, as a share of the largest element of its output.
    worst: f64,
    /// The first output that differs by more than it may.
    first: Option<(String, f64)>,
}

impl TaskEvaluator for Differs {
    fn add(&mut self, answers: &Answers, _: &mut dyn Predictions) -> evaluation::Result<()> {
        let expected = run_samples(&mut *self.original, &answers.batch.inputs)?;
        for ((name, expected), (_, got)) in expected.iter().zip(answers.outputs) {
            let difference = expected.max_abs_diff(got)? / expected.max_abs().max(1e-12);
            if difference.is_nan() || difference > TOLERANCE {
                self.first.get_or_insert_with(|| (name.clone(), difference));
            }
            self.worst = self.worst.max(difference);
        }
        Ok(())
    }
}
