//! Arguments of calibration data, and `onnx-prune insert-bn`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use onnx_prune::data::{BatchSource, Purpose, StoredData};
use onnx_prune::insert_bn::{Inserted, insert_bn};
use onnx_prune::onnx;
use onnx_prune::runtime::{self, SessionOptions};
use onnx_prune::statistics::Calibration;

use super::args::RuntimeArg;
use super::command::{Run, Talk};
use super::data::DataArgs;
use super::failure::Failure;
use super::input;
use super::output::{self, Written, is_stdout};
use super::progress::{ProgressArg, Shown};
use super::terminal::{Stream, print, warn};
use super::values;

#[derive(Args)]
pub struct CalibrationArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// After pruning, solve the least squares of the layers whose inputs have changed, against what the original gives
    /// [default with --data, and on drawn images for models of images]
    #[arg(long, overrides_with = "no_refit")]
    pub refit: bool,
    /// Leave weights as they are
    #[arg(long, overrides_with = "refit")]
    pub no_refit: bool,
    /// After that, estimate the statistics of batch normalisations again (it helps without --refit)
    #[arg(long, requires = "data")]
    pub recalibrate_bn: bool,
}

/// Samples that calibration reads unless told otherwise: more gain nothing that was measured.
const SAMPLES: usize = 1024;

/// The data set that was given.
pub fn source(args: &DataArgs, seed: u64, threads: Option<usize>) -> Result<Option<Arc<dyn BatchSource>>, Failure> {
    let Some(path) = &args.data else { return Ok(None) };
    let dataset = args.open(path, Purpose::Calibrate, seed)?.into();
    let (preprocess, mut options) = (args.preprocess.clone(), args.options(seed, threads));
    options.samples = options.samples.or(Some(SAMPLES));
    let origin = Some(args.origin(path, &options));
    Ok(Some(Arc::new(StoredData { dataset, preprocess, options, origin })))
}

#[derive(Args)]
pub struct InsertBn {
    /// Model to put batch normalisations into; - reads standard input
    pub model: PathBuf,
    /// Where the new model goes
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// Sizes of open input dimensions, by input or by name; a single input needs no name [default: batch 1, guesses
    /// that are told]
    #[arg(long, value_name = "INPUT:AxBxC|NAME=N,...", value_parser = values::shapes)]
    pub shapes: Option<values::ShapeList>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Which runtime runs the model; auto is onnxruntime where found, else tract
    #[arg(long, value_name = "NAME", default_value = "auto", ignore_case = true)]
    pub runtime: RuntimeArg,
    /// The onnxruntime to use, a library or a folder that holds one; an error if it does not load
    #[arg(long, value_name = "PATH")]
    pub ort_library: Option<PathBuf>,
    /// Threads of the runtime and of decoding [default: all cores]
    #[arg(long, value_name = "N", value_parser = values::positive)]
    pub threads: Option<usize>,
    /// How progress is shown on standard error; json is one event a line
    #[arg(long, value_name = "HOW", default_value = "auto", ignore_case = true)]
    pub progress: ProgressArg,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

impl Run for InsertBn {
    fn run(&self) -> Result<ExitCode, Failure> {
        run(self)
    }

    fn talk(&self) -> Talk {
        Talk::of(self.quiet, false)
    }
}

fn run(args: &InsertBn) -> Result<ExitCode, Failure> {
    if is_stdout(&args.output) {
        return Err(Failure::Usage("insert-bn writes a file: give -o a name".to_owned()));
    }
    let Some(source) = source(&args.data, args.seed, args.threads)? else {
        return Err(Failure::Usage("--data is missing: the normalisations' statistics come from it".to_owned()));
    };
    let data = args.data.data.as_deref();
    output::check(&[("-o", &args.output)], &data.into_iter().collect::<Vec<_>>())?;
    let model = input::load(&args.model)?;
    output::check(&[("-o", &args.output)], &model.maps.files().skip(1).collect::<Vec<_>>())?;
    let selected = runtime::select(args.runtime.into(), args.ort_library.as_deref())?;
    let tells = |warnings: &[String]| {
        if !args.quiet && !args.progress.tells_warnings() {
            warn(warnings);
        }
    };
    tells(&selected.warnings);
    onnx::check_place(&args.output)?;
    let progress = Shown::new(args.progress, args.quiet);
    let calibration = Calibration {
        source: &*source,
        runtime: &*selected.runtime,
        session: SessionOptions { threads: args.threads, ..SessionOptions::default() },
        seed: args.seed,
        positions: Calibration::POSITIONS,
        job: progress.job(),
    };
    let shapes = args.shapes.clone().map(|s| s.0).unwrap_or_default();
    selected.warnings.iter().for_each(|w| calibration.job.warn(w));
    let done = insert_bn(model, &shapes, &calibration).and_then(|done| {
        let notes = done.save(&args.output)?;
        notes.iter().for_each(|note| calibration.job.warn(note));
        Ok((done, notes))
    });
    drop(progress);
    let (done, notes) = done?;
    tells(&notes);
    let mut written = Written::default();
    written.file(&args.output);
    if !args.quiet {
        written.printed(print(Stream::Stdout, &text(&done)));
    }
    written.verdict().map(|()| ExitCode::SUCCESS)
}

fn text(done: &Inserted) -> String {
    let Inserted { layers, difference, samples, .. } = done;
    format!(
        "{layers} batch normalisations inserted; largest difference on {samples} samples {difference:.1e} of the largest output\n"
    )
}
