//! The steps of a run, one after the other.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::calibrate::{Measured, calibrate, calibration, measure_curves, measure_sensitivity, samples};
use super::check::{Trial, latency_advice};
use super::context::{Context, Ledger};
use super::figures::start_report;
use super::keep::{self, largest_speedup};
use super::plan::make_plan;
use super::pruned::Pruned;
use super::tilt::choose_tilt;
use super::{Error, PruneRequest, early, original, with_layout};
use crate::algebra::Kept;
use crate::analysis::{Analysis, count};
use crate::job::{Job, Stage, is_cancelled};
use crate::onnx::{Model, SaveOptions, Staged, save};
use crate::planning::Plan;
use crate::planning::targets::{Speedup, Targets};
use crate::recovery::recover;
use crate::recovery::samples::Samples;
use crate::report::{Report, SensitivityReport, TimeReport, Timings, text};
use crate::rewriting;
use crate::runtime::{self, Choice, OnDemand};
use crate::sensitivity::degradations;

/// How often a plan is made anew because a node cannot follow it.
const MAX_ROUNDS: usize = 8;

/// The whole run; the staged file beside `target` is what was verified, and `None` where nothing is to be put in place.
pub(super) fn run(
    model: Arc<Model>,
    request: &PruneRequest,
    target: Option<&Path>,
    job: Job,
) -> Result<(Pruned, Option<Staged>), Error> {
    let runtime = OnDemand::new(request.runtime, request.library.clone());
    let cx = Context { request, runtime: &runtime, job };
    early::check_surroundings(cx, target)?;
    let mut ledger = Ledger::new(model.warnings.clone());
    // A library that was asked for and cannot be used should not cost a run.
    if request.runs_models() && (request.runtime == Choice::Ort || request.library.is_some()) {
        ledger.warnings.extend(runtime.selected()?.warnings.iter().cloned());
    }
    let model = original::prepared(model, request, &mut ledger.warnings);
    let mut a = analyse(model, cx, &mut ledger)?;
    ledger.tell(job);
    let (settled, samples) = settle(&a, cx, &mut ledger)?;
    let cx = Context { request: &settled, ..cx };
    let (mut measured, sensitivity) = measure(&a, cx, samples.as_ref(), &mut ledger.seconds)?;
    let (searched, not_kept) = reachable(&a, cx, samples.as_ref(), &measured)?;
    let cx = Context { request: &searched, ..cx };
    let mut rewritten = rewrite(&mut a, cx, &mut measured, &mut ledger.seconds)?;
    drop(measured);
    ledger.warnings.append(&mut rewritten.plan.notes);
    ledger.tell(job);
    finish(&a, cx, rewritten, Extras { sensitivity, not_kept, samples, target }, ledger)
}

/// Shapes, groups and costs, and whether what was asked fits them.
fn analyse(model: Arc<Model>, cx: Context, ledger: &mut Ledger) -> Result<Analysis, Error> {
    cx.job.stage(Stage::Analyse)?;
    let clock = Instant::now();
    let a = rewriting::analyse(model, &cx.request.shapes, cx.request.sharing())?;
    ledger.warnings.extend(a.warnings.iter().cloned());
    ledger.warnings.extend(early::check_model(&a, cx.request)?);
    ledger.seconds.analyse = clock.elapsed().as_secs_f64();
    counts_macs(&a, cx.request)?;
    Ok(a)
}

/// The samples that the run needs, and the request as it can be followed: where nothing can stand in for data, what is
/// done instead.
fn settle(a: &Analysis, cx: Context, ledger: &mut Ledger) -> Result<(PruneRequest, Option<Samples>), Error> {
    let mut settled = limited(a, cx.request);
    let read = samples(a, Context { request: &settled, ..cx }, &mut ledger.seconds);
    let samples = match (read, settled.otherwise) {
        (Err(e), Some(otherwise)) if settled.data.is_none() && is_about_samples(&e) => {
            otherwise.settle(&mut settled)?;
            let text = format!("channels are chosen by their weights alone and no layer is solved anew: {e}");
            ledger.warnings.push(text);
            None
        }
        (samples, _) => samples?,
    };
    if settled.keep.is_some() {
        settled.targets = Targets::one(&Speedup, keep::FIRST);
    }
    Ok((settled, samples))
}

