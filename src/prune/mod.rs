//! The whole job: load, analyse, plan, rewrite, write, verify, measure, report.

mod calibrate;
mod check;
mod defaults;
mod early;
mod figures;
mod keep;
mod plan;
mod request;
mod tilt;
mod timed;

use std::cell::RefCell;
use std::time::Instant;

use crate::algebra::Kept;
use crate::analysis::{Analysis, count};
use crate::onnx::{self, Model, SaveOptions, save};
use crate::planning::targets::Speedup;
use crate::planning::{self, Plan, Targets};
use crate::recovery::recover;
use crate::report::{SensitivityReport, TimeReport, Timings, text};
use crate::rewriting;
use crate::runtime::{self, Choice};
use crate::sensitivity::losses;

pub use defaults::{Defaults, Preset};
pub use request::{Error, Outcome, Output, Progress, Request, Silent};

use calibrate::{Measured, calibrate, calibration, measure_curves, measure_sensitivity, samples};
use check::{Trial, latency_advice};
use figures::start_report;
use keep::largest_speedup;
use plan::make_plan;
use tilt::choose_tilt;

/// How often a plan is made anew because a node cannot follow it.
const MAX_ROUNDS: usize = 8;

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
    early::check_surroundings(request, &output)?;
    let mut seconds = Timings::default();
    let mut warnings = model.warnings.clone();
    // A library that was asked for and cannot be used should not cost a run.
    if request.runs_models() && (request.runtime == Choice::Ort || request.library.is_some()) {
        warnings.extend(runtime::select(request.runtime, request.library.as_deref())?.warnings);
    }
    debug_metadata(model, request.strip_debug, &mut warnings);
    initializer_inputs(model, request.drop_initializer_inputs, &mut warnings);
    let model = &*model;

    begin(progress, "analyse")?;
    let clock = Instant::now();
    let mut a = rewriting::analyse(model, &request.shapes, request.sharing())?;
    warnings.extend(a.warnings.iter().cloned());
    warnings.extend(early::check_model(&a, request)?);
    seconds.analyse = clock.elapsed().as_secs_f64();
    counts_macs(&a, request)?;
    let mut settled = limited(&a, request);
    let samples = match (samples(&a, &settled, progress, &mut seconds), settled.otherwise) {
        (Err(e), Some(otherwise)) if settled.data.is_none() && is_about_samples(&e) => {
            otherwise.settle(&mut settled)?;
            warnings.push(format!("channels are chosen by their weights alone and no layer is solved anew: {e}"));
            None
        }
        (samples, _) => samples?,
    };
    if settled.keep.is_some() {
        settled.targets = Targets::one(&Speedup, keep::FIRST);
    }
    let request = &settled;
    let mut measured = Measured { statistics: calibrate(&a, request, progress, &mut seconds)?, ..Measured::default() };
    let clock = Instant::now();
    measure_curves(&a, request, samples.as_ref(), &mut measured, progress)?;
    choose_tilt(&a, request, samples.as_ref(), &mut measured, progress)?;
    seconds.calibrate += clock.elapsed().as_secs_f64();
    let mut sensitivity = None;
    if (request.sensitivity || request.scheme.needs_losses()) && request.recipe.is_none() {
        let clock = Instant::now();
        let found = measure_sensitivity(&a, request, &measured.statistics, progress)?;
        measured.losses = losses(&a, &found);
        sensitivity = Some(found);
        seconds.calibrate += clock.elapsed().as_secs_f64();
    }

    let (searched, not_kept) = match (request.keep, &samples) {
        (Some(keep), Some(samples)) if request.recipe.is_none() => {
            let found = largest_speedup(&a, request, keep, samples, &measured, progress)?;
            (Request { targets: Targets::one(&Speedup, found.speedup), ..request.clone() }, found.missed)
        }
        (Some(_), None) => return Err(Error::NoData),
        _ => (request.clone(), None),
    };
    let request = &searched;

    let Rewritten { mut plan, times, kept, mut pruned } =
        rewrite(&mut a, request, &mut measured, progress, &mut seconds)?;
    drop(measured);
    warnings.append(&mut plan.notes);

    let missed = plan.missed().or(not_kept);
    let wanted = missed.is_none() || request.force;
    let mut report = start_report(&a, request, &plan, missed, &pruned);
    (report.times, report.sensitivity) = (times, sensitivity);
    let (mut written, mut unverified) = (false, None);
    if wanted {
        let stage = |pruned: &Model| match &output {
            Output::File(path) => save::stage(pruned, path, &SaveOptions::default()),
            _ => save::stage_temporary(pruned, &SaveOptions::default()),
        };
        begin(progress, "write")?;
        let clock = Instant::now();
        let mut staged = stage(&pruned)?;
        report.after.bytes = staged.bytes();
        seconds.write = clock.elapsed().as_secs_f64();

        let trial = Trial { a: &a, kept: &kept, staged: staged.model_path(), request };
        trial.run(&mut report, &mut seconds, &mut warnings, progress)?;
        unverified = text::unverified(&report).filter(|_| request.strict);
        // What is won back changes values only, and only of a model that is right without it.
        if let Some(samples) = &samples {
            begin(progress, "recover")?;
            let clock = Instant::now();
            let runtime = runtime::select(request.runtime, request.library.as_deref())?.runtime;
            let progress = RefCell::new(&mut *progress);
            let read = |n| progress.borrow_mut().samples(n);
            let part = samples.part(samples.solved());
            let calibration = calibration(&part, &*runtime, request, &read);
            let told = |done, of| progress.borrow_mut().layers(done, of);
            let means = request.recover;
            report.recovery = Some(recover(&a, &kept, &mut pruned, means, samples, &calibration, &told)?);
            // The first one goes before the second is written.
            drop(staged);
            staged = stage(&pruned)?;
            report.after.bytes = staged.bytes();
            report.after.params = count(&pruned.proto).params;
            seconds.recover = clock.elapsed().as_secs_f64();
        }
        begin(progress, "commit")?;
        let clock = Instant::now();
        let good = report.missed.is_none() && unverified.is_none();
        let output = if good || request.force { output } else { Output::None };
        // What was read while it changed is of no file that there ever was.
        model.maps.unchanged()?;
        warnings.extend(staged.notes().iter().cloned());
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
    latency_advice(&report, request, &mut warnings);
    report.library = runtime::loaded_library();
    report.warnings = once(warnings);
    report.seconds = seconds;
    Ok(Outcome { report, written, unverified })
}

