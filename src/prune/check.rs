//! Running the staged file: is it right, and how fast is it?

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::timed::{is_time, unconfirmed};
use super::{Error, Progress, Request, begin};
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::report::{LatencyReport, Report, Timings, Verification};
use crate::rewriting::{self, Check, CheckOptions};
use crate::runtime::latency::{LatencyOptions, measure_pair};
use crate::runtime::{self, Device, Runtime, SessionOptions};

/// The measurement that confirms a time that was aimed at.
const CONFIRM: LatencyOptions = LatencyOptions { warmup: 3, runs: 200, budget: Duration::from_secs(3), least: 20 };

/// A staged file, and what it was made of.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    /// The original.
    pub a: &'a Analysis<'a>,
    /// What stays of it.
    pub kept: &'a Kept,
    /// The file.
    pub staged: &'a Path,
    /// What was asked for.
    pub request: &'a Request,
}

impl Trial<'_> {
    /// Verifies the file and times it, as far as that was asked for, and writes down what was found.
    pub fn run(
        &self,
        report: &mut Report,
        seconds: &mut Timings,
        warnings: &mut Vec<String>,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        let request = self.request;
        if !request.verify && request.latency.is_none() {
            return Ok(());
        }
        begin(progress, "verify")?;
        let clock = Instant::now();
        let selected = match runtime::select(request.runtime, request.library.as_deref()) {
            Ok(selected) => selected,
            // Without a check, a runtime is only a wish.
            Err(e) if !request.verify => {
                warnings.push(format!("latency not measured: {e}"));
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        };
        warnings.extend(selected.warnings);
        let runtime = &*selected.runtime;
        let Some(mut check) = self.check(runtime, warnings)? else { return Ok(()) };
        seconds.verify = clock.elapsed().as_secs_f64();
        report.verification = request.verify.then(|| verification(check.verdict));
        let Some(budget) = request.latency else { return Ok(()) };
        begin(progress, "measure")?;
        let clock = Instant::now();
        // A time that was aimed at deserves a longer look.
        let aimed = is_time(request.target) && request.recipe.is_none();
        let options = match aimed {
            true => LatencyOptions { budget: budget.max(CONFIRM.budget), ..CONFIRM },
            false => LatencyOptions { budget, ..LatencyOptions::default() },
        };
        report.latency = measure(&mut check, runtime, request.session.device, &options, warnings);
        if aimed && report.missed.is_none() {
            report.missed = unconfirmed(request.target, report.latency.as_ref());
        }
        seconds.latency = clock.elapsed().as_secs_f64();
        Ok(())
    }

    /// Runs the file against the silenced original; `None` where that says nothing about it.
    fn check(&self, runtime: &dyn Runtime, warnings: &mut Vec<String>) -> Result<Option<Check>, Error> {
        let Trial { a, kept, staged, request } = *self;
        let session = request.session.clone();
        let options = CheckOptions { seed: request.score.seed, session: session.clone(), ..CheckOptions::default() };
        let checked = rewriting::verify(a, kept, staged, runtime, &options);
        if let Err(rewriting::Error::Runtime(e @ runtime::Error::Device { .. })) = checked {
            return Err(e.into());
        }
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
                let again = rewriting::verify(a, kept, staged, runtime, &CheckOptions { session: plain, ..options });
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
}

fn run_original(a: &Analysis, runtime: &dyn Runtime, session: &SessionOptions) -> Result<(), Error> {
    let inputs = rewriting::concrete_inputs(a, 0)?;
    rewriting::open_original(a, runtime, session)?.run(&inputs)?;
    Ok(())
}

fn measure(
    c: &mut Check,
    runtime: &dyn Runtime,
    device: Device,
    options: &LatencyOptions,
    warnings: &mut Vec<String>,
) -> Option<LatencyReport> {
    let inputs = &c.inputs;
    match measure_pair((&mut *c.before, inputs), (&mut *c.after, inputs), options) {
        Ok(pair) => {
            if let Some(doubt) = pair.doubt() {
                warnings.push(format!("latency: {doubt}"));
            }
            let shapes: BTreeMap<String, Vec<usize>> =
                inputs.iter().map(|(n, t)| (n.clone(), t.shape().to_vec())).collect();
            let runtime = format!("{} {}", runtime.name(), runtime.version());
            Some(LatencyReport { runtime, device: device.to_string(), inputs: shapes, pair })
        }
        Err(e) => {
            warnings.push(format!("latency not measured: {e}"));
            None
        }
    }
}

fn verification(v: rewriting::Verdict) -> Verification {
    let rewriting::Verdict { difference, compared, mixed, outputs } = v;
    Verification { difference, compared, mixed, outputs }
}

/// Says so when the clock does not follow the MACs, and what usually helps.
pub(super) fn latency_advice(report: &Report, request: &Request, warnings: &mut Vec<String>) {
    let Some(l) = &report.latency else { return };
    if l.pair.ratio >= 0.75 * report.speedup || report.times.is_some() {
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
