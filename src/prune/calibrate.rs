//! What data says before a plan is made.

use std::cell::RefCell;
use std::time::Instant;

use super::{Error, Progress, Request, begin};
use crate::analysis::Analysis;
use crate::criteria::Measure;
use crate::planning;
use crate::report::{SensitivityReport, Timings};
use crate::runtime::{self, Runtime};
use crate::sensitivity::{random_source, sensitivity};
use crate::statistics::{self, Calibration, GroupStatistics, Source, Wanted};

/// What the criterion wants to know of the data.
pub(super) fn calibrate(
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
            random = random_source(a, request.score.seed)?;
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
