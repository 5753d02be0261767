//! The share of samples with the right class: what recovery and sensitivity go by.

use super::Result;
use super::task::{Answers, Predictions, TaskEvaluator};
use crate::data::Label;
use crate::metrics::{Metric, Scores, TopK};

/// Top-1 accuracy of the first output, of the samples that have a class; lenient about all else.
#[derive(Debug, Default)]
pub struct Accuracy(TopK<1>);

impl Accuracy {
    /// Adds scores for samples. What fills a batch of fixed size up has rows, too; an output with fewer rows than
    /// samples has rows of something else, and is passed over.
    pub fn see(&mut self, scores: &Scores, targets: &[Label]) {
        for (row, target) in scores.rows().zip(targets).filter(|_| scores.rows().len() >= targets.len()) {
            if let Label::Class(class) = target {
                self.0.see(row, *class);
            }
        }
    }

    /// The share, from 0 to 1; `None` where there was nothing to count.
    pub fn value(&self) -> Option<f64> {
        self.0.figure().value
    }
}

impl TaskEvaluator for Accuracy {
    fn add(&mut self, answers: &Answers, _: &mut dyn Predictions) -> Result<()> {
        if let Some(scores) = answers.outputs.first().and_then(|(_, output)| Scores::of(output).ok()) {
            self.see(&scores, &answers.batch.targets);
        }
        Ok(())
    }
}
