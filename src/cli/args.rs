//! Arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};

use onnx_prune::criteria::{Criterion, Normalization, Reduction};
use onnx_prune::planning::{Axes, Rescore, Scheme};
use onnx_prune::prune::Preset;
use onnx_prune::runtime::{Choice, Device, Fill};

#[cfg(feature = "data")]
use super::calibration::CalibrationArgs;
use super::command::{Command, Run};
use super::progress::ProgressArg;
use super::target_args::TargetArgs;
use super::values;

const AFTER_HELP: &str = "\
Exit codes:
  0    pruned, or whatever else was asked for
  1    error: nothing was written
  2    usage: the arguments are wrong
  3    target not reached: nothing was written unless --force
  4    not verified, or not as a whole, with --strict: nothing was written unless --force
  5    the model or another file was written, but not the report or whatever else the message names
  129  ended by SIGHUP, 130 by Ctrl-C, 143 by SIGTERM: nothing was written unless the message says so

A signal ends the run at its next step, a second one at once. -o and --report write through devices and pipes, and
follow links.

onnxruntime is searched for in this order, the first that loads is used:
  1. the variable ORT_DYLIB_PATH: a library, or a folder that holds one
  2. next to this program, or in lib beside it
  3. the active Python environment (VIRTUAL_ENV, CONDA_PREFIX, python3 on PATH)
  4. the system: LD_LIBRARY_PATH, the loader, the usual folders
--ort-library names the only one to try. Relative paths in variables are passed over (see SECURITY.md).

A model named like a subcommand is given as ./inspect.";

#[derive(Parser)]
#[command(
    name = "onnx-prune",
    version,
    about = "Structural pruning of ONNX models: channels, neurons and heads are removed for real, the file gets smaller",
    override_usage = "onnx-prune [prune] MODEL --speedup 2x -o OUTPUT [OPTIONS]\n       onnx-prune COMMAND",
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub prune: Prune,
}

impl Cli {
    /// What is to be done: without a command, pruning.
    pub fn job(&self) -> &dyn Run {
        self.command.as_ref().map_or(&self.prune, Command::get)
    }
}

// No doc comments on flattened structs: they would replace the description of the program.
#[derive(Args)]
pub struct Prune {
    /// Model to prune; - reads standard input
    #[arg(value_name = "MODEL", required = true)]
    pub model: Option<PathBuf>,
    /// Where the pruned model goes; - writes to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Targets (one or more, unless --recipe; all must hold)")]
    pub target: TargetArgs,
    #[command(flatten, next_help_heading = "What goes")]
    pub what: WhatArgs,
    #[command(flatten, next_help_heading = "Model")]
    pub about: ModelArgs,
    #[cfg(feature = "data")]
    #[command(flatten, next_help_heading = "Calibration data")]
    pub calibration: CalibrationArgs,
    #[command(flatten, next_help_heading = "Verification and latency")]
    pub check: CheckArgs,
    #[command(flatten, next_help_heading = "Output")]
    pub out: OutArgs,
}

