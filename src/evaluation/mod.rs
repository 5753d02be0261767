//! How good models are: the whole job. Samples go through every model once; then each is timed alone.

mod accuracy;
mod classify;
mod detect;
mod error;
mod forward;
mod model;
mod outputs;
mod speed;
mod subject;
mod task;
mod unlabelled;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::analysis::Shapes;
use crate::data::{self, Batch, BatchSource};
use crate::hint::Hint;
use crate::job::{Job, Stage};
use crate::report::{EVALUATION_VERSION, EvaluatedData, EvaluationReport, Task};
use crate::runtime::{self, OnDemand, Runtime, Session, SessionOptions, Tensor, run_samples};

pub use accuracy::Accuracy;
pub use error::{Error, Result};
pub use forward::{Evaluated, Evaluator, Seen, each_batch};
pub use subject::Subject;
pub use task::{Answers, Findings, NoPredictions, Predictions, TaskEvaluator, TaskOptions};

use model::Candidate;
use task::ReportedTask;

/// What to do. [`EvaluationRequest::new`] fills everything in but the models.
#[derive(Clone, Debug)]
pub struct EvaluationRequest {
    /// The models.
    pub models: Vec<Subject>,
    /// A model whose outputs the others are compared with.
    pub against: Option<Subject>,
    /// What is asked of their outputs.
    pub task: TaskOptions,
    /// How to time the models; `None` does not.
    pub latency: Option<LatencyRequest>,
    /// The runtime of the whole evaluation.
    pub runtime: Arc<OnDemand>,
    /// Device and threads.
    pub session: SessionOptions,
    /// Sizes of open input dimensions.
    pub shapes: Shapes,
}

impl EvaluationRequest {
    /// These models, on the processor; they are not timed.
    pub fn new(models: impl IntoIterator<Item = impl Into<Subject>>) -> Self {
        EvaluationRequest {
            models: models.into_iter().map(Into::into).collect(),
            against: None,
            task: TaskOptions::default(),
            latency: None,
            runtime: Arc::default(),
            session: SessionOptions::default(),
            shapes: Shapes::new(),
        }
    }
}

/// How to time models.
#[derive(Clone, Debug)]
pub struct LatencyRequest {
    /// Samples in a run, each to be timed.
    pub batches: Vec<usize>,
    /// Time for each model and batch size.
    pub budget: Duration,
}

/// Evaluates models. Without a source, only their size and speed are told. `predictions` is given what each model says
/// about each sample.
///
/// ```
/// use onnx_prune::evaluation::{NoPredictions, EvaluationRequest, evaluate};
/// use onnx_prune::{Batch, InMemory, Job, Label, Model, Tensor};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny/convnext_ts.onnx");
/// // Two samples that are there already; `data::open` reads data sets from disk.
/// let data = InMemory(vec![Batch {
///     inputs: vec![("input".to_owned(), Tensor::new([2, 3, 32, 32], vec![0.5f32; 2 * 3 * 32 * 32])?)],
///     targets: vec![Label::Class(0), Label::Class(1)],
///     ..Batch::default()
/// }]);
/// let request = EvaluationRequest::new([Model::load(path)?]);
/// let report = evaluate(&request, Some(&data), &mut NoPredictions, Job::default())?;
/// assert_eq!(report.data.map(|d| d.samples), Some(2));
/// assert!(report.models[0].figures.iter().any(|f| f.name == "top-1"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When a model cannot be run, data cannot be read, one does not fit the other, or the job is to stop.
pub fn evaluate(
    request: &EvaluationRequest,
    source: Option<&dyn BatchSource>,
    predictions: &mut dyn Predictions,
    job: Job,
) -> Result<EvaluationReport> {
    job.stage(Stage::Open)?;
    let selected = request.runtime.selected()?;
    let runtime = &*selected.runtime;
    runtime::ready(runtime, &request.session)?;
    let mut warnings = selected.warnings.clone();
    let candidates = request.models.iter().map(|model| Candidate::new(model, &request.shapes, &mut warnings));
    let mut models = candidates.collect::<Result<Vec<_>>>()?;
    let limit = request.session.limit.or_else(|| models.iter().map(|m| m.limit).max());
    let request =
        &EvaluationRequest { session: SessionOptions { limit, ..request.session.clone() }, ..request.clone() };
    // Opened even if nothing runs here: what a runtime or device cannot do is told.
    let mut pass = Comparison::new(request, runtime, &mut models)?;
    let data = match source {
        Some(source) => {
            job.stage(Stage::Evaluate)?;
            Some(pass.run(source, predictions, job, &mut warnings)?)
        }
        None => None,
    };
    let first_inputs = pass.first_inputs.take();
    // Each model is timed alone.
    drop(pass);
    if let Some(latency) = &request.latency {
        job.stage(Stage::Measure)?;
        for model in &mut models {
            model.time(runtime, request, latency, first_inputs.as_deref(), &mut warnings)?;
            job.stage(Stage::Measure)?;
        }
    }
    warnings.iter().for_each(|w| job.warn(w));
    Ok(EvaluationReport {
        evaluation: EVALUATION_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runtime: format!("{} {}", runtime.name(), runtime.version()),
        library: runtime.library().and_then(|_| runtime::loaded_library()),
        device: request.session.device,
        threads: request.session.threads,
        data,
        against: request.against.as_ref().map(Subject::name),
        models: models.into_iter().map(|m| m.report).collect(),
        warnings,
    })
}

