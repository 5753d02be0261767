//! What a run is asked to do, what it tells on the way, and why it may fail.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Defaults;
use crate::analysis::{Kind, Shapes, Sharing};
use crate::criteria::{self, Criterion, ScoreOptions};
use crate::latency;
use crate::onnx;
use crate::planning::{self, Keep, Options, Scheme, Step, Targets};
use crate::recovery::Means;
use crate::report::{Recipe, Report};
use crate::rewriting;
use crate::runtime::{self, Choice, Fill, SessionOptions};
use crate::sensitivity;
use crate::statistics::{self, Source};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model or the output file.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    /// The analysis.
    #[error(transparent)]
    Analysis(#[from] crate::analysis::Error),
    /// The criterion.
    #[error(transparent)]
    Criterion(#[from] criteria::Error),
    /// The plan.
    #[error(transparent)]
    Planning(#[from] planning::Error),
    /// Surgery or verification.
    #[error(transparent)]
    Rewriting(#[from] rewriting::Error),
    /// The runtime.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// Statistics of activations.
    #[error(transparent)]
    Statistics(#[from] statistics::Error),
    /// Aiming at a time.
    #[error(transparent)]
    Latency(#[from] latency::Error),
    /// Measuring sensitivity.
    #[error(transparent)]
    Sensitivity(#[from] sensitivity::Error),
    /// The model has no MACs that a target could be reached by.
    #[error(
        "the model has {macs} MACs at these sizes ({sizes}): other sizes (--shapes), or another target than --speedup"
    )]
    NoMacs {
        /// What was counted.
        macs: f64,
        /// Sizes of open dimensions.
        sizes: String,
    },
    /// The data.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// Recovery was asked for without data.
    #[error("what a model must keep, and statistics of normalisations, come from data: give some with --data")]
    NoData,
    /// What must be kept cannot be told.
    #[error(
        "the accuracy that may be lost cannot be told: the data has no classes, or the first output no scores of them"
    )]
    NoLabels,
    /// What must be kept cannot be told.
    #[error("the model has no output that could be compared with the original's")]
    NoOutputs,
    /// Without data, measuring takes longer than anyone may want to wait for what comes of it.
    #[error("measuring what the output loses on drawn pictures takes {:.0} T MACs", .macs / 1e12)]
    Work {
        /// Multiplications that it takes.
        macs: f64,
    },
}

/// What to do.
#[derive(Clone)]
pub struct Request {
    /// Importance criterion.
    pub criterion: &'static dyn Criterion,
    /// Scheme.
    pub scheme: &'static dyn Scheme,
    /// Options of scoring.
    pub score: ScoreOptions,
    /// What to aim at.
    pub targets: Targets,
    /// What the result must keep: then the targets are not looked at, and the smallest model that keeps it is made.
    pub keep: Option<Keep>,
    /// Options of planning.
    pub options: Options,
    /// Kinds that some group must be of: a model without heads cannot lose any.
    pub kinds: Vec<Kind>,
    /// Sizes of open input dimensions.
    pub shapes: Shapes,
    /// Kept channels of an earlier run, to be used instead of a search.
    pub recipe: Option<Recipe>,
    /// Whether debug metadata goes.
    pub strip_debug: bool,
    /// Whether a missed target is written all the same.
    pub force: bool,
    /// Whether the result is checked against the silenced original.
    pub verify: bool,
    /// Whether a result that could not be verified as a whole is not written.
    pub strict: bool,
    /// Inputs with contents of their own, by name, for verification and latency.
    pub fills: Vec<(String, Fill)>,
    /// Whether initializers stop being graph inputs.
    pub drop_initializer_inputs: bool,
    /// Time for measuring latency; `None` measures nothing.
    pub latency: Option<Duration>,
    /// Which runtime checks and measures.
    pub runtime: Choice,
    /// Where onnxruntime is looked for first.
    pub library: Option<PathBuf>,
    /// Folder that keeps the times of operators between runs, for targets that are times; `None` keeps none.
    pub times: Option<PathBuf>,
    /// Device and threads of the runtime.
    pub session: SessionOptions,
    /// Calibration data, for criteria that look at activations and for what `recover` asks.
    pub data: Option<Arc<dyn Source>>,
    /// Whether to measure what each group costs when part of it goes; a scheme may ask for it, too.
    pub sensitivity: bool,
    /// How accuracy is won back from the data after pruning; without data, from what stands in for it.
    pub recover: Means,
    /// What is done instead where there is no data and nothing can stand in for it; an error if `None`.
    pub otherwise: Option<Defaults>,
}

impl Request {
    /// What uses of one weight have in common: as asked, or as in the earlier run.
    pub fn sharing(&self) -> Sharing {
        let options = self.recipe.as_ref().map_or(&self.options, |r| &r.settings.options);
        if options.untie { Sharing::Apart } else { Sharing::Tied }
    }

    /// Whether anything asks for a runtime.
    pub(super) fn runs_models(&self) -> bool {
        self.verify || self.latency.is_some() || self.data.is_some() || self.sensitivity || self.needs_samples()
    }

    /// Whether samples are needed, from data or drawn.
    pub(super) fn needs_samples(&self) -> bool {
        self.recover.any() || self.scheme.follows_curves() && self.recipe.is_none()
    }
}

/// Where the result goes.
pub enum Output<'a> {
    /// A file.
    File(&'a Path),
    /// A stream.
    Stream(&'a mut dyn std::io::Write),
    /// Nowhere: only the report is wanted.
    None,
}

/// Told what happens; answering `false` stops the run before anything is written.
pub trait Progress {
    /// A stage begins.
    fn stage(&mut self, name: &'static str) -> bool;
    /// A step of planning is done.
    fn step(&mut self, step: Step) -> bool;
    /// So many parts of the model have been timed, of so many.
    fn parts(&mut self, _done: usize, _of: usize) -> bool {
        true
    }
    /// So many candidates have been run, of so many.
    fn candidates(&mut self, _done: usize, _of: usize) -> bool {
        true
    }
    /// So many layers have been refitted, of so many.
    fn layers(&mut self, _done: usize, _of: usize) -> bool {
        true
    }
    /// So many samples of calibration data went through the model.
    fn samples(&mut self, _done: usize) -> bool {
        true
    }
}

/// Says nothing, never stops.
pub struct Silent;

impl Progress for Silent {
    fn stage(&mut self, _: &'static str) -> bool {
        true
    }
    fn step(&mut self, _: Step) -> bool {
        true
    }
}

/// What came out.
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// Whether a model was written.
    pub written: bool,
    /// What could not be verified, where `strict` wanted that.
    pub unverified: Option<String>,
}
