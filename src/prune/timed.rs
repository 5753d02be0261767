//! Plans for a time: measured before they count.

use std::cell::RefCell;

use super::calibrate::Measured;
use super::{Error, Progress, Request, begin};
use crate::analysis::Analysis;
use crate::latency::{self, Setting, Table, figure, search};
use crate::planning::{self, Aim, Plan, Target};
use crate::report::{LatencyReport, TimeReport};
use crate::rewriting;
use crate::runtime;

/// A measured ratio this far below the target still confirms it, if the interval around it reaches the target.
const DOUBT: f64 = 0.98;

/// Whether a target is a time.
pub(super) fn is_time(target: Target) -> bool {
    matches!(target, Target::Latency(_) | Target::Milliseconds(_))
}

pub(super) fn plan_for_time(
    a: &Analysis,
    request: &Request,
    measured: &Measured,
    progress: &mut dyn Progress,
) -> Result<(Plan, TimeReport), Error> {
    let o = &request.options;
    let limits = planning::may_shrink(a, request.scheme, o)?;
    let selected = runtime::select(request.runtime, request.library.as_deref())?;
    let setting = Setting {
        runtime: &*selected.runtime,
        session: &request.session,
        folder: request.times.as_ref(),
        seed: request.score.seed,
    };
    let mut notes = selected.warnings;
    begin(progress, "time")?;
    let table = Table::measure(a, &limits, &setting, &mut |w| notes.push(w), &mut |done, of| progress.parts(done, of))?;
    let (timed, known, left_out) = (table.timed, table.known, table.left_out);
    let inputs = rewriting::likely_inputs(a, request.score.seed, &request.fills)?;
    let progress = RefCell::new(progress);
    let found = search(a, request.target, table, &setting, &inputs, &mut |target, table| {
        let aim = Aim {
            criterion: request.criterion,
            scheme: request.scheme,
            score: request.score,
            target,
            options: o,
            fixed_bytes: 0.0,
            statistics: &measured.statistics,
            losses: &measured.losses,
            curves: &measured.curves,
            tilt: measured.tilt,
            latency: Some(table),
        };
        let mut progress = progress.borrow_mut();
        begin_search(&mut **progress)?;
        Ok(planning::plan(a, &aim, &mut |s| progress.step(s))?)
    })?;
    let report = TimeReport { timed, known, left_out, explained: found.explained, plans: found.rounds };
    let mut plan = found.plan;
    plan.notes.splice(0..0, notes);
    Ok((plan, report))
}

fn begin_search(progress: &mut dyn Progress) -> latency::Result<()> {
    if progress.stage("search") { Ok(()) } else { Err(planning::Error::Interrupted.into()) }
}

/// Why a final measurement does not confirm that a time was reached.
pub(super) fn unconfirmed(target: Target, measured: Option<&LatencyReport>) -> Option<String> {
    let pair = &measured?.pair;
    let confirmed = match target {
        Target::Latency(x) => pair.ratio >= x || pair.ratio >= DOUBT * x && pair.ratio_range.1 >= x,
        Target::Milliseconds(ms) => {
            pair.b.median <= ms || pair.b.median * DOUBT <= ms && pair.b.median - pair.b.mad <= ms
        }
        _ => true,
    };
    (!confirmed).then(|| {
        let (found, wanted) = (figure(target, pair), planning::Measured(target));
        format!("the final measurement gives {found}, wanted {wanted}; other programs may have disturbed it")
    })
}
