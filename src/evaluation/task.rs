//! What is asked of a model's outputs.

use super::classify::Classify;
use super::detect::Detect;
use super::outputs::Expected;
use super::unlabelled::Unlabelled;
use super::{Error, Result};
use crate::data::{Batch, Label};
use crate::metrics::detection::DecodeOptions;
use crate::metrics::{self, Confusion};
use crate::report::{ClassRow, FigureRow, Prediction, Task};
use crate::runtime::Tensor;

/// What a model gives for a batch.
pub struct Answers<'a> {
    /// File name of the model.
    pub model: &'a str,
    /// The batch.
    pub batch: &'a Batch,
    /// The model's outputs, in the order of its graph. Rows behind the batch's samples belong to copies that fill up a
    /// batch of fixed size.
    pub outputs: &'a [(String, Tensor)],
}

/// Evaluates the answers of one model for one task: batch after batch, in the order of the data.
pub trait TaskEvaluator {
    /// Adds a batch.
    ///
    /// # Errors
    /// When the answers, or what the data says of the samples, do not fit the task.
    fn add(&mut self, answers: &Answers, predictions: &mut dyn Predictions) -> Result<()>;
}

/// A task that reports know.
pub(super) trait ReportedTask: TaskEvaluator {
    /// What reports call it.
    fn task(&self) -> Task;

    /// What all batches came to.
    fn finish(self: Box<Self>) -> Findings;
}

/// What is asked of a model's outputs, beyond what the labels tell.
#[derive(Clone, Debug, Default)]
pub struct TaskOptions {
    /// The output that is evaluated; else the first that fits.
    pub output: Option<String>,
    /// Names of classes, where the data has none.
    pub class_names: Vec<String>,
    /// What becomes a detection.
    pub decode: DecodeOptions,
}

/// What an evaluation of one model came to.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How good the model is.
    pub figures: Vec<FigureRow>,
    /// The figures of each class.
    pub classes: Vec<ClassRow>,
    /// Which classes are taken for which, of a classifier.
    pub confusion: Option<Confusion>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Findings {
    /// The value of the figure of this name, if there is one.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|f| f.name == name)?.value
    }
}

/// Takes what models say about single samples.
pub trait Predictions {
    /// What a model says about a sample; it is made only where it is asked for.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn prediction(&mut self, tell: &dyn Fn() -> Prediction) -> std::io::Result<()>;
}

/// Nobody asks for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPredictions;

impl Predictions for NoPredictions {
    fn prediction(&mut self, _: &dyn Fn() -> Prediction) -> std::io::Result<()> {
        Ok(())
    }
}

/// The evaluator for what the first batch has as labels.
pub(super) fn of(batch: &Batch, classes: &[String], options: &TaskOptions) -> Result<Box<dyn ReportedTask>> {
    Ok(match batch.targets.first().ok_or(Error::Empty)? {
        Label::Class(_) => Box::new(Classify::new(classes, options)),
        Label::Boxes(_) => Box::new(Detect::new(classes, options)),
        Label::Outputs(_) => Box::new(Expected::default()),
        Label::Unknown => Box::new(Unlabelled::new(classes, options)),
    })
}

impl Answers<'_> {
    /// An error about the model.
    pub fn unfit(&self, why: String) -> Error {
        Error::Unfit { model: self.model.to_owned(), why }
    }

    /// An error of a metric.
    pub fn metric(&self, source: metrics::Error) -> Error {
        Error::Metric { model: self.model.to_owned(), source }
    }

    /// An error about a sample whose label is of another kind than the first's.
    pub fn sample(&self, i: usize, why: &str) -> Error {
        let sample = self.batch.names.get(i).cloned().unwrap_or_else(|| format!("{i} of its batch"));
        Error::Sample { sample, why: why.to_owned() }
    }

    /// The output that is evaluated: the one asked for, or the first that `fits`.
    ///
    /// # Errors
    /// When there is no such output, or it does not fit.
    pub fn output<T>(&self, wanted: Option<&str>, fits: impl Fn(&Tensor) -> metrics::Result<T>) -> Result<T> {
        if let Some(wanted) = wanted {
            let found = self.outputs.iter().find(|(name, _)| name == wanted);
            let names = || self.outputs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let (_, tensor) = found.ok_or_else(|| self.unfit(format!("no output `{wanted}`; it has: {}", names())))?;
            return fits(tensor).map_err(|e| self.metric(e));
        }
        let mut first = None;
        for (_, tensor) in self.outputs {
            match fits(tensor) {
                Ok(found) => return Ok(found),
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.map_or_else(|| self.unfit("it has no output".to_owned()), |e| self.metric(e)))
    }
}

/// Name of a class, or its number.
pub(super) fn class_name(classes: &[String], class: usize) -> String {
    classes.get(class).cloned().unwrap_or_else(|| class.to_string())
}
