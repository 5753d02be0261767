//! What data says before a plan is made.

use std::time::Instant;

use super::{Context, Error, PruneRequest};
use crate::analysis::Analysis;
use crate::data::BatchSource;
use crate::job::{Job, Stage};
use crate::planning::{self, Curve};
use crate::recovery::costs::{self, output_losses};
use crate::recovery::drawn::{self, stand_in};
use crate::recovery::samples::Samples;
use crate::recovery::segments::Runner;
use crate::recovery::store::Room;
use crate::report::{SensitivityReport, Timings};
use crate::runtime::Runtime;
use crate::sensitivity::sensitivity;
use crate::statistics::{
    self, AnyKey, Calibration, ErrorCurve, GroupStatistics, Pass, Statistics, curves, layers, line,
};

/// Random inputs that sensitivity is measured on where there is no data.
const RANDOM: u64 = 8;

/// Positions that error curves rest on, all samples together.
const POSITIONS: usize = 8192;

/// MACs that a run without data may take to measure what the output loses: minutes.
const WORK: f64 = 2e13;

/// The calibration data, or what stands in for it, read once; `None` where nothing asks for it.
pub(super) fn samples(a: &Analysis, cx: Context, seconds: &mut Timings) -> Result<Option<Samples>, Error> {
    let request = cx.request;
    if (request.recover.recalibrate || request.keep.is_some()) && request.data.is_none() {
        return Err(Error::NoData);
    }
    if request.data.is_none() && !request.needs_samples() {
        return Ok(None);
    }
    cx.job.stage(Stage::Data)?;
    let clock = Instant::now();
    let (seed, room) = (request.score.seed, Room::default());
    let read = match request.data.as_deref() {
        Some(source) => Samples::read(source, a.graph.proto(), seed, &room)?,
        None => {
            let runner = Runner { runtime: cx.runtime.get()?, session: &request.session, job: cx.job.quiet() };
            let work = a.costs.macs.eval(&a.full_counts()) * (a.groups.len() * costs::SAMPLES) as f64;
            if request.otherwise.is_some() && work > WORK {
                return Err(Error::Work { macs: work });
            }
            stand_in(a, seed, &room, runner)?
        }
    };
    seconds.calibrate += clock.elapsed().as_secs_f64();
    Ok(Some(read))
}

/// What the criterion wants to know of the data, but for error curves.
pub(super) fn calibrate(a: &Analysis, cx: Context, seconds: &mut Timings) -> Result<Statistics, Error> {
    let request = cx.request;
    let mut wanted = request.criterion.plan().statistics();
    wanted.retain(|key| matches!(line(*key).map(|l| l.pass), Some(Pass::Moments(_) | Pass::Maps(_))));
    let Some(source) = request.data.as_deref().filter(|_| !wanted.is_empty() && request.recipe.is_none()) else {
        return Ok(Statistics::default());
    };
    cx.job.stage(Stage::Calibrate)?;
    let clock = Instant::now();
    let groups = statistics::collect(a, &wanted, &calibration(source, cx.runtime.get()?, request, cx.job))?;
    seconds.calibrate += clock.elapsed().as_secs_f64();
    Ok(Statistics { groups, ..Statistics::default() })
}

