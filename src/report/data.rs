//! The report: everything about a run, enough to replay it. `schemas/report.schema.json` describes the JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::analysis::{Analysis, AxisKind, ViewId};
use crate::criteria::{Normalization, Reduction};
use crate::data::DataOrigin;
use crate::planning::{Keep, Options, Reached, Targets};
use crate::runtime::latency::Pair;
use crate::runtime::{Choice, Device, LoadedLibrary};

/// Writes a count without a fraction, as long as it is exact.
pub(super) fn whole<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if x.fract() == 0.0 && x.abs() <= EXACT { to.serialize_i64(*x as i64) } else { to.serialize_f64(*x) }
}

/// Version of the report's layout.
pub const VERSION: u32 = 1;

/// Figures of one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFigures {
    /// Multiply-accumulates of contractions at the bound input shapes.
    #[serde(serialize_with = "whole")]
    pub macs: f64,
    /// Elements of weights.
    #[serde(serialize_with = "whole")]
    pub params: f64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Peak bytes of live activations.
    #[serde(serialize_with = "whole")]
    pub activation_bytes: f64,
    /// Prunable channels.
    pub channels: usize,
}

/// What becomes of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupChange {
    /// Name of the weight that produces the channels.
    pub name: String,
    /// What the channels are for.
    pub kind: AxisKind,
    /// Channels before.
    pub before: usize,
    /// Channels after.
    pub after: usize,
    /// Share of the model's MACs that depend on the group, before.
    pub macs_share: f64,
    /// Whether an operator mixes across the channels.
    pub mixed: bool,
    /// Weights and axes that carry the channels.
    pub members: Vec<(String, usize)>,
    /// Indices of the channels that stay.
    pub kept: Vec<u32>,
}

/// Weight axes that cannot shrink, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenAxes {
    /// Number of positions.
    pub size: usize,
    /// What stands in the way.
    pub reason: String,
    /// The node or tensor that brought it up.
    pub at: String,
    /// Weights and axes.
    pub members: Vec<(String, usize)>,
}

/// What the check of masked against removed found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Largest difference to what the masked original gives, as a share of the element's scale.
    pub difference: f64,
    /// Groups whose removed channels were masked in the original.
    pub compared: usize,
    /// Groups that an operator mixes across, reordered instead of masked.
    pub mixed: usize,
    /// Outputs that were compared.
    pub outputs: usize,
    /// Sizes of open axes at which both models were run.
    pub sizes: BTreeMap<String, Vec<i64>>,
    /// Kinds of inputs that both models were run on.
    pub inputs: Vec<String>,
    /// Outputs that depend on what shrank but told nothing, with the reason.
    pub unchecked_outputs: BTreeMap<String, String>,
    /// Groups that lie in a branch that did not run.
    pub unchecked_groups: Vec<String>,
    /// Operators that the runtime does not know: compared was what they read.
    pub before_operators: Vec<String>,
}

/// Measured latency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatencyReport {
    /// Runtime and version.
    pub runtime: String,
    /// Where it ran.
    pub device: Device,
    /// Shape of each input.
    pub inputs: BTreeMap<String, Vec<usize>>,
    /// Times before (a) and after (b), alternating, in milliseconds.
    pub pair: Pair,
}

/// What came of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// The target's key, as in the settings.
    pub name: String,
    /// What was wanted.
    pub wanted: f64,
    /// What was reached; `None` where that is not known, as for times in a replay.
    pub reached: Option<f64>,
    /// Whether that does.
    pub met: bool,
}

impl From<Reached> for TargetReport {
    fn from(r: Reached) -> Self {
        let reached = r.figure.is_finite().then_some(r.figure);
        TargetReport { name: r.goal.target.key().to_owned(), wanted: r.goal.wanted, reached, met: r.met }
    }
}

/// What one group costs when part of it goes and all others stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupSensitivity {
    /// The group.
    pub name: String,
    /// Channels in the file.
    pub before: usize,
    /// What is lost with fewer channels.
    pub points: Vec<SensitivityPoint>,
}

/// What is lost with some of a group's channels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensitivityPoint {
    /// Channels that stay, those with the highest scores.
    pub kept: usize,
    /// What is lost; below 0 where something is won.
    pub degradation: f64,
}

/// What sensitivity is a degradation of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SensitivityMeasure {
    /// The share of samples with the right class.
    Accuracy,
    /// The mean cosine with the original's outputs.
    Agreement,
}

