//! What a run is asked to do, and why it may fail.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Defaults;
use crate::analysis::{AxisKind, Shapes, Sharing};
use crate::criteria::{self, Criterion, ScoreOptions};
use crate::data::BatchSource;
use crate::hint::Hint;
use crate::job::Cancelled;
use crate::latency;
use crate::onnx::{self, Model};
use crate::planning::targets::{Ratio, Speedup};
use crate::planning::{self, Keep, Options, Scheme, Targets};
use crate::recovery::Means;
use crate::report::Recipe;
use crate::rewriting;
use crate::runtime::{self, Choice, Fill, SessionOptions};
use crate::sensitivity;
use crate::statistics;

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
        "the model has {macs} MACs at these sizes ({sizes}): other sizes ({}), or another target than {}",
        Hint::Shapes,
        Hint::Speedup
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
    /// The job was asked to stop.
    #[error("interrupted")]
    Cancelled(#[from] Cancelled),
    /// Recovery was asked for without data.
    #[error("what a model must keep, and statistics of normalisations, come from data: give some with {}", Hint::Data)]
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
    #[error("measuring what the output loses on drawn images takes {:.0} T MACs", .macs / 1e12)]
    Work {
        /// Multiplications that it takes.
        macs: f64,
    },
}

impl Error {
    /// The setting that would help or is at fault, where there is one.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Error::NoData => Some(Hint::Data),
            Error::NoMacs { .. } => Some(Hint::Shapes),
            Error::Criterion(criteria::Error::NoData { .. })
            | Error::Planning(planning::Error::Criterion(criteria::Error::NoData { .. })) => Some(Hint::Data),
            Error::Latency(latency::Error::Unexplained { .. }) => Some(Hint::Speedup),
            Error::Analysis(e) | Error::Rewriting(rewriting::Error::Analysis(e)) => e.hint(),
            Error::Data(e) => e.hint(),
            Error::Runtime(e)
            | Error::Rewriting(rewriting::Error::Runtime(e))
            | Error::Latency(latency::Error::Runtime(e))
            | Error::Statistics(statistics::Error::Runtime(e)) => e.hint(),
            _ => None,
        }
    }
}

/// What to do. [`PruneRequest::new`] fills everything in but the targets; change what should be different:
///
/// ```
/// use onnx_prune::targets::{Goal, Params, Speedup, Targets};
/// use onnx_prune::PruneRequest;
///
/// let mut request = PruneRequest::new(Targets::one(&Speedup, 2.0).and(Goal::new(&Params, 0.6)));
/// request.score.seed = 7;
/// request.options.protect.push("stem.*".to_owned());
/// ```
#[derive(Clone)]
pub struct PruneRequest {
    /// Importance criterion.
    pub criterion: &'static dyn Criterion,
    /// Scheme.
    pub scheme: &'static dyn Scheme,
    /// Options of scoring.
    pub score: ScoreOptions,
    /// What to aim at: all of it must hold.
    pub targets: Targets,
    /// What the result must keep: then the targets are not looked at, and the smallest model that keeps it is made.
    pub keep: Option<Keep>,
    /// Options of planning.
    pub options: Options,
    /// Kinds that some group must be of: a model without heads cannot lose any.
    pub kinds: Vec<AxisKind>,
    /// Sizes of open input dimensions.
    pub shapes: Shapes,
    /// Kept channels of an earlier run, to be used instead of a search.
    pub recipe: Option<Recipe>,
    /// Whether debug metadata goes.
    pub strip_debug: bool,
    /// Whether a missed target is written all the same.
    pub force: bool,
    /// Whether the result is checked against the masked original.
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
    pub data: Option<Arc<dyn BatchSource>>,
    /// Whether to measure what each group costs when part of it goes; a scheme may ask for it, too.
    pub sensitivity: bool,
    /// How accuracy is won back from the data after pruning; without data, from what stands in for it.
    pub recover: Means,
    /// What is done instead where there is no data and nothing can stand in for it; an error if `None`.
    pub otherwise: Option<Defaults>,
}

impl PruneRequest {
    /// Channels with the smallest weights go, and no data is needed; the result is verified, latency is not measured.
    /// [`PruneRequest::recommended`] keeps more of what a model knows.
    pub fn new(targets: impl Into<Targets>) -> Self {
        let targets = targets.into();
        let Defaults { round_to, round_from, steps, .. } = Defaults::WEIGHTS;
        let everything = targets.wanted(&Ratio).is_some();
        PruneRequest {
            criterion: &criteria::L2,
            scheme: planning::default_scheme(),
            score: ScoreOptions::default(),
            targets,
            keep: None,
            // A ratio is a number of channels.
            options: Options {
                steps,
                round_to: if everything { 1 } else { round_to },
                round_from,
                ..Options::default()
            },
            kinds: Vec::new(),
            shapes: Shapes::new(),
            recipe: None,
            strip_debug: false,
            force: false,
            verify: true,
            strict: false,
            fills: Vec::new(),
            drop_initializer_inputs: false,
            latency: None,
            runtime: Choice::Auto,
            library: None,
            times: None,
            session: SessionOptions::default(),
            data: None,
            sensitivity: false,
            recover: Means::default(),
            otherwise: None,
        }
    }

    /// The settings that measured best for a model, with data or without, as the command line has them by default.
    ///
    /// # Errors
    /// None that a release gives: the names of the defaults are in the tables.
    pub fn recommended(
        model: &Model,
        targets: impl Into<Targets>,
        data: Option<Arc<dyn BatchSource>>,
    ) -> Result<Self, Error> {
        let given = data.is_some();
        let mut request =
            PruneRequest { data, otherwise: Defaults::otherwise(model, given), ..PruneRequest::new(targets) };
        Defaults::of(model, given).settle(&mut request)?;
        Ok(request)
    }

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

/// Half the MACs, by [`PruneRequest::new`].
impl Default for PruneRequest {
    fn default() -> Self {
        PruneRequest::new(Targets::one(&Speedup, 2.0))
    }
}
