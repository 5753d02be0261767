//! `onnx-prune MODEL`.

use std::process::ExitCode;
use std::time::Duration;

use onnx_prune::onnx::Model;
use onnx_prune::planning::{self, Axes, Options, Target};
use onnx_prune::prune::{Output, Request, prune};
use onnx_prune::runtime::Choice;
use onnx_prune::{criteria, report};

use super::args::Prune;
use super::{exit, progress};

type Error = Box<dyn std::error::Error>;

pub fn run(args: Prune) -> Result<ExitCode, Error> {
    if let Some(n) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(n).build_global()?;
    }
    let target = match (&args.speedup, &args.params, &args.size, &args.ratio) {
        (Some(s), ..) => Target::speedup(s)?,
        (_, Some(s), ..) => Target::params(s)?,
        (_, _, Some(s), _) => Target::size(s)?,
        (_, _, _, Some(s)) => Target::ratio(s)?,
        _ => Target::Speedup(2.0),
    };
    let recipe = match &args.recipe {
        Some(p) => Some(report::recipe(&std::fs::read_to_string(p)?)?),
        None => None,
    };
    let request = Request {
        criterion: criteria::find(&args.criterion)?,
        scheme: planning::find_scheme(&args.scheme)?,
        score: criteria::ScoreOptions { seed: args.seed, ..Default::default() },
        target,
        options: Options {
            steps: args.steps,
            round_to: args.round_to,
            floor: args.floor,
            protect: args.protect.clone(),
            only: args.only.clone(),
            ratio_for: Vec::new(),
            attention: if args.heads { Axes::Heads } else { Axes::HeadDim },
        },
        shapes: Vec::new(),
        recipe,
        strip_debug: args.strip_debug,
        force: args.force,
        verify: !args.no_verify,
        latency: (!args.no_latency).then_some(Duration::from_secs(2)),
        runtime: match args.runtime.as_str() {
            "tract" => Choice::Tract,
            "ort" => Choice::Ort,
            _ => Choice::Auto,
        },
        library: args.ort_library.clone(),
        threads: args.threads,
    };
    let clock = std::time::Instant::now();
    let mut model = Model::load(&args.model)?;
    let load = clock.elapsed().as_secs_f64();
    let output = match &args.output {
        Some(p) if !args.dry_run => Output::File(p),
        _ => Output::None,
    };
    let mut outcome = prune(&mut model, &request, output, &mut progress::Lines)?;
    outcome.report.seconds.load = load;
    if let Some(p) = &args.report {
        std::fs::write(p, serde_json::to_string_pretty(&outcome.report)?)?;
    }
    let r = &outcome.report;
    for w in &r.warnings {
        eprintln!("warning: {w}");
    }
    eprintln!("{:?}\n{:?}\nspeedup {} steps {} groups {}", r.before, r.after, r.speedup, r.steps, r.groups.len());
    eprintln!("{:?} {:?} {:?}", r.verification, r.missed, r.seconds);
    Ok(if r.missed.is_some() { ExitCode::from(exit::MISSED) } else { ExitCode::SUCCESS })
}