/// All samples through all models.
struct Comparison<'a> {
    request: &'a EvaluationRequest,
    models: &'a mut [Candidate],
    sessions: Vec<Box<dyn Session>>,
    reference: Option<Box<dyn Session>>,
    /// One for each model, once the first batch has told what is evaluated.
    tasks: Vec<Box<dyn ReportedTask>>,
    /// What the first batch gave the models, for timing them on something real.
    first_inputs: Option<Vec<(String, Tensor)>>,
}

impl<'a> Comparison<'a> {
    fn new(request: &'a EvaluationRequest, runtime: &dyn Runtime, models: &'a mut [Candidate]) -> Result<Self> {
        let open = |model: &Subject| model.open(runtime, &request.session);
        let sessions = request.models.iter().map(open).collect::<runtime::Result<_>>()?;
        let reference = request.against.as_ref().map(open).transpose()?;
        Ok(Comparison { request, models, sessions, reference, tasks: Vec::new(), first_inputs: None })
    }

    fn run(
        &mut self,
        source: &dyn BatchSource,
        predictions: &mut dyn Predictions,
        job: Job,
        warnings: &mut Vec<String>,
    ) -> Result<EvaluatedData> {
        let (name, mut classes) = (source.name(), source.classes().to_vec());
        if classes.is_empty() {
            classes.clone_from(&self.request.task.class_names);
        }
        let inputs = self.sessions.first().map(|s| s.inputs().to_vec()).unwrap_or_default();
        let Seen { samples, left_out } = each_batch(source, &inputs, job, &mut |batch| {
            if self.first_inputs.is_none() {
                self.check_classes(batch, &classes)?;
                let task = |_: &Candidate| task::of(batch, &classes, &self.request.task);
                self.tasks = self.models.iter().map(task).collect::<Result<_>>()?;
                self.first_inputs = Some(batch.inputs.clone());
            }
            self.batch(batch, predictions)
        })?;
        let task = self.tasks.first().ok_or(Error::Empty)?.task();
        for (model, task) in self.models.iter_mut().zip(self.tasks.drain(..)) {
            model.finish(task.finish(), warnings);
        }
        if task == Task::Nothing && self.reference.is_none() {
            warnings.push(format!(
                "{name} has no labels, so no accuracy is told; {} compares with another model",
                Hint::Against
            ));
        }
        if let Some(first) = left_out.first() {
            let (n, sample, why) = (left_out.len(), &first.name, &first.why);
            warnings.push(format!("{n} samples cannot be used and were left out; the first is {sample}: {why}"));
        }
        let (samples, left_out) = (samples as u64, left_out.len() as u64);
        Ok(EvaluatedData { name, origin: source.origin().cloned(), samples, left_out, task, classes })
    }

    /// Labels beyond what a model declares to tell apart are told before it runs.
    fn check_classes(&self, batch: &Batch, classes: &[String]) -> Result<()> {
        if !matches!(batch.targets.first(), Some(data::Label::Class(_))) {
            return Ok(());
        }
        let wanted = self.request.task.output.as_deref();
        for (model, session) in self.models.iter().zip(&self.sessions) {
            let judged = session.outputs().iter().filter(|o| wanted.is_none_or(|name| name == o.name));
            let widths = judged.map(|o| match o.dims.as_deref() {
                Some([_, .., runtime::Dim::Fixed(n)]) => Some(*n),
                _ => None,
            });
            // An open output may be the one.
            let widest = widths.collect::<Option<Vec<_>>>().and_then(|w| w.into_iter().max());
            if let Some(n) = widest.filter(|n| classes.len() > *n) {
                let why = format!("it tells {n} classes apart, the data has {}", classes.len());
                return Err(Error::Unfit { model: model.name.clone(), why });
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, predictions: &mut dyn Predictions) -> Result<()> {
        let expected = match &mut self.reference {
            Some(session) => Some(answered(run_samples(&mut **session, &batch.inputs)?, batch.len())?),
            None => None,
        };
        let sessions = self.sessions.iter_mut().zip(&mut self.tasks);
        for (model, (session, task)) in self.models.iter_mut().zip(sessions) {
            let clock = Instant::now();
            let outputs = run_samples(&mut **session, &batch.inputs)?;
            model.seconds += clock.elapsed().as_secs_f64();
            model.samples += batch.len() as u64;
            let outputs = answered(outputs, batch.len())?;
            if let Some(expected) = &expected {
                model.compare(&outputs, expected)?;
            }
            task.add(&Answers { model: &model.name, batch, outputs: &outputs }, predictions)?;
        }
        Ok(())
    }
}

/// Outputs without those of the copies that fill up a batch.
fn answered(outputs: Vec<(String, Tensor)>, samples: usize) -> Result<Vec<(String, Tensor)>> {
    let cut = |(name, tensor): (String, Tensor)| match tensor.shape().first() {
        Some(rows) if *rows > samples => Ok((name, tensor.rows(0..samples)?)),
        _ => Ok((name, tensor)),
    };
    outputs.into_iter().map(cut).collect()
}
