//! Data without right answers: only predictions are told.

use super::classify::predictions;
use super::judge::{Answers, Judge};
use super::{Progress, Request, Result};
use crate::metrics::Scores;
use crate::report::EvaluatedModel;

pub(super) struct Unlabelled {
    names: Vec<String>,
    output: Option<String>,
}

impl Unlabelled {
    pub fn new(classes: &[String], request: &Request) -> Self {
        Unlabelled { names: classes.to_vec(), output: request.output.clone() }
    }
}

impl Judge for Unlabelled {
    fn task(&self) -> &'static str {
        "nothing"
    }

    fn add(&mut self, answers: &Answers, progress: &mut dyn Progress) -> Result<()> {
        // What is no classifier has nothing to say here.
        match answers.output(self.output.as_deref(), Scores::of) {
            Ok(scores) => predictions(answers, &scores, &self.names, progress),
            Err(_) => Ok(()),
        }
    }

    fn finish(self: Box<Self>, _: &mut EvaluatedModel, _: &mut dyn FnMut(String)) {}
}
