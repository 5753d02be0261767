//! The whole job: load, analyse, plan, rewrite, write, verify, measure, report.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::analysis::{Analysis, Shapes, peak_activation_bytes};
use crate::criteria::{self, Criterion, Measure, ScoreOptions};
use crate::onnx::{self, Model, SaveOptions, save};
use crate::planning::{self, Aim, Options, Plan, Scheme, Step, Target};
use crate::recover::{Means, recover};
use crate::report::{LatencyReport, ModelFigures, Recipe, Report, Settings, Timings, VERSION, Verification, overview};
use crate::rewriting::{self, Check, CheckOptions};
use crate::runtime::latency::{LatencyOptions, measure_pair};
use crate::runtime::{self, Choice, Runtime, SessionOptions};
use crate::statistics::{self, Calibration, GroupStatistics, Source, Wanted};

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
    /// Recovery was asked for without data.
    #[error("least squares and statistics of normalisations come from data: give some with --data")]
    NoData,
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
    pub target: Target,
    /// Options of planning.
    pub options: Options,
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
    /// Time for measuring latency; `None` measures nothing.
    pub latency: Option<Duration>,
    /// Which runtime checks and measures.
    pub runtime: Choice,
    /// Where onnxruntime is looked for first.
    pub library: Option<PathBuf>,
    /// Threads of the runtime.
    pub threads: Option<usize>,
    /// Calibration data, for criteria that look at activations and for what `recover` asks.
    pub data: Option<Arc<dyn Source>>,
    /// How accuracy is won back from the data after pruning.
    pub recover: Means,
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
}

/// Prunes a model.
///
/// A missed target gives an [`Outcome`] with `report.missed` set, and no file unless forced.
///
/// # Errors
/// Anything that makes the result less than certain: then nothing is written.
pub fn prune(
    model: &mut Model,
    request: &Request,
    output: Output,
    progress: &mut dyn Progress,
) -> Result<Outcome, Error> {
    let mut seconds = Timings::default();
    let mut warnings = model.warnings.clone();
    debug_metadata(model, request.strip_debug, &mut warnings);
    let model = &*model;

    begin(progress, "analyse")?;
    let clock = Instant::now();
    let a = Analysis::new(model, &request.shapes)?;
    warnings.extend(a.warnings.iter().cloned());
    seconds.analyse = clock.elapsed().as_secs_f64();

    let statistics = calibrate(&a, request, progress, &mut seconds)?;

    begin(progress, "plan")?;
    let clock = Instant::now();
    let mut plan = make_plan(&a, request, &statistics, progress)?;
    drop(statistics);
    seconds.plan = clock.elapsed().as_secs_f64();
    warnings.append(&mut plan.notes);

    begin(progress, "rewrite")?;
    let clock = Instant::now();
    let kept = plan.kept_atoms(&a);
    let mut pruned = with_layout(model, rewriting::prune(&a, &kept)?);
    seconds.rewrite = clock.elapsed().as_secs_f64();

    let missed = plan.missed.map(|m| format!("the best reachable is {}, wanted {m}; {}", plan.reached, plan.why));
    let wanted = missed.is_none() || request.force;
    let mut report = start_report(&a, request, &plan, missed, model);
    let (mut written, mut check) = (false, None);
    if wanted {
        let target = match &output {
            Output::File(path) => path.to_path_buf(),
            _ => std::env::temp_dir().join("pruned.onnx"),
        };
        begin(progress, "write")?;
        let clock = Instant::now();
        let mut staged = save::stage(&pruned, &target, &SaveOptions::default())?;
        report.after.bytes = staged.bytes();
        seconds.write = clock.elapsed().as_secs_f64();

        if request.verify || request.latency.is_some() {
            begin(progress, "verify")?;
            let clock = Instant::now();
            match runtime::select(request.runtime, request.library.as_deref()) {
                Ok(selected) => {
                    let runtime = &*selected.runtime;
                    warnings.extend(selected.warnings);
                    check = check_staged(&a, &kept, staged.model_path(), runtime, request, &mut warnings)?;
                    seconds.verify = clock.elapsed().as_secs_f64();
                    if let (Some(c), Some(budget)) = (&mut check, request.latency) {
                        begin(progress, "measure")?;
                        let clock = Instant::now();
                        report.latency = measure(c, runtime, budget, &mut warnings);
                        seconds.latency = clock.elapsed().as_secs_f64();
                    }
                }
                // Without a check, a runtime is only a wish.
                Err(e) if !request.verify => warnings.push(format!("latency not measured: {e}")),
                Err(e) => return Err(e.into()),
            }
        }
        // What is won back changes values only, and only of a model that is right without it.
        if let Some(source) = request.data.as_deref().filter(|_| request.recover.any()) {
            begin(progress, "recover")?;
            let clock = Instant::now();
            let runtime = runtime::select(request.runtime, request.library.as_deref())?.runtime;
            let progress = RefCell::new(&mut *progress);
            let told = |n| progress.borrow_mut().samples(n);
            let calibration = calibration(source, &*runtime, request, &told);
            report.recovery = Some(recover(&a, &kept, &mut pruned, request.recover, &calibration)?);
            staged = save::stage(&pruned, &target, &SaveOptions::default())?;
            report.after.bytes = staged.bytes();
            seconds.recover = clock.elapsed().as_secs_f64();
        }
        begin(progress, "commit")?;
        let clock = Instant::now();
        match output {
            Output::File(_) => {
                staged.commit()?;
                written = true;
            }
            Output::Stream(out) => {
                onnx::write_to(&pruned, out)?;
                written = true;
            }
            Output::None => {}
        }
        seconds.write += clock.elapsed().as_secs_f64();
    }
    report.verification = check.filter(|_| request.verify).map(|c| verification(c.verdict));
    latency_advice(&report, request, &mut warnings);
    report.warnings = warnings;
    report.seconds = seconds;
    Ok(Outcome { report, written })
}

