//! Arguments.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser};

/// Structural pruning of ONNX models.
#[derive(Parser)]
#[command(version, about)]
pub struct Args {
    #[command(flatten)]
    pub prune: Prune,
}

/// Prune a model.
#[derive(ClapArgs)]
pub struct Prune {
    /// Model to prune; - reads standard input
    pub model: PathBuf,
    /// Where the pruned model goes; - writes to standard output
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Importance criterion
    #[arg(long, default_value = "l2")]
    pub criterion: String,
    /// Scheme
    #[arg(long, default_value = "protected-global")]
    pub scheme: String,
    /// Target: base MACs / pruned MACs, as in 2x
    #[arg(long, group = "target")]
    pub speedup: Option<String>,
    /// Target: share of parameters that stay, as in 50%
    #[arg(long, group = "target")]
    pub params: Option<String>,
    /// Target: size of the file, as in 10MB
    #[arg(long, group = "target")]
    pub size: Option<String>,
    /// Target: share of channels that go, as in 0.5
    #[arg(long, group = "target")]
    pub ratio: Option<String>,
    /// Linear steps from the whole model to an empty one
    #[arg(long, default_value_t = 100)]
    pub steps: usize,
    /// Kept channels are multiples of N
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub round_to: usize,
    /// Share of each group that stays under protected-global
    #[arg(long, default_value_t = 0.1)]
    pub floor: f64,
    /// Leave groups alone whose weights match
    #[arg(long, value_name = "GLOB")]
    pub protect: Vec<String>,
    /// Shrink only groups whose weights match
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,
    /// Fixed ratio for groups whose weights match
    #[arg(long, value_name = "GLOB=R")]
    pub ratio_for: Vec<String>,
    /// Prune whole attention heads instead of channels within heads
    #[arg(long)]
    pub heads: bool,
    /// Sizes of open input dimensions
    #[arg(long, default_value = "")]
    pub shapes: String,
    /// Seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads
    #[arg(long)]
    pub threads: Option<usize>,
    /// Do not check the result
    #[arg(long)]
    pub no_verify: bool,
    /// Do not measure latency
    #[arg(long)]
    pub no_latency: bool,
    /// tract, ort or auto
    #[arg(long, default_value = "auto")]
    pub runtime: String,
    /// onnxruntime library
    #[arg(long)]
    pub ort_library: Option<PathBuf>,
    /// JSON report
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Replay a report
    #[arg(long)]
    pub recipe: Option<PathBuf>,
    /// Remove debug metadata
    #[arg(long)]
    pub strip_debug: bool,
    /// Write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write even if the target is missed
    #[arg(long)]
    pub force: bool,
}
