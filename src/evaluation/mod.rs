//! How good models are: the whole job. Samples go through every model once; then each is timed alone.

mod classify;

mod detect;
mod error;
mod judge;
mod model;
mod outputs;
mod speed;
mod unlabelled;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::data::Batch;
use crate::metrics::detection::DecodeOptions;
use crate::report::{EVALUATION_VERSION, EvaluatedData, EvaluationReport, Prediction};
use crate::runtime::{self, Choice, IoInfo, SessionOptions, Tensor, run_samples};

pub use error::{DataError, Error, Result};

use judge::{Answers, Judge};
use model::Opened;

/// What to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// The models.
    pub models: Vec<PathBuf>,
    /// A model whose outputs the others are compared with.
    pub against: Option<PathBuf>,
    /// The output that is judged; else the first that fits.
    pub output: Option<String>,
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

    /// Number of samples, if it is known.
    fn len(&self) -> Option<usize>;

    /// Whether it is known that there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// All samples in batches, made for a model with these inputs.
    ///
    /// # Errors
    /// When the data does not fit the inputs.
    fn batches(
        &mut self,
        inputs: &[IoInfo],
    ) -> Result<Box<dyn Iterator<Item = Result<Batch, DataError>> + '_>, DataError>;
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
    let mut warnings = selected.warnings;
    let mut models = Vec::new();
    for path in &request.models {
        models.push(Opened::new(path, runtime, &request.session, &mut warnings)?);
    }
    let mut first_inputs = None;
    let data = match source {
        Some(source) => {
            begin(progress, "evaluate")?;
            let reference = request.against.as_ref().map(|path| runtime.open(path, &request.session)).transpose()?;
            let mut pass = Pass { request, models: &mut models, reference, first_inputs: None };
            let data = pass.run(source, progress, &mut warnings)?;
            first_inputs = pass.first_inputs;
            Some(data)
        }
        None => None,
    };
    models.iter_mut().for_each(Opened::close);
    if let Some(latency) = &request.latency {
        begin(progress, "measure")?;
        for model in &mut models {
            model.time(runtime, &request.session, latency, first_inputs.as_deref(), &mut warnings)?;
            begin(progress, "measure")?;
        }
    }
    Ok(EvaluationReport {
        evaluation: EVALUATION_VERSION,
        version: env!("CARGO_PKG_VERSION"),
        runtime: format!("{} {}", runtime.name(), runtime.version()),
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
    models: &'a mut [Opened],
    reference: Option<Box<dyn runtime::Session>>,
    /// What the first batch gave the models, for timing them on something real.
    first_inputs: Option<Vec<(String, Tensor)>>,
}

impl Pass<'_> {
    fn run(
        &mut self,
        source: &mut dyn Source,
        progress: &mut dyn Progress,
        warnings: &mut Vec<String>,
    ) -> Result<EvaluatedData> {
        let (name, classes, of) = (source.name(), source.classes(), source.len());
        let Some(inputs) = self.models.first().map(|m| m.inputs().to_vec()) else { return Err(Error::Empty) };
        let mut judges: Vec<Box<dyn Judge>> = Vec::new();
        let mut done = 0;
        for batch in source.batches(&inputs).map_err(Error::Data)? {
            let batch = batch.map_err(Error::Data)?;
            if batch.is_empty() {
                continue;
            }
            if judges.is_empty() {
                let judge = || judge::of(&batch, &classes, self.request);
                judges = self.models.iter().map(|_| judge()).collect::<Result<_>>()?;
                self.first_inputs = Some(batch.inputs.clone());
            }
            let expected = match &mut self.reference {
                Some(session) => Some(answered(run_samples(&mut **session, &batch.inputs)?, batch.len())?),
                None => None,
            };
            for (model, judge) in self.models.iter_mut().zip(&mut judges) {
                let clock = Instant::now();
                let outputs = model.run(&batch.inputs)?;
                model.seconds += clock.elapsed().as_secs_f64();
                let outputs = answered(outputs, batch.len())?;
                model.samples += batch.len() as u64;
                if let Some(expected) = &expected {
                    model.compare(&outputs, expected)?;
                }
                judge.add(&Answers { model: &model.name, batch: &batch, outputs: &outputs }, progress)?;
            }
            done += batch.len();
            if !progress.samples(done, of) {
                return Err(Error::Interrupted);
            }
        }
        let task = judges.first().ok_or(Error::Empty)?.task();
        for (model, judge) in self.models.iter_mut().zip(judges) {
            let name = model.name.clone();
            judge.finish(&mut model.report, &mut |text| warnings.push(format!("{name}: {text}")));
            model.finish();
        }
        Ok(EvaluatedData { name, samples: done as u64, task, classes })
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