/// All that a plan needs to know.
fn measure(
    a: &Analysis,
    cx: Context,
    samples: Option<&Samples>,
    seconds: &mut Timings,
) -> Result<(Measured, Option<SensitivityReport>), Error> {
    let request = cx.request;
    let mut measured = Measured { statistics: calibrate(a, cx, seconds)?, ..Measured::default() };
    let clock = Instant::now();
    measure_curves(a, cx, samples, &mut measured)?;
    choose_tilt(a, cx, samples, &mut measured)?;
    let mut sensitivity = None;
    if (request.sensitivity || request.scheme.needs_degradations()) && request.recipe.is_none() {
        let found = measure_sensitivity(a, cx, &measured.statistics)?;
        measured.degradations = degradations(a, &found);
        sensitivity = Some(found);
    }
    seconds.calibrate += clock.elapsed().as_secs_f64();
    Ok((measured, sensitivity))
}

/// The request with a target that leaves what must be kept, where something must; and why there is none.
fn reachable(
    a: &Analysis,
    cx: Context,
    samples: Option<&Samples>,
    measured: &Measured,
) -> Result<(PruneRequest, Option<String>), Error> {
    let request = cx.request;
    match (request.keep, samples) {
        (Some(keep), Some(samples)) if request.recipe.is_none() => {
            let found = largest_speedup(a, cx, keep, samples, measured)?;
            Ok((PruneRequest { targets: Targets::one(&Speedup, found.speedup), ..request.clone() }, found.missed))
        }
        (Some(_), None) => Err(Error::NoData),
        _ => Ok((request.clone(), None)),
    }
}

/// What else the end of a run needs.
struct Extras<'a> {
    sensitivity: Option<SensitivityReport>,
    not_kept: Option<String>,
    samples: Option<Samples>,
    target: Option<&'a Path>,
}

/// Writes what is left to where it can be verified, wins accuracy back, and tells.
fn finish(
    a: &Analysis,
    cx: Context,
    rewritten: Rewritten,
    extras: Extras,
    mut ledger: Ledger,
) -> Result<(Pruned, Option<Staged>), Error> {
    let Rewritten { plan, times, kept, mut pruned } = rewritten;
    let Context { request, job, .. } = cx;
    let missed = plan.missed().or(extras.not_kept);
    let wanted = missed.is_none() || request.force;
    let mut report = start_report(a, request, &plan, missed, &pruned);
    (report.times, report.sensitivity) = (times, extras.sensitivity);
    let (mut staged, mut unverified) = (None, None);
    if wanted {
        job.stage(Stage::Write)?;
        let clock = Instant::now();
        let mut file = stage(&pruned, extras.target)?;
        report.after.bytes = file.bytes();
        ledger.seconds.write = clock.elapsed().as_secs_f64();
        let trial = Trial { a, kept: &kept, staged: file.model_path(), cx };
        trial.run(&mut report, &mut ledger)?;
        unverified = text::unverified(&report).filter(|_| request.strict);
        // What is won back changes values only, and only of a model that is right without it.
        if let Some(samples) = &extras.samples {
            win_back(a, cx, &kept, &mut pruned, samples, &mut report, &mut ledger.seconds)?;
            // The first one goes before the second is written.
            drop(file);
            let clock = Instant::now();
            file = stage(&pruned, extras.target)?;
            report.after.bytes = file.bytes();
            report.after.params = count(&pruned.proto).params;
            ledger.seconds.recover += clock.elapsed().as_secs_f64();
        }
        // What was read while it changed is of no file that there ever was.
        a.graph.model.maps.unchanged()?;
        ledger.warnings.extend(file.notes().iter().cloned());
        pruned.file_bytes = file.bytes();
        staged = extras.target.map(|_| file);
    }
    latency_advice(&report, request, &mut ledger.warnings);
    ledger.tell(job);
    report.library = runtime::loaded_library();
    report.seconds = ledger.seconds;
    report.warnings = ledger.distinct();
    Ok((Pruned { model: pruned, plan, report, unverified }, staged))
}