fn verification(v: rewriting::Verdict) -> Verification {
    let rewriting::Verdict { difference, compared, mixed, outputs } = v;
    Verification { difference, compared, mixed, outputs }
}

fn begin(progress: &mut dyn Progress, stage: &'static str) -> Result<(), Error> {
    if progress.stage(stage) { Ok(()) } else { Err(planning::Error::Interrupted.into()) }
}

fn debug_metadata(model: &mut Model, strip: bool, warnings: &mut Vec<String>) {
    if strip {
        onnx::strip_debug(&mut model.proto);
        return;
    }
    let info = onnx::debug_info(&model.proto);
    if let Some(example) = info.example {
        let n = info.nodes;
        warnings
            .push(format!("{n} nodes carry paths of the exporting machine, as {example} (--strip-debug removes them)"));
    }
}

fn calibration<'a>(
    source: &'a dyn Source,
    runtime: &'a dyn Runtime,
    request: &Request,
    progress: &'a dyn Fn(usize) -> bool,
) -> Calibration<'a> {
    Calibration {
        source,
        runtime,
        session: SessionOptions { threads: request.threads, ..SessionOptions::default() },
        seed: request.score.seed,
        positions: Calibration::POSITIONS,
        progress,
    }
}

/// What the criterion wants to know of the data.
fn calibrate(
    a: &Analysis,
    request: &Request,
    progress: &mut dyn Progress,
    seconds: &mut Timings,
) -> Result<Vec<GroupStatistics>, Error> {
    if request.recover.any() && request.data.is_none() {
        return Err(Error::NoData);
    }
    let measure = request.criterion.plan().measure;
    let wanted = Wanted { grams: measure == Measure::Shares, ranks: measure == Measure::Ranks };
    let Some(source) = request.data.as_deref().filter(|_| wanted != Wanted::default() && request.recipe.is_none())
    else {
        return Ok(Vec::new());
    };
    begin(progress, "calibrate")?;
    let clock = Instant::now();
    let runtime = runtime::select(request.runtime, request.library.as_deref())?.runtime;
    let progress = RefCell::new(progress);
    let told = |n| progress.borrow_mut().samples(n);
    let statistics = statistics::collect(a, wanted, &calibration(source, &*runtime, request, &told))?;
    seconds.calibrate = clock.elapsed().as_secs_f64();
    Ok(statistics)
}

