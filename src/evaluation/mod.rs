//! How good models are: the whole job. Samples go through every model once; then each is timed alone.

mod classify;

mod detect;
mod error;
mod judge;
mod model;
mod outputs;
#[cfg(feature = "data")]
mod source;
mod speed;
mod unlabelled;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::analysis::Shapes;
use crate::data::{self, Batch, Origin};
use crate::metrics::detection::DecodeOptions;
use crate::report::{EVALUATION_VERSION, EvaluatedData, EvaluationReport, Prediction};
use crate::runtime::{self, Choice, IoInfo, Runtime, Session, SessionOptions, Tensor, run_samples};

pub use error::{Error, Result};
#[cfg(feature = "data")]
pub use source::Files;

use judge::{Answers, Judge};
use model::Candidate;

/// What to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// The models.
    pub models: Vec<PathBuf>,
    /// A model whose outputs the others are compared with.
    pub against: Option<PathBuf>,
    /// The output that is judged; else the first that fits.
    pub output: Option<String>,
    /// Names of classes, where the data has none.
    pub class_names: Vec<String>,
    /// What becomes a detection.
    pub decode: DecodeOptions,
    /// How to time the models; `None` does not.
    pub latency: Option<LatencyRequest>,
    /// Which runtime.
    pub runtime: Choice,
    /// Where onnxruntime is looked for first.
    pub library: Option<PathBuf>,
    /// Device and threads.
    pub session: SessionOptions,
    /// Sizes of open input dimensions.
    pub shapes: Shapes,
}

/// How to time models.
#[derive(Clone, Debug)]
pub struct LatencyRequest {
    /// Samples in a run, each to be timed.
    pub batches: Vec<usize>,
    /// Time for each model and batch size.
    pub budget: Duration,
}

/// Where samples come from.
pub trait Source {
    /// What it is called.
    fn name(&self) -> String;

    /// Names of its classes; empty where it has none.
    fn classes(&self) -> Vec<String>;

    /// How it is read, for reports.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// Number of samples, if it is known.
    fn count(&self) -> Option<usize>;

    /// Starts from the first sample, with batches for a model with these inputs; the runtime is fast with `batch`
    /// samples at a time.
    ///
    /// # Errors
    /// When the data does not fit the inputs.
    fn start(&mut self, inputs: &[IoInfo], batch: usize) -> data::Result<()>;

    /// The next batch; `None` after the last.
    fn next(&mut self) -> Option<data::Result<Batch>>;

    /// Samples that were left out so far, and why.
    fn left_out(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Told what happens; answering `false` stops the evaluation.
pub trait Progress {
    /// A stage begins.
    fn stage(&mut self, name: &'static str) -> bool;

    /// So many samples went through all models, of so many if that is known.
    fn samples(&mut self, done: usize, of: Option<usize>) -> bool;

    /// What a model says about a sample.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn prediction(&mut self, _: &dyn Fn() -> Prediction) -> std::io::Result<()> {
        Ok(())
    }
}

/// Evaluates models. Without a source, only their size and speed are told.
///
/// # Errors
/// When a model cannot be run, data cannot be read, or one does not fit the other.
pub fn evaluate(
    request: &Request,
    source: Option<&mut dyn Source>,
    progress: &mut dyn Progress,
) -> Result<EvaluationReport> {
    begin(progress, "open")?;
    let selected = runtime::select(request.runtime, request.library.as_deref())?;
    let runtime = &*selected.runtime;
    runtime::ready(runtime, &request.session)?;
    let mut warnings = selected.warnings;
    let candidates = request.models.iter().map(|path| Candidate::new(path, &request.shapes, &mut warnings));
    let mut models = candidates.collect::<Result<Vec<_>>>()?;
    let limit = request.session.limit.or_else(|| models.iter().map(|m| m.limit).max());
    let request = &Request { session: SessionOptions { limit, ..request.session.clone() }, ..request.clone() };
    // Opened even if nothing runs here: what a runtime or device cannot do is told.
    let mut pass = Pass::new(request, runtime, &mut models)?;
    let data = match source {
        Some(source) => {
            begin(progress, "evaluate")?;
            Some(pass.run(source, progress, &mut warnings)?)
        }
        None => None,
    };
    let first_inputs = pass.first_inputs.take();
    // Each model is timed alone.
    drop(pass);
    if let Some(latency) = &request.latency {
        begin(progress, "measure")?;
        for model in &mut models {
            model.time(runtime, request, latency, first_inputs.as_deref(), &mut warnings)?;
            begin(progress, "measure")?;
        }
    }
    Ok(EvaluationReport {
        evaluation: EVALUATION_VERSION,
        version: env!("CARGO_PKG_VERSION"),
        runtime: format!("{} {}", runtime.name(), runtime.version()),
        library: runtime.library().and_then(|_| runtime::loaded_library()),
        device: request.session.device.to_string(),
        threads: request.session.threads,
        data,
        against: request.against.as_deref().map(model::file_name),
        models: models.into_iter().map(|m| m.report).collect(),
        warnings,
    })
}

fn begin(progress: &mut dyn Progress, stage: &'static str) -> Result<()> {
    if progress.stage(stage) { Ok(()) } else { Err(Error::Interrupted) }
}

/// All samples through all models.
struct Pass<'a> {
    request: &'a Request,
    models: &'a mut [Candidate],
    sessions: Vec<Box<dyn Session>>,
    reference: Option<Box<dyn Session>>,
    /// Samples at a time.
    batch: usize,
    /// One for each model, once the first batch has told what is judged.
    judges: Vec<Box<dyn Judge>>,
    /// What the first batch gave the models, for timing them on something real.
    first_inputs: Option<Vec<(String, Tensor)>>,
}

impl<'a> Pass<'a> {
    fn new(request: &'a Request, runtime: &dyn Runtime, models: &'a mut [Candidate]) -> Result<Self> {
        let open = |path: &PathBuf| runtime.open(path, &request.session);
        let sessions = request.models.iter().map(open).collect::<runtime::Result<_>>()?;
        let reference = request.against.as_ref().map(open).transpose()?;
        let batch = runtime.batch();
        Ok(Pass { request, models, sessions, reference, batch, judges: Vec::new(), first_inputs: None })
    }

