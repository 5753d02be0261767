//! Evaluating classifiers.

use super::task::{Answers, Findings, Predictions, ReportedTask, TaskEvaluator, TaskOptions, class_name};
use super::{Error, Result};
use crate::data::Label;
use crate::metrics::{Classification, Scores};
use crate::report::{ClassRow, ClassScore, Prediction, Task};

/// Classes of a prediction.
const SHOWN: usize = 5;

pub(super) struct Classify {
    names: Vec<String>,
    output: Option<String>,
    found: Option<Classification>,
}

impl Classify {
    pub fn new(classes: &[String], options: &TaskOptions) -> Self {
        Classify { names: classes.to_vec(), output: options.output.clone(), found: None }
    }
}

impl TaskEvaluator for Classify {
    fn add(&mut self, answers: &Answers, predictions: &mut dyn Predictions) -> Result<()> {
        let scores = answers.output(self.output.as_deref(), Scores::of)?;
        let label = |(i, target): (usize, &Label)| match target {
            Label::Class(class) if *class < scores.classes() => Ok(*class),
            Label::Class(class) => {
                Err(answers.sample(i, &format!("is of class {class}, and the model knows {}", scores.classes())))
            }
            _ => Err(answers.sample(i, "has no class, as others have")),
        };
        let (model, data) = (scores.classes(), self.names.len());
        // Labels that are only numbers need not reach the last class.
        let named = self.names.iter().enumerate().any(|(i, name)| *name != i.to_string());
        if data > model || named && data < model {
            return Err(answers.unfit(format!("it tells {model} classes apart, the data has {data}")));
        }
        let labels = answers.batch.targets.iter().enumerate().map(label).collect::<Result<Vec<_>>>()?;
        let found = self.found.get_or_insert_with(|| Classification::new(scores.classes()));
        found.add(&scores, &labels).map_err(|e| answers.metric(e))?;
        told(answers, &scores, &self.names, predictions)
    }
}

impl ReportedTask for Classify {
    fn task(&self) -> Task {
        Task::Classification
    }

    fn finish(self: Box<Self>) -> Findings {
        let Some(found) = self.found else { return Findings::default() };
        let rows = found.confusion().per_class().into_iter().enumerate();
        let (bad, all) = (found.not_finite(), found.samples());
        let warning =
            || format!("{bad} of {all} samples got scores that are infinite or no numbers; they count as wrong");
        Findings {
            figures: found.figures().into_iter().map(Into::into).collect(),
            classes: rows.map(|(i, figures)| ClassRow::of(class_name(&self.names, i), &figures)).collect(),
            confusion: Some(found.confusion().clone()),
            warnings: (bad > 0).then(warning).into_iter().collect(),
        }
    }
}

/// Tells the likeliest classes of each sample.
pub(super) fn told(
    answers: &Answers,
    scores: &Scores,
    names: &[String],
    predictions: &mut dyn Predictions,
) -> Result<()> {
    let probabilities = scores.are_probabilities();
    for (row, sample) in scores.rows().zip(&answers.batch.names) {
        let tell = || Prediction {
            model: answers.model.to_owned(),
            sample: sample.clone(),
            classes: likeliest(row, probabilities)
                .into_iter()
                .map(|(class, score)| ClassScore { class: class_name(names, class), score })
                .collect(),
            boxes: None,
        };
        predictions.prediction(&tell).map_err(Error::Predictions)?;
    }
    Ok(())
}

fn likeliest(row: &[f64], probabilities: bool) -> Vec<(usize, f64)> {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - top).exp()).sum();
    let likely = |x: f64| if probabilities { x } else { (x - top).exp() / sum };
    let order = crate::metrics::ranking(row, SHOWN);
    order.into_iter().filter_map(|class| Some((class, likely(*row.get(class)?)))).collect()
}