fn make_plan(
    a: &Analysis,
    request: &Request,
    statistics: &[GroupStatistics],
    progress: &mut dyn Progress,
) -> Result<Plan, Error> {
    if let Some(recipe) = &request.recipe {
        let recorded: Vec<_> = recipe.groups.iter().map(|g| (g.name.clone(), g.before, g.kept.clone())).collect();
        return Ok(planning::replay(a, request.target, &recorded)?);
    }
    // What a file takes beside its weights hardly changes; a size target that is missed by it is aimed at again.
    let full = a.full_counts();
    let mut beside = a.graph.model.file_bytes as f64 - a.costs.weight_bytes.eval(&full);
    for _ in 0..4 {
        let aim = Aim {
            criterion: request.criterion,
            scheme: request.scheme,
            score: request.score,
            target: request.target,
            options: &request.options,
            fixed_bytes: beside,
            statistics,
        };
        let plan = planning::plan(a, &aim, &mut |s| progress.step(s))?;
        let Target::Size(limit) = request.target else { return Ok(plan) };
        if plan.missed.is_some() {
            return Ok(plan);
        }
        let proto = rewriting::prune(a, &plan.kept_atoms(a))?;
        let bytes = onnx::write_to(&with_layout(a.graph.model, proto), &mut std::io::sink())?;
        if bytes <= limit {
            return Ok(plan);
        }
        beside += (bytes - limit) as f64;
    }
    Err(planning::Error::NothingPrunable { why: "its size does not follow its weights".to_owned() }.into())
}

fn with_layout(model: &Model, proto: onnx::proto::ModelProto) -> Model {
    Model { proto, external: model.external.clone(), unknown: model.unknown.clone(), ..Model::default() }
}

fn start_report(a: &Analysis, request: &Request, plan: &Plan, missed: Option<String>, model: &Model) -> Report {
    let (full, counts) = (a.full_counts(), plan.counts());
    let kept = plan.kept_atoms(a);
    let weights = |c: &[usize]| a.costs.weight_bytes.eval(c);
    let figures = |c: &[usize], kept, bytes| ModelFigures {
        macs: a.costs.macs.eval(c),
        params: a.costs.params.eval(c),
        bytes,
        activation_bytes: peak_activation_bytes(a, kept),
        channels: c.iter().sum(),
    };
    let whole = crate::algebra::Kept::new();
    let before = figures(&full, &whole, model.file_bytes);
    let estimate = model.file_bytes as f64 - weights(&full) + weights(&counts);
    let after = figures(&counts, &kept, estimate.max(0.0) as u64);
    let all = overview(a, Some(&plan.kept));
    let name = |p: &PathBuf| p.file_name().map(|n| n.to_string_lossy().into_owned());
    Report {
        report: VERSION,
        version: env!("CARGO_PKG_VERSION"),
        model: model.path.as_ref().and_then(name).unwrap_or_else(|| "-".to_owned()),
        settings: match &request.recipe {
            Some(r) => Settings {
                target: request.target,
                seed: request.score.seed,
                strip_debug: request.strip_debug,
                refit: request.recover.refit,
                recalibrate_bn: request.recover.recalibrate,
                ..r.settings.clone()
            },
            None => Settings {
                criterion: request.criterion.name().to_owned(),
                scheme: request.scheme.name().to_owned(),
                target: request.target,
                seed: request.score.seed,
                reduction: format!("{:?}", request.score.reduction).to_lowercase(),
                normalization: format!("{:?}", request.score.normalization).to_lowercase(),
                options: request.options.clone(),
                strip_debug: request.strip_debug,
                refit: request.recover.refit,
                recalibrate_bn: request.recover.recalibrate,
            },
        },
        shapes: a.facts.bindings.iter().map(|(k, v)| (k.clone(), *v)).collect(),
        before,
        after,
        // A model without MACs is as fast as it was.
        speedup: if after.macs > 0.0 { before.macs / after.macs } else { 1.0 },
        steps: plan.steps,
        missed,
        groups: all.groups,
        frozen: all.frozen,
        verification: None,
        recovery: None,
        latency: None,
        seconds: Timings::default(),
        warnings: Vec::new(),
    }
}

