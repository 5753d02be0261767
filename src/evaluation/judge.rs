//! What kind of answers the data asks for.

use super::classify::Classify;
use super::detect::Detect;
use super::outputs::Expected;
use super::unlabelled::Unlabelled;
use super::{Error, Progress, Request, Result};
use crate::data::{Batch, Target};
use crate::report::EvaluatedModel;
use crate::runtime::Tensor;

/// What a model said about a batch.
pub(super) struct Answers<'a> {
    /// File name of the model.
    pub model: &'a str,
    /// The batch.
    pub batch: &'a Batch,
    /// The model's outputs.
    pub outputs: &'a [(String, Tensor)],
}

/// Judges the answers of one model.
pub(super) trait Judge {
    /// What is judged, as reports call it.
    fn task(&self) -> &'static str;

    /// Adds a batch.
    fn add(&mut self, answers: &Answers, progress: &mut dyn Progress) -> Result<()>;

    /// Writes the figures down.
    fn finish(self: Box<Self>, report: &mut EvaluatedModel, warn: &mut dyn FnMut(String));
}

/// The judge for what the first batch has as right answers.
pub(super) fn of(batch: &Batch, classes: &[String], request: &Request) -> Result<Box<dyn Judge>> {
    Ok(match batch.targets.first().ok_or(Error::Empty)? {
        Target::Class(_) => Box::new(Classify::new(classes, request)),
        Target::Boxes(_) => Box::new(Detect::new(classes, request)),
        Target::Outputs(_) => Box::new(Expected::default()),
        Target::Unknown => Box::new(Unlabelled::new(classes, request)),
    })
}

impl Answers<'_> {
    /// An error about the model.
    pub fn unfit(&self, why: String) -> Error {
        Error::Unfit { model: self.model.to_owned(), why }
    }

    /// An error of a metric.
    pub fn judge(&self, source: crate::metrics::Error) -> Error {
        Error::Judge { model: self.model.to_owned(), source }
    }

    /// An error about a sample whose right answer is of another kind than the first's.
    pub fn sample(&self, i: usize, why: &str) -> Error {
        let sample = self.batch.names.get(i).cloned().unwrap_or_else(|| format!("{i} of its batch"));
        Error::Sample { sample, why: why.to_owned() }
    }

    /// The output that is judged: the one asked for, or the first that `fits`.
    pub fn output<T>(
        &self,
        wanted: Option<&str>,
        fits: impl Fn(&Tensor) -> Result<T, crate::metrics::Error>,
    ) -> Result<T> {
        if let Some(wanted) = wanted {
            let found = self.outputs.iter().find(|(name, _)| name == wanted);
            let names = || self.outputs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let (_, tensor) = found.ok_or_else(|| self.unfit(format!("no output `{wanted}`; it has: {}", names())))?;
            return fits(tensor).map_err(|e| self.judge(e));
        }
        let mut first = None;
        for (_, tensor) in self.outputs {
            match fits(tensor) {
                Ok(found) => return Ok(found),
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.map_or_else(|| self.unfit("it has no output".to_owned()), |e| self.judge(e)))
    }
}

/// Name of a class, or its number.
pub(super) fn class_name(classes: &[String], class: usize) -> String {
    classes.get(class).cloned().unwrap_or_else(|| class.to_string())
}
