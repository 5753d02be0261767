//! Arguments of data sets, and `onnx-prune check-data`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use onnx_prune::data::{
    self, Batches, DataOrigin, Dataset, Loader, LoaderOptions, OpenOptions, Preprocess, Purpose, Split,
};
use onnx_prune::runtime::{self, IoInfo, SessionOptions};

use super::args::RuntimeArg;
use super::command::{Run, Talk};
use super::failure::Failure;
use super::terminal::{Stream, limit, one_line, print, table, warn};
use super::values;

// The seed is the command's: every random choice of a run hangs on one.
#[derive(Args)]
pub struct DataArgs {
    /// Data set: a file, an archive or a folder of a known format (docs/DATA.md lists them)
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Part of it, as in test, train[:80%] or [10%:20%] [default: test to measure, train to calibrate]
    #[arg(long, value_name = "SPLIT", requires = "data")]
    pub split: Option<Split>,
    /// Use N samples, chosen by the seed [default: all to measure, 1024 to calibrate]
    #[arg(long, value_name = "N", requires = "data", value_parser = values::positive)]
    pub samples: Option<usize>,
    /// What happens to images: imagenet, cifar, yolo, unit, none, or a TOML or JSON file
    #[arg(long, value_name = "HOW", requires = "data", value_parser = Preprocess::parse)]
    pub preprocess: Option<Preprocess>,
    /// Samples that go through the model at once [default: 32; 1 to measure with tract]
    #[arg(long, value_name = "N", requires = "data", value_parser = values::positive)]
    pub batch: Option<usize>,
    /// Share of the samples that may be unreadable, as in 0.01 or 1%; they are left out and counted
    #[arg(long, value_name = "SHARE", requires = "data", default_value = "1%", value_parser = values::floor)]
    pub max_bad: f64,
}

impl DataArgs {
    /// Opens the data set.
    pub fn open(&self, path: &Path, purpose: Purpose, seed: u64) -> data::Result<Box<dyn Dataset>> {
        data::open(path, &OpenOptions { split: self.split.clone(), seed, purpose, ..Default::default() })
    }

    /// How it is read.
    pub fn options(&self, seed: u64, threads: Option<usize>) -> LoaderOptions {
        let usual = LoaderOptions::default();
        let (samples, max_bad) = (self.samples, self.max_bad);
        LoaderOptions { batch: self.batch.unwrap_or(usual.batch), seed, samples, threads, max_bad, ..usual }
    }

    /// What reports say of it.
    pub fn origin(&self, path: &Path, options: &LoaderOptions) -> DataOrigin {
        DataOrigin {
            path: path.display().to_string(),
            split: self.split.as_ref().map(Split::to_string),
            samples: self.samples,
            batch: options.batch,
            preprocess: self.preprocess.as_ref().map(Preprocess::recorded),
        }
    }

    /// What a report recorded.
    pub fn recorded(origin: &DataOrigin) -> Result<Self, Failure> {
        let wrong = |what: &str, why: String| Failure::Usage(format!("the recipe's {what}: {why}"));
        let preprocess = origin.preprocess.as_ref().map(|how| {
            // A preset's name, or a pipeline; never a file.
            let text = how.as_str().map_or_else(|| how.to_string(), str::to_owned);
            match how.is_object() || Preprocess::PRESETS.contains(&text.as_str()) {
                true => Preprocess::parse(&text).map_err(|e| wrong("preprocessing", e.to_string())),
                false => Err(wrong("preprocessing", format!("'{text}' is no preset"))),
            }
        });
        Ok(DataArgs {
            data: Some(origin.path.clone().into()),
            split: origin.split.as_deref().map(str::parse).transpose().map_err(|why| wrong("split", why))?,
            samples: origin.samples,
            preprocess: preprocess.transpose()?,
            batch: Some(origin.batch),
            max_bad: LoaderOptions::default().max_bad,
        })
    }

    /// Plans reading it for a model.
    pub fn loader(
        &self,
        dataset: Box<dyn Dataset>,
        inputs: &[IoInfo],
        seed: u64,
        threads: Option<usize>,
    ) -> data::Result<Loader> {
        Loader::new(dataset, self.preprocess.as_ref(), inputs, self.options(seed, threads))
    }
}

#[derive(Args)]
pub struct CheckData {
    /// Model that the data is for
    pub model: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Threads that decode [default: all cores]
    #[arg(long, value_name = "N", value_parser = values::positive)]
    pub threads: Option<usize>,
    /// Which runtime reads the model's inputs
    #[arg(long, value_name = "NAME", default_value = "auto", ignore_case = true)]
    pub runtime: RuntimeArg,
    /// The onnxruntime to use, a library or a folder that holds one; an error if it does not load
    #[arg(long, value_name = "PATH")]
    pub ort_library: Option<PathBuf>,
    /// Show every sample that is left out
    #[arg(short, long)]
    pub verbose: bool,
}

/// Reads the data as the model would be given it, and says what it is.
impl Run for CheckData {
    fn run(&self) -> Result<ExitCode, Failure> {
        check(self)
    }

    fn talk(&self) -> Talk {
        Talk::of(false, self.verbose)
    }
}

fn check(args: &CheckData) -> Result<ExitCode, Failure> {
    let Some(path) = &args.data.data else {
        return Err(Failure::Usage("--data is missing: the data set that is to be read for the model".to_owned()));
    };
    let dataset = args.data.open(path, Purpose::Evaluate, args.seed)?;
    let selected = runtime::select(args.runtime.into(), args.ort_library.as_deref())?;
    warn(&selected.warnings);
    let session = selected.runtime.open(&args.model, &SessionOptions::default())?;
    let loader = args.data.loader(dataset, session.inputs(), args.seed, args.threads)?;
    let clock = Instant::now();
    let mut batches = loader.batches();
    let (mut good, mut shapes) = (0, Vec::new());
    for batch in &mut batches {
        let batch = batch?;
        good += batch.len();
        if shapes.is_empty() {
            shapes = batch.inputs.iter().map(|(name, t)| format!("{name} {:?}", t.shape())).collect();
        }
    }
    let rate = good as f64 / clock.elapsed().as_secs_f64();
    let classes = loader.classes();
    let some = classes.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if classes.len() > 5 { ", …" } else { "" };
    let named = if classes.is_empty() { "none".to_owned() } else { format!("{}: {some}{more}", classes.len()) };
    let text = format!(
        "samples  {good} good, {} left out; {rate:.0} a second\nclasses  {}\nbatches  {}\n",
        batches.bad().len(),
        one_line(&named),
        one_line(&shapes.join(", ")),
    );
    print(Stream::Stdout, &text)?;
    Ok(print(Stream::Stdout, &left_out(&batches, limit(args.verbose))).map(|()| ExitCode::SUCCESS)?)
}

/// The samples that are left out.
fn left_out(batches: &Batches, most: usize) -> String {
    let bad = batches.bad();
    if bad.is_empty() {
        return String::new();
    }
    let rows = bad.iter().take(most).map(|b| [one_line(&b.name), one_line(&b.why)]).collect();
    let mut text = table(["left out", "because"], rows, &[]);
    if bad.len() > most {
        text += &format!("… and {} more (-v shows all)\n", bad.len() - most);
    }
    text
}