fn check_staged(
    a: &Analysis,
    kept: &crate::algebra::Kept,
    path: &Path,
    runtime: &dyn Runtime,
    request: &Request,
    warnings: &mut Vec<String>,
) -> Result<Option<Check>, Error> {
    let session = SessionOptions { threads: request.threads, ..SessionOptions::default() };
    let options = CheckOptions { seed: request.score.seed, session: session.clone(), ..CheckOptions::default() };
    let checked = rewriting::verify(a, kept, path, runtime, &options);
    // A runtime that cannot run the original says nothing about the pruned model.
    if matches!(checked, Err(rewriting::Error::Runtime(_)))
        && let Err(why) = run_original(a, runtime, &session)
    {
        let other = if runtime.name() == "tract" { "; onnxruntime may, see --ort-library" } else { "" };
        warnings.push(format!("not verified: {} cannot run the original model ({why}){other}", runtime.name()));
        return Ok(None);
    }
    match checked {
        Ok(check) => Ok(Some(check)),
        Err(e) if !request.verify => {
            warnings.push(format!("latency not measured: {e}"));
            Ok(None)
        }
        Err(e @ rewriting::Error::Verification(_)) => {
            // The models may agree and the runtime's own rewriting be at fault: then they agree without it.
            let plain = SessionOptions { optimize: false, ..session };
            let again = rewriting::verify(a, kept, path, runtime, &CheckOptions { session: plain, ..options });
            let Ok(check) = again else { return Err(e.into()) };
            let name = runtime.name();
            warnings.push(format!(
                "verified without {name}'s graph optimization, which gives other results for one of the models"
            ));
            Ok(Some(check))
        }
        Err(e) => Err(e.into()),
    }
}

fn run_original(a: &Analysis, runtime: &dyn Runtime, session: &SessionOptions) -> Result<(), Error> {
    let inputs = rewriting::concrete_inputs(a, 0)?;
    let mut opened = match &a.graph.model.path {
        Some(path) => runtime.open(path, session)?,
        None => {
            let mut bytes = Vec::new();
            onnx::write_to(a.graph.model, &mut bytes)?;
            runtime.open_bytes(&bytes, None, session)?
        }
    };
    opened.run(&inputs)?;
    Ok(())
}

fn measure(
    c: &mut Check,
    runtime: &dyn Runtime,
    budget: Duration,
    warnings: &mut Vec<String>,
) -> Option<LatencyReport> {
    let options = LatencyOptions { budget, ..LatencyOptions::default() };
    let inputs = &c.inputs;
    match measure_pair((&mut *c.before, inputs), (&mut *c.after, inputs), &options) {
        Ok(pair) => {
            if let Some(doubt) = pair.doubt() {
                warnings.push(format!("latency: {doubt}"));
            }
            let shapes: BTreeMap<String, Vec<usize>> =
                inputs.iter().map(|(n, t)| (n.clone(), t.shape().to_vec())).collect();
            Some(LatencyReport { runtime: format!("{} {}", runtime.name(), runtime.version()), inputs: shapes, pair })
        }
        Err(e) => {
            warnings.push(format!("latency not measured: {e}"));
            None
        }
    }
}

/// Says so when the clock does not follow the MACs, and what usually helps.
fn latency_advice(report: &Report, request: &Request, warnings: &mut Vec<String>) {
    let Some(l) = &report.latency else { return };
    if l.pair.ratio >= 0.75 * report.speedup {
        return;
    }
    let ratio = l.pair.ratio;
    let mut text = format!("{:.2}x fewer MACs, but only {ratio:.2}x less time", report.speedup);
    if request.options.round_to < 8 {
        text.push_str("; vector units like full registers: try --round-to 8 (16 where AVX-512 is used)");
    } else {
        text.push_str("; what is left is bound by memory or by operators without MACs");
    }
    warnings.push(text);
}
