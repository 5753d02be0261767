//! What all steps of a run share.

use std::collections::HashSet;

use super::PruneRequest;
use crate::job::Job;
use crate::report::Timings;
use crate::runtime::OnDemand;

/// What is asked, what runs models, and who is told: handed down to every step.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// What to do.
    pub request: &'a PruneRequest,
    /// The one runtime of the whole run.
    pub runtime: &'a OnDemand,
    /// Who is told, and what stops the run.
    pub job: Job<'a>,
}

impl Context<'_> {
    /// The same for a step within a step: it tells nothing.
    pub fn quiet(self) -> Self {
        Context { job: self.job.quiet(), ..self }
    }
}

/// What a run writes down on its way.
#[derive(Default)]
pub(super) struct Ledger {
    /// Seconds by stage.
    pub seconds: Timings,
    /// What the user should know, in the order in which it was found; some of it twice.
    pub warnings: Vec<String>,
    told: usize,
}

impl Ledger {
    /// Begins with these warnings.
    pub fn new(warnings: Vec<String>) -> Self {
        Ledger { warnings, ..Ledger::default() }
    }

    /// Tells the warnings that were not told yet.
    pub fn tell(&mut self, job: Job) {
        for (i, text) in self.warnings.iter().enumerate().skip(self.told) {
            if !self.warnings[..i].contains(text) {
                job.warn(text);
            }
        }
        self.told = self.warnings.len();
    }

    /// The first of each warning.
    pub fn distinct(self) -> Vec<String> {
        let mut seen = HashSet::new();
        self.warnings.into_iter().filter(|w| seen.insert(w.clone())).collect()
    }
}