/// Plans and rewrites, and nothing else: the smaller model has neither been verified nor written.
///
/// # Errors
/// When the model cannot be analysed, has nothing to prune, or cannot be rewritten.
pub fn shrink(model: &Model, request: &Request, progress: &mut dyn Progress) -> Result<(Plan, Model), Error> {
    let mut a = rewriting::analyse(model, &request.shapes, request.sharing())?;
    let mut measured = Measured::default();
    let done = rewrite(&mut a, request, &mut measured, progress, &mut Timings::default())?;
    Ok((done.plan, done.pruned))
}

/// What is left of a model.
struct Rewritten {
    plan: Plan,
    times: Option<TimeReport>,
    kept: Kept,
    pruned: Model,
}

/// Makes a plan and the model that it leaves. Channels that cannot go though others can keep their groups whole.
fn rewrite(
    a: &mut Analysis,
    request: &Request,
    measured: &mut Measured,
    progress: &mut dyn Progress,
    seconds: &mut Timings,
) -> Result<Rewritten, Error> {
    let mut rounds = 0;
    loop {
        begin(progress, "plan")?;
        let clock = Instant::now();
        let (plan, times) = make_plan(a, request, measured, progress)?;
        seconds.plan += clock.elapsed().as_secs_f64();
        let model = &a.graph.model;
        // Scoring has read all weights.
        model.maps.release_all();

        begin(progress, "rewrite")?;
        let clock = Instant::now();
        let kept = plan.kept_atoms(a);
        let pruned = rewriting::prune(a, &kept);
        seconds.rewrite += clock.elapsed().as_secs_f64();
        match pruned {
            Ok(proto) => return Ok(Rewritten { plan, times, kept, pruned: with_layout(model, proto) }),
            Err(e @ rewriting::Error::Node { .. }) if rounds < MAX_ROUNDS && request.recipe.is_none() => {
                let stuck = rewriting::stuck(a, &kept)?;
                if stuck.is_empty() {
                    return Err(e.into());
                }
                let left = a.freeze(&stuck)?;
                measured.keep(&left);
                rounds += 1;
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Measures what each group costs when part of it goes, and removes nothing. The target is not looked at.
///
/// # Errors
/// When the model cannot be analysed, cut or run.
pub fn measure_only(model: &Model, request: &Request, progress: &mut dyn Progress) -> Result<SensitivityReport, Error> {
    early::check_surroundings(request, &Output::None)?;
    begin(progress, "analyse")?;
    let a = rewriting::analyse(model, &request.shapes, request.sharing())?;
    early::check_model(&a, request)?;
    let request = &limited(&a, request);
    // Nothing is allocated.
    let scheme = request.scheme;
    let scheme = if scheme.follows_curves() { planning::find_scheme("global")? } else { scheme };
    let request = &Request { scheme, ..request.clone() };
    let mut seconds = Timings::default();
    let samples = samples(&a, request, progress, &mut seconds)?;
    let statistics = calibrate(&a, request, progress, &mut seconds)?;
    let mut measured = Measured { statistics, ..Measured::default() };
    measure_curves(&a, request, samples.as_ref(), &mut measured, progress)?;
    measure_sensitivity(&a, request, &measured.statistics, progress)
}

/// Whether a run may go on without samples.
fn is_about_samples(e: &Error) -> bool {
    matches!(e, Error::Rewriting(_) | Error::Runtime(_) | Error::Statistics(_) | Error::Work { .. })
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

/// The request with a limit on runs, where it has none.
fn limited(a: &Analysis, request: &Request) -> Request {
    let mut request = request.clone();
    let limit =
        || runtime::generous_limit(a.costs.macs.eval(&a.full_counts()), a.graph.count(), a.graph.model.file_bytes);
    request.session.limit.get_or_insert_with(limit);
    request
}

/// A target in MACs needs some to begin with.
fn counts_macs(a: &Analysis, request: &Request) -> Result<(), Error> {
    let macs = a.costs.macs.eval(&a.full_counts());
    if !request.targets.iter().any(|g| g.target.needs_macs())
        || request.recipe.is_some()
        || macs > 0.0 && macs.is_finite()
    {
        return Ok(());
    }
    let mut sizes: Vec<String> = a.facts.bindings.iter().map(|(name, n)| format!("{name} = {n}")).collect();
    sizes.sort_unstable();
    Err(Error::NoMacs {
        macs,
        sizes: if sizes.is_empty() { "all given by the file".to_owned() } else { sizes.join(", ") },
    })
}

/// Weights that a caller may replace are taken for inputs by onnxruntime: nothing of them is prepared ahead.
fn initializer_inputs(model: &mut Model, drop: bool, warnings: &mut Vec<String>) {
    // Before IR 4 every initializer is listed among the inputs, and none can be replaced.
    let old = model.proto.ir_version() < 4;
    if drop {
        if rewriting::drop_initializer_inputs(&mut model.proto) > 0 && !old {
            warnings
                .push("initializers are no inputs any more; what was measured before is without them, too".to_owned());
        }
        return;
    }
    let n = rewriting::initializer_inputs(&model.proto);
    if n > 0 && !old {
        warnings.push(format!(
            "{n} initializers are also graph inputs, which makes onnxruntime 5 to 15 times slower \
             (--drop-initializer-inputs makes them initializers only)"
        ));
    }
}

/// The first of each.
fn once(warnings: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    warnings.into_iter().filter(|w| seen.insert(w.clone())).collect()
}

fn with_layout(model: &Model, proto: onnx::proto::ModelProto) -> Model {
    let (external, unknown, maps) = (model.external.clone(), model.unknown.clone(), model.maps.clone());
    Model { proto, external, unknown, maps, ..Model::default() }
}