/// Writes a model to where it can be checked: beside its target, if it has one.
fn stage(pruned: &Model, target: Option<&Path>) -> Result<Staged, Error> {
    Ok(match target {
        Some(path) => save::stage(pruned, path, &SaveOptions::default())?,
        None => save::stage_temporary(pruned, &SaveOptions::default())?,
    })
}

/// Changes values of weights so that the model gives more of what the original gives.
fn win_back(
    a: &Analysis,
    cx: Context,
    kept: &Kept,
    pruned: &mut Model,
    samples: &Samples,
    report: &mut Report,
    seconds: &mut Timings,
) -> Result<(), Error> {
    cx.job.stage(Stage::Recover)?;
    let clock = Instant::now();
    let part = samples.part(samples.solved());
    let calibration = calibration(&part, cx.runtime.get()?, cx.request, cx.job);
    let recovery = recover(a, kept, pruned, cx.request.recover, samples, &calibration)?;
    keep::tell(cx.job, &recovery);
    report.recovery = Some(recovery);
    seconds.recover = clock.elapsed().as_secs_f64();
    Ok(())
}

/// What is left of a model.
pub(super) struct Rewritten {
    pub plan: Plan,
    pub times: Option<TimeReport>,
    pub kept: Kept,
    pub pruned: Model,
}

/// Makes a plan and the model that it leaves. Channels that cannot go though others can keep their groups whole.
pub(super) fn rewrite(
    a: &mut Analysis,
    cx: Context,
    measured: &mut Measured,
    seconds: &mut Timings,
) -> Result<Rewritten, Error> {
    let mut rounds = 0;
    loop {
        cx.job.stage(Stage::Plan)?;
        let clock = Instant::now();
        let (plan, times) = make_plan(a, cx, measured)?;
        seconds.plan += clock.elapsed().as_secs_f64();
        let model = &a.graph.model;
        // Scoring has read all weights.
        model.maps.release_all();

        cx.job.stage(Stage::Rewrite)?;
        let clock = Instant::now();
        let kept = plan.kept_atoms(a);
        let pruned = rewriting::prune(a, &kept);
        seconds.rewrite += clock.elapsed().as_secs_f64();
        match pruned {
            Ok(proto) => return Ok(Rewritten { plan, times, kept, pruned: with_layout(model, proto) }),
            Err(e @ rewriting::Error::Node { .. }) if rounds < MAX_ROUNDS && cx.request.recipe.is_none() => {
                let stuck = rewriting::stuck(a, &kept)?;
                if stuck.is_empty() {
                    return Err(e.into());
                }
                let names: Vec<&str> = stuck.iter().map(|(g, _)| a.groups[*g].name.as_str()).collect();
                let why = "the plan is made anew: some node cannot follow these groups, which stay whole";
                cx.job.note(&format!("{why}: {}", names.join(", ")));
                let left = a.freeze(&stuck)?;
                measured.keep(&left);
                rounds += 1;
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether a run may go on without samples.
fn is_about_samples(e: &Error) -> bool {
    !is_cancelled(e) && matches!(e, Error::Rewriting(_) | Error::Runtime(_) | Error::Statistics(_) | Error::Work { .. })
}

/// The request with a limit on runs, where it has none.
pub(super) fn limited(a: &Analysis, request: &PruneRequest) -> PruneRequest {
    let mut request = request.clone();
    let limit =
        || runtime::generous_limit(a.costs.macs.eval(&a.full_counts()), a.graph.count(), a.graph.model.file_bytes);
    request.session.limit.get_or_insert_with(limit);
    request
}

/// A target in MACs needs some to begin with.
fn counts_macs(a: &Analysis, request: &PruneRequest) -> Result<(), Error> {
    let macs = a.costs.macs.eval(&a.full_counts());
    let needs = request.targets.iter().any(|g| g.target.needs_macs());
    if !needs || request.recipe.is_some() || macs > 0.0 && macs.is_finite() {
        return Ok(());
    }
    let mut sizes: Vec<String> = a.facts.bindings.iter().map(|(name, n)| format!("{name} = {n}")).collect();
    sizes.sort_unstable();
    Err(Error::NoMacs {
        macs,
        sizes: if sizes.is_empty() { "all given by the file".to_owned() } else { sizes.join(", ") },
    })
}