/// What readers of groups lose as channels go, for the criterion that scores by it, and what that costs the output, for
/// the scheme that goes by it.
pub(super) fn measure_curves(
    a: &Analysis,
    cx: Context,
    samples: Option<&Samples>,
    measured: &mut Measured,
) -> Result<(), Error> {
    let Context { request, job, .. } = cx;
    let wanted = by_curves(request);
    let own = !wanted.is_empty();
    let follows = request.scheme.follows_curves();
    let Some(samples) = samples.filter(|_| request.recipe.is_none() && (follows || own)) else { return Ok(()) };
    job.stage(Stage::Calibrate)?;
    let runtime = cx.runtime.get()?;
    let layers = layers(a);
    let scored = |statistics: &Statistics| -> Result<Vec<Vec<f64>>, Error> {
        Ok(planning::first_scores(a, request.criterion, request.score, statistics)?)
    };
    let orders = match own {
        true => None,
        false => Some(scored(&measured.statistics)?.iter().map(|s| ascending(s)).collect::<Vec<_>>()),
    };
    let part = samples.part(samples.solved());
    let found = {
        let positions = POSITIONS.div_ceil(samples.count(samples.solved()).max(1));
        let calibration = Calibration { positions, ..calibration(&part, runtime, request, job) };
        curves(a, &layers, orders.as_deref(), &calibration)?
    };
    if own {
        let groups = &mut measured.statistics.groups;
        groups.resize(a.groups.len(), GroupStatistics::default());
        for (statistics, curve) in groups.iter_mut().zip(&found) {
            for (key, of) in &wanted {
                if let Some(curve) = curve {
                    statistics.set_named(key.name(), of(curve));
                }
            }
        }
    }
    if follows {
        job.stage(Stage::Allocate)?;
        let limits = planning::may_shrink(a, request.scheme, &request.options)?;
        let scores = scored(&measured.statistics)?;
        let runner = Runner { runtime, session: &request.session, job };
        measured.curves = output_losses(a, &limits, &layers, &found, &scores, samples, runner)?;
    }
    Ok(())
}

/// A statistic that is read off an error curve, and how.
type OfCurve = (&'static dyn AnyKey, fn(&ErrorCurve) -> Vec<f64>);

/// What the criterion reads off error curves.
fn by_curves(request: &PruneRequest) -> Vec<OfCurve> {
    let wanted = request.criterion.plan().statistics().into_iter();
    let of = |key: &'static dyn AnyKey| match line(key)?.pass {
        Pass::Curves(of) => Some((key, of)),
        _ => None,
    };
    wanted.filter_map(of).collect()
}

/// Positions by their scores, lowest first.
fn ascending(scores: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]).then(a.cmp(b)));
    order
}

pub(super) fn calibration<'a>(
    source: &'a dyn BatchSource,
    runtime: &'a dyn Runtime,
    request: &PruneRequest,
    job: Job<'a>,
) -> Calibration<'a> {
    Calibration {
        source,
        runtime,
        session: request.session.clone(),
        seed: request.score.seed,
        positions: Calibration::POSITIONS,
        job,
    }
}

/// What was measured before a plan is made.
#[derive(Default)]
pub(super) struct Measured {
    /// What is known beside the weights.
    pub statistics: Statistics,
    /// What each group loses by the share of it that is gone; empty where that was not measured.
    pub degradations: Vec<Vec<(f64, f64)>>,
    /// What the output loses as channels of each group go; empty where the scheme does not ask.
    pub curves: Vec<Curve>,
    /// How much more the last groups count than the first.
    pub tilt: f64,
}

impl Measured {
    /// Only the groups at these places are left.
    pub fn keep(&mut self, left: &[usize]) {
        fn keep<T>(all: &mut Vec<T>, left: &[usize]) {
            let mut old: Vec<Option<T>> = std::mem::take(all).into_iter().map(Some).collect();
            all.extend(left.iter().filter_map(|g| old.get_mut(*g)?.take()));
        }
        keep(&mut self.statistics.groups, left);
        keep(&mut self.degradations, left);
        keep(&mut self.curves, left);
    }
}

/// What each group costs when part of it goes; on random inputs where there is no data.
pub(super) fn measure_sensitivity(
    a: &Analysis,
    cx: Context,
    statistics: &Statistics,
) -> Result<SensitivityReport, Error> {
    let request = cx.request;
    let limits = planning::may_shrink(a, request.scheme, &request.options)?;
    let scores = planning::first_scores(a, request.criterion, request.score, statistics)?;
    let random;
    let source = match request.data.as_deref() {
        Some(data) => data,
        None => {
            random = drawn::random(a, request.score.seed, RANDOM)?;
            &random
        }
    };
    let calibration = calibration(source, cx.runtime.get()?, request, cx.job);
    cx.job.stage(Stage::Sensitivity)?;
    Ok(sensitivity(a, &limits, &scores, &calibration)?)
}
