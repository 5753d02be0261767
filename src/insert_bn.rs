//! The whole job of putting batch normalisations back: analyse, look at activations, insert, compare, write.

use std::path::Path;
use std::sync::Arc;

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

/// A model with the normalisations that were inserted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inserted {
    /// The model.
    pub model: Model,
    /// Normalisations inserted.
    pub layers: usize,
    /// Largest difference of any output on the data, as a share of the largest output.
    pub difference: f64,
    /// Samples that were looked at.
    pub samples: usize,
}

impl Inserted {
    /// Writes the model, whole or not at all, if what the original was read from is still as it was. Gives what the
    /// user should know of files beside it.
    ///
    /// # Errors
    /// When a file has changed or the model cannot be written; then what was there before is still there.
    pub fn save(&self, path: &Path) -> Result<Vec<String>, Error> {
        let staged = save::stage(&self.model, path, &SaveOptions::default())?;
        self.model.maps.unchanged()?;
        let notes = staged.notes().to_vec();
        staged.commit()?;
        Ok(notes)
    }
}

/// Gives a model that gives what `model` gives and has a batch normalisation after each layer that writes prunable
/// channels.
///
/// # Errors
/// When there is nothing to insert, the data or the runtime fails, the results differ, or the job is to stop.
pub fn insert_bn(model: impl Into<Arc<Model>>, shapes: &Shapes, calibration: &Calibration) -> Result<Inserted, Error> {
    let model = model.into();
    calibration.job.stage(Stage::Calibrate).map_err(statistics::Error::from)?;
    let a = Analysis::new(Arc::clone(&model), shapes)?;
    let (proto, layers) = rewriting::insert_batch_norm(&a, calibration)?;
    if layers == 0 {
        return Err(Error::Nothing);
    }
    let (external, unknown, maps) = (model.external.clone(), model.unknown.clone(), model.maps.clone());
    let new = Model { proto, external, unknown, maps, ..Model::default() };
    let (difference, samples) = compare(&model, &new, calibration)?;
    Ok(Inserted { model: new, layers, difference, samples })
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
