//! Running the staged file: is it right, and how fast is it?

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::timed::{unconfirmed, why_unconfirmed};
use super::{Context, Error, Ledger, PruneRequest};
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::hint::Hint;
use crate::job::Stage;
use crate::report::{LatencyReport, Report, Verification};
use crate::rewriting::{self, Check, CheckOptions, Found};
use crate::runtime::latency::{LatencyOptions, measure_pair};
use crate::runtime::{self, Device, Dim, IoInfo, Runtime, SessionOptions, Tensor};

/// The measurement that confirms a time that was aimed at.
const CONFIRM: LatencyOptions = LatencyOptions { warmup: 3, runs: 200, budget: Duration::from_secs(3), least: 20 };

/// A staged file, and what it was made of.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    /// The original.
    pub a: &'a Analysis,
    /// What stays of it.
    pub kept: &'a Kept,
    /// The file.
    pub staged: &'a Path,
    /// What was asked for.
    pub cx: Context<'a>,
}

impl Trial<'_> {
    /// Verifies the file and times it, as far as that was asked for, and writes down what was found.
    pub fn run(&self, report: &mut Report, ledger: &mut Ledger) -> Result<(), Error> {
        let Context { request, job, .. } = self.cx;
        let Ledger { seconds, warnings, .. } = ledger;
        if !request.verify && request.latency.is_none() {
            return Ok(());
        }
        job.stage(Stage::Verify)?;
        let clock = Instant::now();
        let selected = match self.cx.runtime.selected() {
            Ok(selected) => selected,
            // Without a check, a runtime is only a wish.
            Err(e) if !request.verify => {
                warnings.push(format!("latency not measured: {e}"));
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        };
        warnings.extend(selected.warnings.iter().cloned());
        let runtime = &*selected.runtime;
        let mut check = match self.check(runtime, warnings)? {
            Checked::Done(check) => check,
            Checked::Not(why) => {
                seconds.verify = clock.elapsed().as_secs_f64();
                match request.verify {
                    true => report.not_verified = Some(why),
                    false => warnings.push(format!("latency not measured: {why}")),
                }
                return Ok(());
            }
        };
        seconds.verify = clock.elapsed().as_secs_f64();
        if request.verify {
            match &check.found {
                Found::Same(verdict) => report.verification = Some(verification(verdict)),
                Found::Nothing(why) => report.not_verified = Some(why.clone()),
            }
        }
        let Some(budget) = request.latency else { return Ok(()) };
        job.stage(Stage::Measure)?;
        let clock = Instant::now();
        // A time that was aimed at deserves a longer look.
        let aimed = request.targets.is_time() && request.recipe.is_none();
        let options = match aimed {
            true => LatencyOptions { budget: budget.max(CONFIRM.budget), ..CONFIRM },
            false => LatencyOptions { budget, ..LatencyOptions::default() },
        };
        report.latency = measure(&mut check, runtime, request.session.device, &options, warnings);
        if aimed && report.missed.is_none() {
            for reached in unconfirmed(&request.targets, report.latency.as_ref()) {
                report.missed.get_or_insert_with(|| why_unconfirmed(&reached));
                report
                    .targets
                    .iter_mut()
                    .filter(|t| t.name == reached.goal.target.key())
                    .for_each(|t| *t = reached.into());
            }
        }
        seconds.latency = clock.elapsed().as_secs_f64();
        Ok(())
    }

    /// Runs the file against the masked original.
    fn check(&self, runtime: &dyn Runtime, warnings: &mut Vec<String>) -> Result<Checked, Error> {
        let Trial { a, kept, staged, cx: Context { request, .. } } = *self;
        let session = request.session.clone();
        let _quiet = runtime::Quiet::begin();
        let options = CheckOptions {
            seed: request.score.seed,
            session: session.clone(),
            fills: request.fills.clone(),
            samples: self.samples(warnings),
            ..CheckOptions::default()
        };
        let other = match runtime.name() {
            "tract" => format!("; onnxruntime may, see {}", Hint::OrtLibrary),
            _ => String::new(),
        };
        match rewriting::verify(a, kept, staged, runtime, &options) {
            Ok(mut check) => {
                if let (Found::Nothing(why), None) = (&mut check.found, &check.sessions) {
                    why.push_str(&other);
                }
                Ok(Checked::Done(Box::new(check)))
            }
            Err(rewriting::Error::Runtime(e @ runtime::Error::Device { .. })) => Err(e.into()),
            // A runtime that cannot run the original, or does not end, says nothing about the pruned model.
            Err(rewriting::Error::Runtime(runtime::Error::Timeout { runtime, seconds, .. })) => {
                let why =
                    format!("{runtime} did not finish within {seconds} s ({} allows more){other}", Hint::RunTimeout);
                Ok(Checked::Not(why))
            }
            Err(rewriting::Error::Runtime(e)) => {
                let (name, why) = (runtime.name(), e.reason());
                Ok(Checked::Not(format!("{name} cannot run the original model ({why}){other}")))
            }
            Err(e) if !request.verify => Ok(Checked::Not(e.to_string())),
            Err(e @ rewriting::Error::Verification(_)) => {
                // The models may agree and the runtime's own rewriting be at fault: then they agree without it.
                let plain = SessionOptions { optimize: false, ..session };
                let again = rewriting::verify(a, kept, staged, runtime, &CheckOptions { session: plain, ..options });
                let Ok(check @ Check { found: Found::Same(_), .. }) = again else { return Err(e.into()) };
                let name = runtime.name();
                warnings.push(format!(
                    "verified without {name}'s graph optimization, which gives other results for one of the models"
                ));
                Ok(Checked::Done(Box::new(check)))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The first samples of the data, as many as the figures are given for.
    fn samples(&self, warnings: &mut Vec<String>) -> Option<rewriting::Inputs> {
        let a = self.a;
        let source = self.cx.request.data.as_deref()?;
        let size = |d: &crate::algebra::Dim| match d.known().and_then(|n| usize::try_from(n).ok()) {
            Some(n) => Dim::Fixed(n),
            None => Dim::Symbol(a.facts.symbols.show(d)),
        };
        let info = |v: &&crate::onnx::proto::ValueInfoProto| {
            let fact = &a.facts.tensors[a.graph.id(v.name())?];
            let dims = fact.shape.as_ref().map(|dims| dims.iter().map(size).collect());
            Some(IoInfo { name: v.name().to_owned(), dtype: fact.dtype, dims })
        };
        let infos: Vec<IoInfo> = a.graph.free_inputs().iter().filter_map(info).collect();
        let first = source.pass(&infos).and_then(|mut all| all.next().transpose());
        let inputs = match first {
            Ok(batch) => batch?.inputs,
            Err(e) => {
                warnings.push(format!("verified on random inputs, the data cannot be given: {e}"));
                return None;
            }
        };
        let cut = |(name, tensor): (String, Tensor)| {
            let open = infos.iter().find(|i| i.name == name).and_then(|i| i.dims.as_ref()?.first());
            let wanted = a.graph.id(&name).and_then(|id| a.facts.concrete(id, &a.facts.bindings)?.first().copied());
            match (open, wanted, tensor.shape().first()) {
                (Some(Dim::Symbol(_)), Some(n), Some(rows)) if n < *rows => {
                    tensor.rows(0..n.max(1)).map(|t| (name, t)).ok()
                }
                _ => Some((name, tensor)),
            }
        };
        inputs.into_iter().map(cut).collect()
    }
}

/// Whether both models could be run.
enum Checked {
    /// They were.
    Done(Box<Check>),
    /// Why not.
    Not(String),
}

fn measure(
    c: &mut Check,
    runtime: &dyn Runtime,
    device: Device,
    options: &LatencyOptions,
    warnings: &mut Vec<String>,
) -> Option<LatencyReport> {
    let inputs = &c.inputs;
    let Some((before, after)) = &mut c.sessions else {
        warnings.push(format!("latency not measured: {} cannot run the whole model", runtime.name()));
        return None;
    };
    match measure_pair((&mut **before, inputs), (&mut **after, inputs), options) {
        Ok(pair) => {
            if let Some(doubt) = pair.doubt() {
                warnings.push(format!("latency: {doubt}"));
            }
            let shapes: BTreeMap<String, Vec<usize>> =
                inputs.iter().map(|(n, t)| (n.clone(), t.shape().to_vec())).collect();
            let runtime = format!("{} {}", runtime.name(), runtime.version());
            Some(LatencyReport { runtime, device, inputs: shapes, pair })
        }
        Err(e) => {
            warnings.push(format!("latency not measured: {e}"));
            None
        }
    }
}

fn verification(v: &rewriting::Verdict) -> Verification {
    Verification {
        difference: v.difference,
        compared: v.compared,
        mixed: v.mixed,
        outputs: v.outputs,
        sizes: v.sizes.clone(),
        inputs: v.inputs.iter().map(|kind| (*kind).to_owned()).collect(),
        unchecked_outputs: v.unchecked_outputs.iter().map(|(name, why)| (name.clone(), (*why).to_owned())).collect(),
        unchecked_groups: v.unchecked_groups.clone(),
        before_operators: v.before_operators.clone(),
    }
}

/// Says so when the clock does not follow the MACs, and what usually helps.
pub(super) fn latency_advice(report: &Report, request: &PruneRequest, warnings: &mut Vec<String>) {
    let Some(l) = &report.latency else { return };
    if l.pair.ratio >= 0.75 * report.speedup || report.times.is_some() {
        return;
    }
    let ratio = l.pair.ratio;
    let mut text = format!("{:.2}x fewer MACs, but only {ratio:.2}x less time", report.speedup);
    if request.options.round_to < 8 {
        text += &format!("; vector units like full registers: try {} 8 (16 where AVX-512 is used)", Hint::RoundTo);
    } else {
        text.push_str("; what is left is bound by memory or by operators without MACs");
    }
    warnings.push(text);
}
