//! Data without labels: only predictions are told.

use super::Result;
use super::classify::told;
use super::task::{Answers, Findings, Predictions, ReportedTask, TaskEvaluator, TaskOptions};
use crate::metrics::Scores;
use crate::report::Task;

pub(super) struct Unlabelled {
    names: Vec<String>,
    output: Option<String>,
}

impl Unlabelled {
    pub fn new(classes: &[String], options: &TaskOptions) -> Self {
        Unlabelled { names: classes.to_vec(), output: options.output.clone() }
    }
}

impl TaskEvaluator for Unlabelled {
    fn add(&mut self, answers: &Answers, predictions: &mut dyn Predictions) -> Result<()> {
        // What is no classifier has nothing to say here.
        match answers.output(self.output.as_deref(), Scores::of) {
            Ok(scores) => told(answers, &scores, &self.names, predictions),
            Err(_) => Ok(()),
        }
    }
}

impl ReportedTask for Unlabelled {
    fn task(&self) -> Task {
        Task::Nothing
    }

    fn finish(self: Box<Self>) -> Findings {
        Findings::default()
    }
}
