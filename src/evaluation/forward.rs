//! The one loop over data that everything goes through that tells how good a model is.

use super::task::{self, Answers, Findings, NoPredictions, Predictions, ReportedTask, TaskEvaluator, TaskOptions};
use super::{Error, Result, answered};
use crate::data::{Batch, BatchSource, LeftOut};
use crate::job::{Job, Unit};
use crate::onnx::Model;
use crate::report::Task;
use crate::runtime::{self, IoInfo, Runtime, SessionOptions, run_samples};
use crate::statistics::Calibration;

/// What a pass over the data came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Samples that were used.
    pub samples: usize,
    /// Samples that could not be.
    pub left_out: Vec<LeftOut>,
}

/// Shows every batch that holds a sample, for models with these inputs; the job is told how many samples are done.
///
/// # Errors
/// When the data fails or holds no sample, the job is to stop, or `visit` fails.
pub fn each_batch(
    source: &dyn BatchSource,
    inputs: &[IoInfo],
    job: Job,
    visit: &mut dyn FnMut(&Batch) -> Result<()>,
) -> Result<Seen> {
    let total = source.count();
    let mut samples = 0;
    let mut pass = source.pass(inputs).map_err(Error::data)?;
    for batch in pass.by_ref() {
        let batch = batch.map_err(Error::data)?;
        if batch.is_empty() {
            continue;
        }
        visit(&batch)?;
        samples += batch.len();
        job.progress(samples, total, Unit::Samples)?;
    }
    if samples == 0 {
        return Err(Error::Empty);
    }
    Ok(Seen { samples, left_out: pass.left_out() })
}

/// Data, and the means to evaluate models in memory on it; as often as wanted, such as after every epoch of a training.
#[derive(Clone)]
pub struct Evaluator<'a> {
    /// The data.
    pub source: &'a dyn BatchSource,
    /// What runs models.
    pub runtime: &'a dyn Runtime,
    /// How they run.
    pub session: SessionOptions,
    /// Is told how many samples are done.
    pub job: Job<'a>,
}

impl<'a> From<&Calibration<'a>> for Evaluator<'a> {
    fn from(c: &Calibration<'a>) -> Self {
        Evaluator { source: c.source, runtime: c.runtime, session: c.session.clone(), job: c.job }
    }
}

impl Evaluator<'_> {
    /// Runs a model on all samples and has `task` look at what it gives.
    ///
    /// # Errors
    /// When the data or the runtime fails, the job is to stop, or the answers do not fit the task.
    pub fn run(&self, model: &Model, task: &mut dyn TaskEvaluator) -> Result<Seen> {
        let mut session = runtime::open_model(self.runtime, model.clone(), &self.session)?;
        let inputs = session.inputs().to_vec();
        let name = model.path.as_deref().map_or_else(|| "the model".to_owned(), super::subject::file_name);
        each_batch(self.source, &inputs, self.job, &mut |batch| {
            let outputs = run_samples(&mut *session, &batch.inputs)?;
            task.add(&Answers { model: &name, batch, outputs: &outputs }, &mut NoPredictions)
        })
    }

    /// Runs a model on all samples and tells how good it is at what their labels ask for.
    ///
    /// # Errors
    /// When the data or the runtime fails, the job is to stop, or model and data do not fit together.
    pub fn evaluate(&self, model: &Model, options: &TaskOptions) -> Result<Evaluated> {
        let mut classes = self.source.classes().to_vec();
        if classes.is_empty() {
            classes.clone_from(&options.class_names);
        }
        let mut whole = Chosen { classes: &classes, options, task: None };
        let seen = self.run(model, &mut whole)?;
        let task = whole.task.ok_or(Error::Empty)?;
        Ok(Evaluated { task: task.task(), seen, findings: task.finish() })
    }
}

/// How good a model is at one task.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The task that the labels ask for.
    pub task: Task,
    /// The samples.
    pub seen: Seen,
    /// Figures.
    pub findings: Findings,
}

/// The task that the first batch asks for.
struct Chosen<'a> {
    classes: &'a [String],
    options: &'a TaskOptions,
    task: Option<Box<dyn ReportedTask>>,
}

impl TaskEvaluator for Chosen<'_> {
    fn add(&mut self, answers: &Answers, predictions: &mut dyn Predictions) -> Result<()> {
        let task = match &mut self.task {
            Some(task) => task,
            none => none.insert(task::of(answers.batch, self.classes, self.options)?),
        };
        let outputs = answered(answers.outputs.to_vec(), answers.batch.len())?;
        task.add(&Answers { outputs: &outputs, ..*answers }, predictions)
    }
}
