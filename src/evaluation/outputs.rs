//! Data that says what the outputs ought to be.

use super::Result;
use super::task::{Answers, Findings, Predictions, ReportedTask, TaskEvaluator};
use crate::data::Label;
use crate::metrics::Agreement;
use crate::report::Task;

#[derive(Default)]
pub(super) struct Expected {
    found: Agreement,
}

impl TaskEvaluator for Expected {
    fn add(&mut self, answers: &Answers, _: &mut dyn Predictions) -> Result<()> {
        for (i, target) in answers.batch.targets.iter().enumerate() {
            let Label::Outputs(expected) = target else {
                return Err(answers.sample(i, "has no outputs to compare with, as others have"));
            };
            let own = |(name, tensor): &(String, crate::runtime::Tensor)| Ok((name.clone(), tensor.rows(i..i + 1)?));
            let outputs = answers.outputs.iter().map(own).collect::<Result<Vec<_>>>()?;
            self.found.add(&outputs, expected).map_err(|e| answers.metric(e))?;
        }
        Ok(())
    }
}

impl ReportedTask for Expected {
    fn task(&self) -> Task {
        Task::Outputs
    }

    fn finish(self: Box<Self>) -> Findings {
        let figures = self.found.figures().into_iter().map(Into::into).collect();
        Findings { figures, ..Findings::default() }
    }
}