    fn run(
        &mut self,
        source: &mut dyn Source,
        progress: &mut dyn Progress,
        warnings: &mut Vec<String>,
    ) -> Result<EvaluatedData> {
        let (name, mut classes, of) = (source.name(), source.classes(), source.count());
        if classes.is_empty() {
            classes.clone_from(&self.request.class_names);
        }
        let inputs = self.sessions.first().map(|s| s.inputs().to_vec()).unwrap_or_default();
        let mut done = 0;
        source.start(&inputs, self.batch)?;
        while let Some(batch) = source.next() {
            let batch = batch?;
            if batch.is_empty() {
                continue;
            }
            if self.first_inputs.is_none() {
                self.check_classes(&batch, &classes)?;
                let judge = |_: &Candidate| judge::of(&batch, &classes, self.request);
                self.judges = self.models.iter().map(judge).collect::<Result<_>>()?;
                self.first_inputs = Some(batch.inputs.clone());
            }
            self.batch(&batch, progress)?;
            done += batch.len();
            if !progress.samples(done, of) {
                return Err(Error::Interrupted);
            }
        }
        let task = self.judges.first().ok_or(Error::Empty)?.task();
        for (model, judge) in self.models.iter_mut().zip(self.judges.drain(..)) {
            let name = model.name.clone();
            judge.finish(&mut model.report, &mut |text| warnings.push(format!("{name}: {text}")));
            model.finish();
        }
        if task == "nothing" && self.reference.is_none() {
            warnings
                .push(format!("{name} has no labels, so no accuracy is told; --against compares with another model"));
        }
        let left_out = source.left_out();
        if let Some((sample, why)) = left_out.first() {
            let n = left_out.len();
            warnings.push(format!("{n} samples cannot be used and were left out; the first is {sample}: {why}"));
        }
        let (samples, left_out) = (done as u64, left_out.len() as u64);
        Ok(EvaluatedData { name, origin: source.origin(), samples, left_out, task, classes })
    }

    /// Labels beyond what a model declares to tell apart are told before it runs.
    fn check_classes(&self, batch: &Batch, classes: &[String]) -> Result<()> {
        if !matches!(batch.targets.first(), Some(data::Target::Class(_))) {
            return Ok(());
        }
        let wanted = self.request.output.as_deref();
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

    fn batch(&mut self, batch: &Batch, progress: &mut dyn Progress) -> Result<()> {
        let expected = match &mut self.reference {
            Some(session) => Some(answered(run_samples(&mut **session, &batch.inputs)?, batch.len())?),
            None => None,
        };
        let sessions = self.sessions.iter_mut().zip(&mut self.judges);
        for (model, (session, judge)) in self.models.iter_mut().zip(sessions) {
            let clock = Instant::now();
            let outputs = run_samples(&mut **session, &batch.inputs)?;
            model.seconds += clock.elapsed().as_secs_f64();
            model.samples += batch.len() as u64;
            let outputs = answered(outputs, batch.len())?;
            if let Some(expected) = &expected {
                model.compare(&outputs, expected)?;
            }
            judge.add(&Answers { model: &model.name, batch, outputs: &outputs }, progress)?;
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
