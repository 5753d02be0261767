//! `onnx-prune MODEL`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onnx_prune::analysis::{AxisKind, Given, Shapes};
use onnx_prune::criteria::{self, ScoreOptions};
use onnx_prune::data::{BatchSource, DataOrigin};
use onnx_prune::files::{OutputPlace, open_through};
use onnx_prune::job::{Job, Stage};
use onnx_prune::onnx::{self, Model};
use onnx_prune::planning::targets::{Ratio, Targets, TimeFactor};
use onnx_prune::planning::{Axes, Options, find_scheme};
use onnx_prune::prune::{Defaults, Outcome, Preset, PruneRequest, measure_only, prune, prune_to};
use onnx_prune::recovery::Means;
use onnx_prune::report::{self, Pending, Recipe, text};
use onnx_prune::runtime::{Fill, SessionOptions, Tensor};

use super::args::Prune;
use super::command::{Run, Talk};
#[cfg(feature = "data")]
use super::data::DataArgs;
use super::failure::{Failure, FileError, exit};
use super::input;
use super::output::{self, Written, is_stdout};
use super::progress::Shown;
use super::summary::{self, summary};
use super::target_args::choices;
use super::terminal::{self, Stream};

const NO_REPORT: &str = "cannot write the report";

impl Run for Prune {
    fn run(&self) -> Result<ExitCode, Failure> {
        run(self)
    }

    fn talk(&self) -> Talk {
        Talk::of(self.out.quiet, self.out.verbose)
    }
}