#[derive(Args)]
pub struct WhatArgs {
    /// Follow a published protocol, up to training: pruningbench (l2, local, 400 steps, exact widths, no refit); other
    /// options change parts of it
    #[arg(long, value_name = "NAME", ignore_case = true, value_parser = values::preset())]
    pub preset: Option<Preset>,
    /// Importance criterion: which channels matter least [default: obs; l2 without --data unless the model takes
    /// images, which the program can draw]
    #[arg(long, value_name = "NAME", ignore_case = true, value_parser = values::criterion())]
    pub criterion: Option<&'static dyn Criterion>,
    /// In which order channels of different groups go [default: allocate; protected-global where obs is not the
    /// default]
    #[arg(long, value_name = "NAME", ignore_case = true, value_parser = values::scheme())]
    pub scheme: Option<&'static dyn Scheme>,
    /// How the weights of a group make one score per channel
    #[arg(long, value_name = "HOW", default_value = "mean", ignore_case = true)]
    pub reduction: ReductionArg,
    /// How scores of different groups are made comparable
    #[arg(long, value_name = "HOW", default_value = "mean", ignore_case = true)]
    pub normalization: NormalizationArg,
    /// Linear steps from the whole model to an empty one; scores are renewed between them
    /// [default: 100]
    #[arg(long, value_name = "N", value_parser = values::positive)]
    pub steps: Option<usize>,
    /// In which of the steps scores are renewed: always, once or every:N
    #[arg(long, value_name = "WHEN", default_value = "always")]
    pub rescore: Rescore,
    /// Kept channels are multiples of N; 1 is exact [default: 8, which kernels handle at once; 1 with --ratio]
    #[arg(long, value_name = "N", value_parser = values::positive)]
    pub round_to: Option<usize>,
    /// Groups with fewer channels than this keep any number [default: 24; 1 with --round-to or --latency]
    #[arg(long, value_name = "N", value_parser = values::positive)]
    pub round_from: Option<usize>,
    /// Share of each group that stays under protected-global, 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = values::floor, allow_negative_numbers = true)]
    pub floor: f64,
    /// Leave groups alone that match: by name, by a node or an initializer of theirs (repeatable; inspect -v lists
    /// them)
    #[arg(long, value_name = "GLOB", value_parser = values::glob)]
    pub protect: Vec<String>,
    /// Shrink only groups that match, likewise (repeatable)
    #[arg(long, value_name = "GLOB", value_parser = values::glob)]
    pub only: Vec<String>,
    /// Remove this share of groups that match, likewise (repeatable; the last match counts)
    #[arg(long, value_name = "GLOB=SHARE", value_parser = values::ratio_for)]
    pub ratio_for: Vec<(String, f64)>,
    /// Kinds of axes that may shrink, of those that the command axes lists; also default and all
    #[arg(long, value_name = "KIND,...", default_value = "default")]
    pub axes: Axes,
    /// Measure what each group costs with 25, 50 and 75 % of it gone, on --data or else on random inputs; without a
    /// target, nothing else. --scheme sensitivity prunes by it
    #[arg(long)]
    pub sensitivity: bool,
    /// Remove whole attention heads instead of channels within heads: --axes conv,ffn,heads
    #[arg(long, conflicts_with = "axes")]
    pub heads: bool,
    /// Let layers that share a weight keep different channels, each with a copy of its own; without it they stay one
    /// layer
    #[arg(long)]
    pub untie: bool,
    /// Seed of everything random [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Replay a report: the same channels go; target, seed, --strip-debug and the data of --refit and --recalibrate-bn
    /// are the report's unless given
    #[arg(
        long,
        value_name = "JSON",
        conflicts_with_all = [
            "criterion", "scheme", "reduction", "normalization", "steps", "rescore", "round_to", "round_from", "preset", "floor", "protect",
            "only", "ratio_for", "axes", "heads", "sensitivity", "untie",
        ]
    )]
    pub recipe: Option<PathBuf>,
}

#[derive(Args)]
pub struct ModelArgs {
    /// Sizes of open input dimensions, by input or by name; a single input needs no name [default: batch 1, guesses
    /// that are told]
    #[arg(long, value_name = "INPUT:AxBxC|NAME=N,...", value_parser = values::shapes)]
    pub shapes: Option<values::ShapeList>,
    /// Remove debug metadata: stack traces and paths of the exporting machine
    #[arg(long)]
    pub strip_debug: bool,
}