/// What each group costs when part of it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensitivityReport {
    /// What is lost.
    pub of: SensitivityMeasure,
    /// Top-1 accuracy of the original, where the data has classes.
    pub original: Option<f64>,
    /// Every group that may shrink.
    pub groups: Vec<GroupSensitivity>,
}

/// What a plan for a time rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeReport {
    /// Subgraphs of the model that were timed.
    pub timed: usize,
    /// Subgraphs whose time was known from earlier runs.
    pub known: usize,
    /// Parts that cannot run alone.
    pub left_out: usize,
    /// The parts' times, as a share of the measured time of the original.
    pub explained: f64,
    /// Plans that were run beside the original until one was near enough.
    pub plans: usize,
}

/// Seconds spent in each stage.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Reading and decoding.
    pub load: f64,
    /// Shapes, relations, groups, cost polynomials.
    pub analyse: f64,
    /// Statistics of activations.
    #[serde(default)]
    pub calibrate: f64,
    /// Scoring, ranking and selection, all steps.
    pub plan: f64,
    /// Surgery and second shape inference.
    pub rewrite: f64,
    /// Writing and syncing.
    pub write: f64,
    /// Masked equals removed.
    pub verify: f64,
    /// Least squares and statistics of batch normalisations.
    #[serde(default)]
    pub recover: f64,
    /// Latency measurement.
    pub latency: f64,
}

/// How far a model gives what the original gives, on calibration samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    /// Top-1 accuracy in the first output, where the data has classes.
    pub accuracy: Option<f64>,
    /// Share of the samples with the same answer, of a classifier.
    pub same_answer: Option<f64>,
    /// Mean Kullback-Leibler divergence from the original's class probabilities, of a classifier.
    pub divergence: Option<f64>,
    /// Mean cosine of the outputs.
    pub cosine: f64,
}

/// What stood in for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandIn {
    /// Images that the program drew.
    DrawnImages,
    /// Random numbers.
    RandomInputs,
}

/// What data tells of the pruned model, and what it won back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// What the samples were, where there was no data.
    #[serde(default)]
    pub stand_in: Option<StandIn>,
    /// Calibration samples that it is told of.
    pub samples: usize,
    /// Whether these are others than those that layers were solved with.
    pub held_out: bool,
    /// Top-1 accuracy of the original, where the data has classes.
    pub original: Option<f64>,
    /// Right after pruning.
    pub pruned: Option<Likeness>,
    /// Layers with new weights by least squares.
    pub layers: Option<usize>,
    /// Layers whose input has changed and that keep their weights.
    pub layers_left: usize,
    /// After the least squares.
    pub refitted: Option<Likeness>,
    /// Batch normalisations with new statistics.
    pub normalizations: Option<usize>,
    /// After that.
    pub recalibrated: Option<Likeness>,
}

impl Recovery {
    /// How far the model as it is in the end gives what the original gives.
    pub fn last(&self) -> Option<Likeness> {
        // Least squares that brought the outputs no nearer were undone.
        let refitted = self.refitted.filter(|_| self.layers != Some(0));
        self.recalibrated.or(refitted).or(self.pruned)
    }
}

