//! `onnx-prune eval MODEL...`.

use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use onnx_prune::data::BatchSource;
#[cfg(feature = "data")]
use onnx_prune::data::{Dataset, Purpose, StoredData};
use onnx_prune::evaluation::{self, EvaluationRequest, LatencyRequest, NoPredictions, TaskOptions, evaluate};
use onnx_prune::files::Sink;
use onnx_prune::metrics::detection::DecodeOptions;
use onnx_prune::metrics::{Panel, confusion_plot};
use onnx_prune::onnx::data_files;
use onnx_prune::report::{self, EvaluatedModel, EvaluationReport, Pending, Prediction, Task};
use onnx_prune::runtime::{OnDemand, SessionOptions};

use super::command::{Run, Talk};
use super::eval_args::Eval;
use super::failure::{Failure, FileError};
use super::output::{self, Written, is_stdout};
use super::progress::Shown;
use super::terminal::{self, Stream, columns, limit, one_line};

impl Run for Eval {
    fn run(&self) -> Result<ExitCode, Failure> {
        run(self)?;
        Ok(ExitCode::SUCCESS)
    }

    fn talk(&self) -> Talk {
        Talk::of(self.out.quiet, self.out.verbose)
    }
}

fn run(args: &Eval) -> Result<(), Failure> {
    let dataset = dataset(args)?;
    if dataset.is_none() && (args.against.is_some() || args.out.confusion.is_some() || args.out.predictions.is_some()) {
        let text = "--against, --confusion and --predictions need --data: samples to run the models on";
        return Err(Failure::Usage(text.to_owned()));
    }
    if let Some(n) = args.run.threads {
        rayon::ThreadPoolBuilder::new().num_threads(n).build_global()?;
    }
    let outputs = outputs(args);
    let read = read_files(args);
    output::check(&outputs, &read.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let to_stdout = outputs.iter().find(|(_, path)| is_stdout(path));
    if let Some((option, _)) = to_stdout.filter(|_| args.out.json) {
        return Err(Failure::Usage(format!("--json and {option} both write to standard output")));
    }
    // Reserved first: what cannot be written should not cost an evaluation.
    let pending = |path: &Option<PathBuf>| path.as_deref().map(|p| output::reserve("cannot write", p)).transpose();
    let (report, confusion) = (pending(&args.out.report)?, pending(&args.out.confusion)?);
    let mut predictions = args.out.predictions.as_deref().map(Predictions::new).transpose()?;
    let progress = Shown::new(args.out.progress, args.out.quiet);
    let request = request(args)?;
    let source = dataset.map(|d| source(args, d, &request)).transpose()?;
    let found = match &mut predictions {
        Some(predictions) => evaluate(&request, source.as_deref(), predictions, progress.job()),
        None => evaluate(&request, source.as_deref(), &mut NoPredictions, progress.job()),
    };
    drop(progress);
    let found = found?;
    let text = if args.out.json { terminal::json(&found)? } else { human(&found, args.out.verbose)? };
    let mut written = Written::default();
    written.printed(terminal::print(if to_stdout.is_some() { Stream::Stderr } else { Stream::Stdout }, &text));
    // In JSON they are part of it.
    if !args.out.json && !args.out.quiet && !args.out.progress.tells_warnings() {
        terminal::warn(&found.warnings);
    }
    if let (Some(predictions), Some(path)) = (predictions, &args.out.predictions) {
        written.add(path, predictions.finish());
    }
    if let (Some(pending), Some(path)) = (report, &args.out.report) {
        written.add(path, pending.write(&found).map_err(|e| FileError::new("cannot write the report", path, e)));
    }
    if let (Some(pending), Some(path)) = (confusion, &args.out.confusion) {
        written.add(path, write_confusion(pending, path, &found));
    }
    written.verdict()
}

/// What is written, by option.
fn outputs(args: &Eval) -> Vec<(&'static str, &Path)> {
    let out = &args.out;
    let all = [("--report", &out.report), ("--confusion", &out.confusion), ("--predictions", &out.predictions)];
    all.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?))).collect()
}

/// What is read.
fn read_files(args: &Eval) -> Vec<PathBuf> {
    let models = args.models.iter().chain(&args.against);
    let mut files: Vec<PathBuf> = models.flat_map(|m| data_files(m).into_iter().chain([m.clone()])).collect();
    files.extend(args.judge.class_names.clone());
    #[cfg(feature = "data")]
    files.extend(args.data.data.clone());
    files
}

/// The data, opened first: what is wrong with it should not cost opening models.
#[cfg(feature = "data")]
fn dataset(args: &Eval) -> Result<Option<Box<dyn Dataset>>, Failure> {
    let Some(path) = &args.data.data else { return Ok(None) };
    Ok(Some(args.data.open(path, Purpose::Evaluate, args.seed)?))
}

/// How the data is read, in batches that the runtime is fast with.
#[cfg(feature = "data")]
fn source(
    args: &Eval,
    dataset: Box<dyn Dataset>,
    request: &EvaluationRequest,
) -> Result<Box<dyn BatchSource>, Failure> {
    let mut options = args.data.options(args.seed, args.run.threads);
    if args.data.batch.is_none() {
        options.batch = request.runtime.get()?.batch();
    }
    let path = args.data.data.as_deref().unwrap_or(Path::new(""));
    let origin = Some(args.data.origin(path, &options));
    Ok(Box::new(StoredData { dataset: dataset.into(), preprocess: args.data.preprocess.clone(), options, origin }))
}