#[derive(Args)]
pub struct CheckArgs {
    /// Do not run the result against the original with the channels masked
    #[arg(long)]
    pub no_verify: bool,
    /// Exit with code 4 and write nothing unless all of the result was verified
    #[arg(long, conflicts_with = "no_verify")]
    pub strict: bool,
    /// Contents of an input in verification and latency (repeatable): zeros, ones, range, random:LO..HI or a number
    #[arg(long, value_name = "NAME=WHAT", value_parser = values::fill, allow_hyphen_values = true)]
    pub input: Vec<(String, Fill)>,
    /// Contents of inputs from a file or folder: .npz, .npy or .pb, called like the input or input_0, ...
    #[cfg(feature = "data")]
    #[arg(long, value_name = "PATH")]
    pub inputs: Option<PathBuf>,
    /// Seconds that opening a model and its first run may take [default: generous, by the model's MACs]
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub run_timeout: Option<Duration>,
    /// Do not measure latency
    #[arg(long)]
    pub no_latency: bool,
    /// Time for measuring latency in milliseconds; three rounds are timed at least
    #[arg(long, value_name = "MS", default_value = "300", value_parser = values::positive)]
    pub latency_budget: usize,
    /// Folder that keeps the times of operators for --latency [default: onnx-prune in the user's cache folder]
    #[arg(long, value_name = "FOLDER")]
    pub times: Option<PathBuf>,
    /// Which runtime checks and measures; auto is onnxruntime where found, else tract; ort is an error where not found
    #[arg(long, value_name = "NAME", default_value = "auto", ignore_case = true)]
    pub runtime: RuntimeArg,
    /// The onnxruntime to use, a library or a folder that holds one; an error if it does not load
    #[arg(long, value_name = "PATH")]
    pub ort_library: Option<PathBuf>,
    /// Where models run: cpu, cuda, tensorrt, migraphx, directml (each with :N for a card), coreml, openvino
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// Threads of scoring and of the runtime [default: all cores]
    #[arg(long, value_name = "N", value_parser = values::positive)]
    pub threads: Option<usize>,
}

#[derive(Args)]
pub struct OutArgs {
    /// Write the report as JSON, which --recipe can replay; - writes to standard output
    #[arg(long, value_name = "JSON")]
    pub report: Option<PathBuf>,
    /// Make initializers that are also graph inputs initializers only: runtimes are several times faster then
    #[arg(long)]
    pub drop_initializer_inputs: bool,
    /// Print the report as JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Do everything but write the model
    #[arg(long)]
    pub dry_run: bool,
    /// Write the best that can be reached even if the target is missed
    #[arg(long)]
    pub force: bool,
    /// How progress is shown on standard error; json is one event a line
    #[arg(long, value_name = "HOW", default_value = "auto", ignore_case = true)]
    pub progress: ProgressArg,
    /// Print nothing but errors, and with --json the report
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show every group, the time each stage took, and what onnxruntime finds doubtful
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ReductionArg {
    Mean,
    Sum,
    Max,
    Prod,
    First,
}

impl From<ReductionArg> for Reduction {
    fn from(r: ReductionArg) -> Self {
        match r {
            ReductionArg::Mean => Reduction::Mean,
            ReductionArg::Sum => Reduction::Sum,
            ReductionArg::Max => Reduction::Max,
            ReductionArg::Prod => Reduction::Prod,
            ReductionArg::First => Reduction::First,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum NormalizationArg {
    Mean,
    None,
    Sum,
    Max,
    // One word, as in reports.
    #[value(name = "minmax")]
    MinMax,
    Gaussian,
}

impl From<NormalizationArg> for Normalization {
    fn from(n: NormalizationArg) -> Self {
        match n {
            NormalizationArg::Mean => Normalization::Mean,
            NormalizationArg::None => Normalization::None,
            NormalizationArg::Sum => Normalization::Sum,
            NormalizationArg::Max => Normalization::Max,
            NormalizationArg::MinMax => Normalization::MinMax,
            NormalizationArg::Gaussian => Normalization::Gaussian,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum RuntimeArg {
    Auto,
    Tract,
    #[value(alias = "onnxruntime")]
    Ort,
}

impl From<RuntimeArg> for Choice {
    fn from(r: RuntimeArg) -> Self {
        match r {
            RuntimeArg::Auto => Choice::Auto,
            RuntimeArg::Tract => Choice::Tract,
            RuntimeArg::Ort => Choice::Ort,
        }
    }
}
