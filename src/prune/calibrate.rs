//! What data says before a plan is made.

use std::cell::RefCell;
use std::time::Instant;

use super::{Error, Progress, Request, begin};
use crate::analysis::Analysis;
use crate::criteria::Measure;
use crate::report::Timings;
use crate::runtime::{self, Runtime};
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