/// A program without data sets.
#[cfg(not(feature = "data"))]
fn dataset(_: &Eval) -> Result<Option<std::convert::Infallible>, Failure> {
    Ok(None)
}

#[cfg(not(feature = "data"))]
fn source(_: &Eval, none: std::convert::Infallible, _: &EvaluationRequest) -> Result<Box<dyn BatchSource>, Failure> {
    match none {}
}

fn request(args: &Eval) -> Result<EvaluationRequest, FileError> {
    let (judge, run) = (&args.judge, &args.run);
    let latency =
        LatencyRequest { batches: run.latency_batch.clone(), budget: Duration::from_millis(run.latency_budget as u64) };
    let class_names = match &judge.class_names {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| FileError::new("cannot read", path, e))?;
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
        None => Vec::new(),
    };
    Ok(EvaluationRequest {
        against: args.against.clone().map(Into::into),
        task: TaskOptions {
            output: judge.output.clone(),
            class_names,
            decode: DecodeOptions { confidence: judge.confidence, overlap: judge.nms, most: judge.max_detections },
        },
        latency: (!run.no_latency).then_some(latency),
        runtime: OnDemand::new(run.runtime.into(), run.ort_library.clone()).into(),
        session: SessionOptions {
            threads: run.threads,
            device: run.device,
            limit: run.run_timeout,
            ..SessionOptions::default()
        },
        shapes: run.shapes.clone().map(|s| s.0).unwrap_or_default(),
        ..EvaluationRequest::new(args.models.iter().cloned())
    })
}

/// Characters of a line.
const WIDTH: usize = 100;

/// The tables.
fn human(r: &EvaluationReport, verbose: bool) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let task = r.data.as_ref().map_or(Task::Nothing, |d| d.task);
    if let Some(data) = &r.data {
        writeln!(out, "{}: {} samples{}\n", one_line(&data.name), data.samples, classes(data.classes.len()))?;
    }
    let tables = report::evaluation_tables(r, verbose, WIDTH).into_iter().map(|(heads, rows)| {
        let numbers: Vec<usize> = (1..heads.len()).collect();
        columns(heads, rows, &numbers)
    });
    out += &tables.collect::<Vec<_>>().join("\n");
    for m in r.models.iter().filter(|m| verbose && !m.classes.is_empty()) {
        let heads = report::class_heads(task);
        let (rows, more) = report::class_rows(task, &m.classes, limit(verbose));
        let numbers: Vec<usize> = (1..heads.len()).collect();
        write!(out, "\n{}\n{}", one_line(&m.model), columns(heads, rows, &numbers))?;
        if more > 0 {
            writeln!(out, "… and {more} more")?;
        }
    }
    let threads = r.threads.map_or_else(String::new, |n| format!(", {n} threads"));
    writeln!(out, "\non {}, {}{threads}", r.runtime, r.device)?;
    if let Some(library) = r.library.as_ref().filter(|_| verbose) {
        writeln!(out, "{}", one_line(&report::text::library(library)))?;
    }
    Ok(out)
}

fn classes(n: usize) -> String {
    if n == 0 { String::new() } else { format!(" of {n} classes") }
}

/// All matrices in one file, in the form that its name asks for.
fn write_confusion(pending: Pending, path: &Path, r: &EvaluationReport) -> Result<(), FileError> {
    let fail = |e: std::io::Error| FileError::new("cannot write the confusion matrix", path, e);
    let all: Vec<(&EvaluatedModel, _)> = r.models.iter().filter_map(|m| Some((m, m.confusion.as_ref()?))).collect();
    if all.is_empty() {
        return Err(fail(std::io::Error::other("only classifiers have one")));
    }
    let names = r.data.as_ref().map_or(&[][..], |d| &d.classes);
    if path.extension().is_some_and(|e| e == "svg") {
        let panels: Vec<Panel> = all.iter().map(|(m, confusion)| Panel { title: &m.model, confusion }).collect();
        pending.write_text(&confusion_plot(&panels, names)).map_err(fail)?;
    } else {
        let model = |(m, c): &(&EvaluatedModel, &onnx_prune::metrics::Confusion)| serde_json::json!({ "model": m.model, "counts": c.rows().collect::<Vec<_>>() });
        let models: Vec<_> = all.iter().map(model).collect();
        pending.write(&serde_json::json!({ "classes": names, "models": models })).map_err(fail)?;
    }
    Ok(())
}

/// Predictions as they come; put in place when all are there.
struct Predictions {
    out: Sink,
    path: PathBuf,
}

impl Predictions {
    fn new(path: &Path) -> Result<Self, FileError> {
        let out = if is_stdout(path) { Ok(Sink::stdout()) } else { Sink::new(path) };
        let out = out.map_err(|e| FileError::new("cannot write predictions", path, e))?;
        Ok(Predictions { out, path: path.to_owned() })
    }

    fn finish(self) -> Result<(), FileError> {
        self.out.finish().map_err(|e| FileError::new("cannot write predictions", &self.path, e))
    }
}

impl evaluation::Predictions for Predictions {
    fn prediction(&mut self, tell: &dyn Fn() -> Prediction) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.out, &tell())?;
        self.out.write_all(b"\n")
    }
}