/// What a run was asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Importance criterion.
    pub criterion: String,
    /// Scheme.
    pub scheme: String,
    /// Targets, all of which must hold; where something was to be kept, what was found.
    #[serde(rename = "target")]
    pub targets: Targets,
    /// What the result had to keep.
    #[serde(default)]
    pub keep: Option<Keep>,
    /// Seed of everything random.
    pub seed: u64,
    /// Reduction over items.
    pub reduction: Reduction,
    /// Normalisation over channels.
    pub normalization: Normalization,
    /// Options of planning.
    pub options: Options,
    /// Whether debug metadata was removed.
    pub strip_debug: bool,
    /// Whether the layers that read what shrank were solved again.
    #[serde(default)]
    pub refit: bool,
    /// Whether batch normalisations got new statistics.
    #[serde(default)]
    pub recalibrate_bn: bool,
    /// Whether initializers are no graph inputs any more.
    #[serde(default)]
    pub drop_initializer_inputs: bool,
    /// The calibration data.
    #[serde(default)]
    pub data: Option<DataOrigin>,
    /// The runtime asked for.
    #[serde(default)]
    pub runtime: Choice,
    /// Where models ran.
    #[serde(default)]
    pub device: Device,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Layout version of the report.
    pub report: u32,
    /// Version of the program.
    pub version: String,
    /// File name of the model.
    pub model: String,
    /// What was asked.
    pub settings: Settings,
    /// Sizes of symbolic dimensions that figures are given for.
    pub shapes: BTreeMap<String, i64>,
    /// Figures before.
    pub before: ModelFigures,
    /// Figures after.
    pub after: ModelFigures,
    /// Operators whose work is not in the MACs, with how many nodes.
    pub uncounted: BTreeMap<String, usize>,
    /// Base MACs / pruned MACs.
    pub speedup: f64,
    /// Steps taken.
    pub steps: usize,
    /// What came of each target.
    #[serde(default)]
    pub targets: Vec<TargetReport>,
    /// Set when a target was not reached: why.
    pub missed: Option<String>,
    /// Every group.
    pub groups: Vec<GroupChange>,
    /// Every weight axis that cannot shrink.
    pub frozen: Vec<FrozenAxes>,
    /// The check of masked against removed.
    pub verification: Option<Verification>,
    /// Why there is no verification, where one was wanted.
    pub not_verified: Option<String>,
    /// What data won back.
    pub recovery: Option<Recovery>,
    /// What each group costs when part of it goes, where that was measured.
    pub sensitivity: Option<SensitivityReport>,
    /// What the plan rests on, where the target is a time.
    pub times: Option<TimeReport>,
    /// Latency before and after.
    pub latency: Option<LatencyReport>,
    /// The onnxruntime library that was loaded, and why that one; `null` where none was.
    pub library: Option<LoadedLibrary>,
    /// Seconds by stage.
    pub seconds: Timings,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The part of a report that a replay needs.
#[derive(Clone, Debug, Deserialize)]
pub struct Recipe {
    /// What was asked.
    pub settings: Settings,
    /// Kept channels.
    pub groups: Vec<RecipeGroup>,
}

/// Kept channels of one group.
#[derive(Clone, Debug, Deserialize)]
pub struct RecipeGroup {
    /// The group.
    pub name: String,
    /// Channels before.
    pub before: usize,
    /// Indices that stay.
    pub kept: Vec<u32>,
}

/// A recipe that is no report.
#[derive(Debug, thiserror::Error)]
#[error("not a report of this program: {0}")]
pub struct UnreadableRecipe(#[from] serde_json::Error);

/// Reads a recipe from a report's JSON.
///
/// # Errors
/// When the text is no report.
pub fn recipe(json: &str) -> Result<Recipe, UnreadableRecipe> {
    Ok(serde_json::from_str(json)?)
}

/// Groups and frozen axes of a model that nothing has been removed from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overview {
    /// What can shrink.
    pub groups: Vec<GroupChange>,
    /// What cannot.
    pub frozen: Vec<FrozenAxes>,
}

/// Describes the groups of an analysis; `kept` is what stays of each.
pub fn overview(a: &Analysis, kept: Option<&[Vec<u32>]>) -> Overview {
    let full = a.full_counts();
    let total = a.costs.macs.eval(&full).max(1.0);
    let mut share = vec![0.0; full.len()];
    for i in 0..a.costs.macs.len() {
        let macs = a.costs.macs.eval_product(i, &full);
        a.costs.macs.atoms_of(i).into_iter().for_each(|g| share[g] += macs / total);
    }
    let member = |v: ViewId, axis: usize| (a.graph.weight_name(a.views[v].tensor).to_owned(), axis);
    let groups = a
        .groups
        .iter()
        .enumerate()
        .map(|(i, g)| GroupChange {
            name: g.name.clone(),
            kind: g.kind,
            before: g.size,
            after: kept.map_or(g.size, |k| k[i].len()),
            macs_share: share[i],
            mixed: g.flags.mixed,
            members: g.items.iter().map(|m| member(m.view, m.axis)).collect(),
            kept: kept.map_or_else(|| (0..g.size as u32).collect(), |k| k[i].clone()),
        })
        .collect();
    let frozen = a
        .frozen
        .iter()
        .map(|f| FrozenAxes { size: f.size, reason: f.kind.to_owned(), at: f.at.clone(), members: f.places.clone() })
        .collect();
    Overview { groups, frozen }
}