fn run(args: &Prune) -> Result<ExitCode, Failure> {
    if args.what.sensitivity && args.target.given().is_none() {
        return only_sensitivity(args);
    }
    let model_path = check(args)?;
    let recipe = args.what.recipe.as_deref().map(read_recipe).transpose()?;
    let Some(targets) = args.target.given().or(recipe.as_ref().map(|r| r.settings.targets.clone())) else {
        let choices = choices();
        let why = format!("a target is missing: give {choices} (or --recipe, which brings its own)");
        return Err(Failure::Usage(why));
    };
    threads(args)?;
    // Reserved first: a report that cannot be written should not cost a run.
    let pending = args.out.report.as_deref().map(reserve).transpose()?;
    let target_file = args.output.as_deref().filter(|_| !args.out.dry_run);
    let mut stream = target_file.map(open_stream).transpose()?.flatten();
    let clock = Instant::now();
    let model = input::load(model_path)?;
    let load = clock.elapsed().as_secs_f64();
    let data: Vec<&Path> = model.maps.files().skip(1).collect();
    output::check(&outputs(args), &data)?;

    let request = request(args, targets, recipe, &model)?;
    let progress = Shown::new(args.out.progress, args.out.quiet);
    let goes_to = match (&mut stream, target_file) {
        (Some(stream), _) => GoesTo::Stream(stream),
        (None, Some(path)) => GoesTo::File(path),
        (None, None) => GoesTo::Nowhere,
    };
    let result = pruned(model, &request, goes_to, progress.job());
    drop(progress);
    let mut outcome = result?;
    outcome.pruned.report.seconds.load = load;
    let report = &outcome.pruned.report;
    let mut written = Written::default();
    if let Some(path) = target_file.filter(|path| outcome.written && !is_stdout(path)) {
        written.file(path);
    }
    if args.out.json {
        written.printed(terminal::print(Stream::Stdout, &terminal::json(report)?));
    } else if !args.out.quiet {
        written.printed(terminal::print(summary_goes_to(args), &summary(report, args.out.verbose)?));
        if !args.out.progress.tells_warnings() {
            terminal::warn(&report.warnings);
        }
    }
    if let (Some(pending), Some(path)) = (pending, &args.out.report) {
        written.add(path, pending.write(report).map_err(|e| FileError::new(NO_REPORT, path, e)));
    }
    if let Some(missed) = &report.missed {
        let fate = match (outcome.written, args.out.dry_run) {
            (true, _) => "written all the same (--force)",
            (false, true) => "nothing was written (--dry-run)",
            (false, false) => "nothing was written (--force writes it)",
        };
        terminal::say(&format!("target not reached: {}; {fate}", terminal::one_line(missed)));
    }
    let unverified = unverified(args, &outcome);
    written.verdict()?;
    Ok(match (report.missed.is_some(), unverified) {
        (true, _) => ExitCode::from(exit::MISSED),
        (false, true) => ExitCode::from(exit::UNVERIFIED),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// Where the model goes.
enum GoesTo<'a> {
    File(&'a Path),
    Stream(&'a mut dyn std::io::Write),
    Nowhere,
}

/// Prunes, and puts the result in place if it is as asked or forced.
fn pruned(model: Model, request: &PruneRequest, goes_to: GoesTo, job: Job) -> Result<Outcome, Failure> {
    job.stage(Stage::Load)?;
    match goes_to {
        GoesTo::File(path) => Ok(prune_to(model, request, path, job)?.commit(job)?),
        GoesTo::Nowhere => Ok(Outcome { pruned: prune(model, request, job)?, written: false }),
        GoesTo::Stream(out) => {
            let mut pruned = prune(model, request, job)?;
            let written = pruned.is_as_asked() || request.force;
            if written {
                job.stage(Stage::Commit)?;
                let clock = Instant::now();
                onnx::write_to(&pruned.model, out)?;
                pruned.report.seconds.write += clock.elapsed().as_secs_f64();
            }
            Ok(Outcome { pruned, written })
        }
    }
}

/// What could not be verified is said on standard error where nothing else says it; whether the exit code tells.
fn unverified(args: &Prune, outcome: &Outcome) -> bool {
    let Some(why) = text::unverified(&outcome.pruned.report) else { return false };
    let strict = outcome.pruned.unverified.is_some();
    if args.out.quiet || strict {
        let fate = match (strict, outcome.written) {
            (true, true) => "; written all the same (--force)",
            (true, false) if args.out.dry_run => "; nothing was written (--dry-run)",
            (true, false) => "; nothing was written (--force writes it)",
            (false, _) => "",
        };
        terminal::say(&format!("not verified: {}{fate}", terminal::one_line(&why)));
    }
    strict
}

/// Tables stand beside what else is written to standard output.
fn summary_goes_to(args: &Prune) -> Stream {
    if outputs(args).iter().any(|(_, path)| is_stdout(path)) { Stream::Stderr } else { Stream::Stdout }
}

/// What is written, by option.
fn outputs(args: &Prune) -> Vec<(&'static str, &Path)> {
    let model = args.output.as_deref().filter(|_| !args.out.dry_run);
    let report = args.out.report.as_deref();
    let json = args.out.json.then_some(("--json", Path::new("-")));
    model.map(|p| ("-o", p)).into_iter().chain(report.map(|p| ("--report", p))).chain(json).collect()
}

/// Standard output, a device or a pipe, opened before the run: whoever reads it learns of a failure by its end.
fn open_stream(path: &Path) -> Result<Option<Box<dyn std::io::Write>>, FileError> {
    if is_stdout(path) {
        return Ok(Some(Box::new(std::io::stdout())));
    }
    let fail = |e| FileError::new("cannot write", path, e);
    match OutputPlace::of(path).map_err(fail)? {
        OutputPlace::Through(device) => Ok(Some(Box::new(open_through(&device).map_err(fail)?))),
        OutputPlace::File(_) => Ok(None),
    }
}

/// `--sensitivity` without a target.
fn only_sensitivity(args: &Prune) -> Result<ExitCode, Failure> {
    if args.output.is_some() {
        return Err(Failure::Usage("a target is missing: without one, --sensitivity writes no model".to_owned()));
    }
    let Some(path) = &args.model else { return Err(Failure::Usage("MODEL is missing".to_owned())) };
    threads(args)?;
    let pending = args.out.report.as_deref().map(reserve).transpose()?;
    let model = input::load(path)?;
    output::check(&outputs(args), &model.maps.files().collect::<Vec<_>>())?;
    // Nothing is aimed at.
    let request = request(args, Targets::one(&Ratio, 0.5), None, &model)?;
    let progress = Shown::new(args.out.progress, args.out.quiet);
    let found = measure_only(model, &request, progress.job());
    drop(progress);
    let found = found?;
    let mut written = Written::default();
    if args.out.json {
        written.printed(terminal::print(Stream::Stdout, &terminal::json(&found)?));
    } else if !args.out.quiet {
        let text = summary::sensitivity(&found, args.out.verbose);
        written.printed(terminal::print(summary_goes_to(args), &text));
    }
    if let (Some(pending), Some(path)) = (pending, &args.out.report) {
        written.add(path, pending.write(&found).map_err(|e| FileError::new(NO_REPORT, path, e)));
    }
    written.verdict().map(|()| ExitCode::SUCCESS)
}

fn threads(args: &Prune) -> Result<(), Failure> {
    if let Some(n) = args.check.threads {
        rayon::ThreadPoolBuilder::new().num_threads(n).build_global()?;
    }
    Ok(())
}

/// What arguments may contradict each other in.
fn check(args: &Prune) -> Result<&Path, Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    let Some(model) = &args.model else { return usage("MODEL is missing") };
    let Some(output) = args.output.as_deref().or(args.out.dry_run.then_some(Path::new(""))) else {
        return usage("no output: give -o FILE, or --dry-run to write nothing");
    };
    if is_stdout(output) && !args.out.dry_run && terminal::stdout_is_screen() {
        return usage("-o - writes a model to standard output, which is a terminal");
    }
    let report = args.out.report.as_deref().map(|p| ("--report", p));
    output::check(&report.into_iter().collect::<Vec<_>>(), &[model])?;
    // A replay may replace its recipe by what it reports.
    let model_goes_to = args.output.as_deref().map(|p| ("-o", p));
    let read = args.what.recipe.as_deref().into_iter().chain(data_path(args));
    output::check(&model_goes_to.into_iter().collect::<Vec<_>>(), &read.collect::<Vec<_>>())?;
    output::check(&outputs(args), &[])?;
    Ok(model)
}

#[cfg(feature = "data")]
fn data_path(args: &Prune) -> Option<&Path> {
    args.calibration.data.data.as_deref()
}

#[cfg(not(feature = "data"))]
fn data_path(_: &Prune) -> Option<&Path> {
    None
}

/// Reads a report that is to be replayed or shown.
pub fn read_recipe(path: &Path) -> Result<Recipe, FileError> {
    let fail = |source: Box<dyn std::error::Error>| FileError::new("cannot read the recipe", path, source);
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.into()))?;
    report::recipe(&text).map_err(|e| fail(e.into()))
}

fn reserve(path: &Path) -> Result<Pending, FileError> {
    output::reserve(NO_REPORT, path)
}

/// Inputs with contents, and sizes: those that files have are the model's.
fn fills(args: &Prune, model: &Model) -> Result<(Vec<(String, Fill)>, Shapes), Failure> {
    let mut shapes = args.about.shapes.clone().map(|s| s.0).unwrap_or_default();
    let mut fills = Vec::new();
    for (name, tensor) in given(args, model)? {
        let known = shapes.iter().any(|s| matches!(s, Given::Shape(n, _) if *n == name || n.is_empty()));
        if !known && tensor.len() > 1 {
            shapes.push(Given::Shape(name.clone(), tensor.shape().iter().map(|n| *n as i64).collect()));
        }
        fills.push((name, Fill::Given(tensor)));
    }
    fills.extend(args.check.input.iter().cloned());
    Ok((fills, shapes))
}

/// Tensors from files.
#[cfg(feature = "data")]
fn given(args: &Prune, model: &Model) -> Result<Vec<(String, Tensor)>, Failure> {
    let Some(path) = &args.check.inputs else { return Ok(Vec::new()) };
    let Some(graph) = &model.proto.graph else { return Ok(Vec::new()) };
    let held = |name: &str| graph.initializer.iter().any(|t| t.name() == name);
    let names: Vec<&str> = graph.input.iter().map(|v| v.name()).filter(|n| !held(n)).collect();
    Ok(onnx_prune::data::tensors(path, &names)?)
}

#[cfg(not(feature = "data"))]
fn given(_: &Prune, _: &Model) -> Result<Vec<(String, Tensor)>, Failure> {
    Ok(Vec::new())
}

fn request(args: &Prune, targets: Targets, recipe: Option<Recipe>, model: &Model) -> Result<PruneRequest, Failure> {
    let (what, check) = (&args.what, &args.check);
    let recorded = recipe.as_ref().map(|r| &r.settings);
    let seed = what.seed.or(recorded.map(|s| s.seed)).unwrap_or(0);
    let (given, asked) = calibration(args, seed)?;
    let usual = what.preset.map_or_else(|| Defaults::of(model, given.is_some()), Preset::defaults);
    // Only what was not asked for is left undone where it cannot be done.
    let own = what.preset.is_none()
        && what.criterion.is_none()
        && what.scheme.is_none()
        && asked.refit.is_none()
        && recipe.is_none();
    let otherwise = Defaults::otherwise(model, given.is_some()).filter(|_| own);
    let recover = Means {
        refit: asked.refit.unwrap_or(recorded.map_or(usual.refit, |s| s.refit)),
        recalibrate: asked.recalibrate || recorded.is_some_and(|s| s.recalibrate_bn),
    };
    // Only what changes values reads data in a replay: the channels are known.
    let data = match (given, recorded.and_then(|s| s.data.as_ref())) {
        (None, Some(origin)) if recover.any() => again(origin, seed, check.threads)?,
        (given, _) => given,
    };
    let scheme = what.scheme.map_or_else(|| find_scheme(usual.scheme), Ok)?;
    let criterion = usual.criterion(scheme, data.is_some() || recover.any());
    let (fills, shapes) = fills(args, model)?;
    Ok(PruneRequest {
        criterion: what.criterion.map_or_else(|| criteria::find(criterion), Ok)?,
        scheme,
        score: ScoreOptions { reduction: what.reduction.into(), normalization: what.normalization.into(), seed },
        targets,
        keep: args.target.keep(),
        options: options(args, usual),
        kinds: if what.heads { vec![AxisKind::Heads] } else { Vec::new() },
        shapes,
        strip_debug: args.about.strip_debug || recorded.is_some_and(|s| s.strip_debug),
        force: args.out.force,
        verify: !check.no_verify,
        strict: check.strict,
        fills,
        drop_initializer_inputs: args.out.drop_initializer_inputs
            || recorded.is_some_and(|s| s.drop_initializer_inputs),
        latency: (!check.no_latency).then(|| Duration::from_millis(check.latency_budget as u64)),
        runtime: check.runtime.into(),
        library: check.ort_library.clone(),
        times: check.times.clone().or_else(|| Some(dirs::cache_dir()?.join("onnx-prune"))),
        session: SessionOptions {
            threads: check.threads,
            device: check.device,
            limit: check.run_timeout,
            ..SessionOptions::default()
        },
        data,
        sensitivity: what.sensitivity,
        recover,
        otherwise,
        recipe,
    })
}

/// How channels are chosen, where that is not a matter of scores.
fn options(args: &Prune, usual: Defaults) -> Options {
    let what = &args.what;
    // Who asks for a multiple means every group; so does the clock. A ratio is a number of channels.
    let everywhere = what.round_to.is_some() || args.target.has(&TimeFactor);
    Options {
        steps: what.steps.unwrap_or(usual.steps),
        rescore: what.rescore,
        round_to: what.round_to.unwrap_or(if args.target.has(&Ratio) { 1 } else { usual.round_to }),
        round_from: what.round_from.unwrap_or(if everywhere { 0 } else { usual.round_from }),
        floor: what.floor,
        protect: what.protect.clone(),
        only: what.only.clone(),
        ratio_for: what.ratio_for.clone(),
        axes: if what.heads { Axes::whole_heads() } else { what.axes.clone() },
        untie: what.untie,
    }
}

/// What is asked of recovery.
#[derive(Default)]
struct Asked {
    refit: Option<bool>,
    recalibrate: bool,
}

/// Calibration data, and what is done with it after pruning.
#[cfg(feature = "data")]
fn calibration(args: &Prune, seed: u64) -> Result<(Option<Arc<dyn BatchSource>>, Asked), Failure> {
    let given = &args.calibration;
    let source = super::calibration::source(&given.data, seed, args.check.threads)?;
    let refit = (given.refit || given.no_refit).then_some(given.refit);
    Ok((source, Asked { refit, recalibrate: given.recalibrate_bn }))
}

/// The data of a recipe.
#[cfg(feature = "data")]
fn again(origin: &DataOrigin, seed: u64, threads: Option<usize>) -> Result<Option<Arc<dyn BatchSource>>, Failure> {
    super::calibration::source(&DataArgs::recorded(origin)?, seed, threads)
}

#[cfg(not(feature = "data"))]
fn again(_: &DataOrigin, _: u64, _: Option<usize>) -> Result<Option<Arc<dyn BatchSource>>, Failure> {
    Ok(None)
}

#[cfg(not(feature = "data"))]
fn calibration(_: &Prune, _: u64) -> Result<(Option<Arc<dyn BatchSource>>, Asked), Failure> {
    Ok((None, Asked::default()))
}
