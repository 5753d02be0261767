//! Arguments of `onnx-prune eval`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use onnx_prune::runtime::Device;

use super::args::RuntimeArg;
use super::progress::ProgressArg;
use super::values;

#[derive(Args)]
pub struct Eval {
    /// Models to evaluate, one row of the table each
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<PathBuf>,
    /// Compare the outputs with those of this model; needs no labels
    #[arg(long, value_name = "MODEL")]
    pub against: Option<PathBuf>,
    // Without data only size and speed are told.
    #[cfg(feature = "data")]
    #[command(flatten, next_help_heading = "Data (without, only size and speed are told)")]
    pub data: super::data::DataArgs,
    /// Seed of everything random: which samples of the data
    #[cfg(feature = "data")]
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    #[command(flatten, next_help_heading = "Judging")]
    pub judge: JudgeArgs,
    #[command(flatten, next_help_heading = "Runtime and latency")]
    pub run: RunArgs,
    #[command(flatten, next_help_heading = "Output")]
    pub out: EvalOutArgs,
}

#[derive(Args)]
pub struct JudgeArgs {
    /// The output that is judged [default: the first that fits]
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// File with the name of a class on each line, for data that has none
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
    /// Scores from which on a detection counts
    #[arg(long, value_name = "SCORE", default_value = "0.001", value_parser = values::floor)]
    pub confidence: f64,
    /// Overlap from which on the lower of two detections of a class is dropped
    #[arg(long, value_name = "SHARE", default_value = "0.7", value_parser = values::floor)]
    pub nms: f64,
    /// Detections per image
    #[arg(long, value_name = "N", default_value = "300", value_parser = values::positive)]
    pub max_detections: usize,
}

#[derive(Args)]
pub struct RunArgs {
    /// Which runtime runs the models; auto is onnxruntime where found, else tract
    #[arg(long, value_name = "NAME", default_value = "auto", ignore_case = true)]
    pub runtime: RuntimeArg,
    /// The onnxruntime to use, a library or a folder that holds one; an error if it does not load
    #[arg(long, value_name = "PATH")]
    pub ort_library: Option<PathBuf>,
    /// Where the models run: cpu, cuda, tensorrt, migraphx, directml (each with :N for a card), coreml, openvino
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// Threads of the runtime [default: all cores]
    #[arg(long, value_name = "N", value_parser = values::positive)]
    pub threads: Option<usize>,
    /// Samples in a timed run; several are timed one after the other
    #[arg(long, value_name = "N,...", default_value = "1", value_delimiter = ',', value_parser = values::positive)]
    pub latency_batch: Vec<usize>,
    /// Time for measuring latency in milliseconds, for each model and batch size
    #[arg(long, value_name = "MS", default_value = "1000", value_parser = values::positive)]
    pub latency_budget: usize,
    /// Sizes of open input dimensions, by input or by name; a single input needs no name [default: assumed sizes, which
    /// are reported]
    #[arg(long, value_name = "INPUT:AxBxC|NAME=N,...", value_parser = values::shapes)]
    pub shapes: Option<values::ShapeList>,
    /// Seconds that opening a model and its first run may take [default: generous, by the model's MACs]
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub run_timeout: Option<Duration>,
    /// Do not measure latency and memory
    #[arg(long)]
    pub no_latency: bool,
}

#[derive(Args)]
pub struct EvalOutArgs {
    /// Write the report as JSON; - writes to standard output
    #[arg(long, value_name = "JSON")]
    pub report: Option<PathBuf>,
    /// Print the report as JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Write which classes are taken for which, as numbers (.json) or as a plot (.svg)
    #[arg(long, value_name = "FILE", value_parser = values::confusion)]
    pub confusion: Option<PathBuf>,
    /// Write what each model says about each sample, one JSON object a line
    #[arg(long, value_name = "JSONL")]
    pub predictions: Option<PathBuf>,
    /// How progress is shown on standard error; json is one event a line
    #[arg(long, value_name = "HOW", default_value = "auto", ignore_case = true)]
    pub progress: ProgressArg,
    /// Print nothing but the result and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show the figures of each class, and all figures of a detector
    #[arg(short, long)]
    pub verbose: bool,
}
