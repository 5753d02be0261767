//! What comes out, and how it is put in place.

use std::path::Path;
use std::time::Instant;

use super::Error;
use crate::job::{Job, Stage};
use crate::onnx::{self, Maps, Model, Staged};
use crate::planning::Plan;
use crate::report::Report;

/// A pruned model, and all there is to tell of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pruned {
    /// The model.
    pub model: Model,
    /// Which channels it has of the original's.
    pub plan: Plan,
    /// The report; with it, the run can be repeated.
    pub report: Report,
    /// What could not be verified, where the request is strict about that.
    pub unverified: Option<String>,
}

impl Pruned {
    /// Whether it is what was asked for: the target is reached and, where the request is strict, all of it verified.
    pub fn is_as_asked(&self) -> bool {
        self.report.missed.is_none() && self.unverified.is_none()
    }

    /// Writes the model, whole or not at all. Gives the bytes written.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> onnx::Result<u64> {
        self.model.save(path)
    }
}

/// A pruned model whose file lies staged beside its target. Dropping it removes that file.
#[derive(Debug)]
pub struct Prepared {
    pub(super) pruned: Pruned,
    pub(super) staged: Option<Staged>,
    /// What the original was read from.
    pub(super) maps: Maps,
    pub(super) force: bool,
}

/// What became of a pruned model.
#[derive(Debug)]
pub struct Outcome {
    /// The model, its plan and its report.
    pub pruned: Pruned,
    /// Whether it was put in place.
    pub written: bool,
}

impl Prepared {
    /// The model, its plan and its report.
    pub fn pruned(&self) -> &Pruned {
        &self.pruned
    }

    /// Puts the staged file in place: if it is as asked or the request forces it, and if what was read is still as it
    /// was. Nothing else is ever put in place, and the target is whole at any time.
    ///
    /// # Errors
    /// When files that were read have changed, or the disk refuses; then the target is what it was.
    pub fn commit(self, job: Job) -> Result<Outcome, Error> {
        let Prepared { mut pruned, staged, maps, force } = self;
        let Some(staged) = staged else { return Ok(Outcome { pruned, written: false }) };
        job.stage(Stage::Commit)?;
        let clock = Instant::now();
        // What was read while it changed is of no file that there ever was.
        maps.unchanged()?;
        let written = force || pruned.is_as_asked();
        if written {
            staged.commit()?;
        }
        pruned.report.seconds.write += clock.elapsed().as_secs_f64();
        Ok(Outcome { pruned, written })
    }
}
