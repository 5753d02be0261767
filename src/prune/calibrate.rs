//! What data says before a plan is made.

use std::cell::RefCell;
use std::time::Instant;

use super::{Error, Progress, Request, begin};
use crate::analysis::Analysis;
use crate::criteria::Measure;
use crate::planning::{self, Curve};
use crate::recovery::costs::{self, output_losses};
use crate::recovery::drawn::{self, stand_in};
use crate::recovery::samples::Samples;
use crate::recovery::segments::Runner;
use crate::recovery::store::Room;
use crate::report::{SensitivityReport, Timings};
use crate::runtime::{self, Runtime};
use crate::sensitivity::sensitivity;
use crate::statistics::{self, Calibration, GroupStatistics, Source, Wanted, curves, layers};

/// Random inputs that sensitivity is measured on where there is no data.
const RANDOM: u64 = 8;

/// Positions that error curves rest on, all samples together.
const POSITIONS: usize = 8192;

/// MACs that a run without data may take to measure what the output loses: minutes.
const WORK: f64 = 2e13;

/// The calibration data, or what stands in for it, read once; `None` where nothing asks for it.
pub(super) fn samples(
    a: &Analysis,
    request: &Request,
    progress: &mut dyn Progress,
    seconds: &mut Timings,
) -> Result<Option<Samples>, Error> {
    if (request.recover.recalibrate || request.keep.is_some()) && request.data.is_none() {
        return Err(Error::NoData);
    }
    if request.data.is_none() && !request.needs_samples() {
        return Ok(None);
    }
    begin(progress, "data")?;
    let clock = Instant::now();
    let (seed, room) = (request.score.seed, Room::default());
    let read = match request.data.as_deref() {
        Some(source) => Samples::read(source, a.graph.proto(), seed, &room)?,
        None => {
            let runtime = runtime::select(request.runtime, request.library.as_deref())?.runtime;
            let runner = Runner { runtime: &*runtime, session: &request.session, goes_on: &|| true };
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

/// What the criterion wants to know of the data.
pub(super) fn calibrate(
    a: &Analysis,
    request: &Request,
    progress: &mut dyn Progress,
    seconds: &mut Timings,
) -> Result<Vec<GroupStatistics>, Error> {
    let measure = request.criterion.plan().measure;
    let wanted =
        Wanted { grams: matches!(measure, Measure::Shares | Measure::Variances), ranks: measure == Measure::Ranks };
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
    seconds.calibrate += clock.elapsed().as_secs_f64();
    Ok(statistics)
}

/// What readers of groups lose as channels go, for the criterion that scores by it, and what that costs the output, for
/// the scheme that goes by it.
pub(super) fn measure_curves(
    a: &Analysis,
    request: &Request,
    samples: Option<&Samples>,
    measured: &mut Measured,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let own = request.criterion.plan().measure == Measure::Errors;
    let follows = request.scheme.follows_curves();
    let Some(samples) = samples.filter(|_| request.recipe.is_none() && (follows || own)) else { return Ok(()) };
    begin(progress, "calibrate")?;
    let runtime = runtime::select(request.runtime, request.library.as_deref())?.runtime;
    let layers = layers(a);
    let scored = |statistics: &[GroupStatistics]| -> Result<Vec<Vec<f64>>, Error> {
        Ok(planning::first_scores(a, request.criterion, request.score, statistics)?)
    };
    let orders = match own {
        true => None,
        false => Some(scored(&measured.statistics)?.iter().map(|s| ascending(s)).collect::<Vec<_>>()),
    };
    let progress = RefCell::new(progress);
    let read = |n| progress.borrow_mut().samples(n);
    let part = samples.part(samples.solved());
    let found = {
        let positions = POSITIONS.div_ceil(samples.count(samples.solved()).max(1));
        let calibration = Calibration { positions, ..calibration(&part, &*runtime, request, &read) };
        curves(a, &layers, orders.as_deref(), &calibration)?
    };
    if own {
        measured.statistics.resize(a.groups.len(), GroupStatistics::default());
        for (statistics, curve) in measured.statistics.iter_mut().zip(&found) {
            statistics.errors = curve.as_ref().map(|c| c.scores());
        }
    }
    if follows {
        begin(&mut **progress.borrow_mut(), "allocate")?;
        let limits = planning::may_shrink(a, request.scheme, &request.options)?;
        let scores = scored(&measured.statistics)?;
        let runner = Runner { runtime: &*runtime, session: &request.session, goes_on: &|| true };
        let mut told = |done, of| progress.borrow_mut().candidates(done, of);
        measured.curves = output_losses(a, &limits, &layers, &found, &scores, samples, runner, &mut told)?;
    }
    Ok(())
}

/// Positions by their scores, lowest first.
fn ascending(scores: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]).then(a.cmp(b)));
    order
}

pub(super) fn calibration<'a>(
    source: &'a dyn Source,
    runtime: &'a dyn Runtime,
    request: &Request,
    progress: &'a dyn Fn(usize) -> bool,
) -> Calibration<'a> {
    Calibration {
        source,
        runtime,
        session: request.session.clone(),
        seed: request.score.seed,
        positions: Calibration::POSITIONS,
        progress,
    }
}

/// What was measured before a plan is made.
#[derive(Default)]
pub(super) struct Measured {
    /// What data says of each group; empty without data.
    pub statistics: Vec<GroupStatistics>,
    /// What each group loses by the share of it that is gone; empty where that was not measured.
    pub losses: Vec<Vec<(f64, f64)>>,
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
        keep(&mut self.statistics, left);
        keep(&mut self.losses, left);
        keep(&mut self.curves, left);
    }
}

/// What each group costs when part of it goes; on random inputs where there is no data.
pub(super) fn measure_sensitivity(
    a: &Analysis,
    request: &Request,
    statistics: &[GroupStatistics],
    progress: &mut dyn Progress,
) -> Result<SensitivityReport, Error> {
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
    let runtime = runtime::select(request.runtime, request.library.as_deref())?.runtime;
    let goes_on = |_| true;
    let calibration = calibration(source, &*runtime, request, &goes_on);
    begin(progress, "sensitivity")?;
    let mut told = |done, of| progress.candidates(done, of);
    Ok(sensitivity(a, &limits, &scores, &calibration, &mut told)?)
}
