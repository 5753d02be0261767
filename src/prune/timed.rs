//! Plans for a time: measured before they count.

use std::cell::RefCell;

use super::calibrate::Measured;
use super::plan::plan_within;
use super::{Error, Progress, Request, begin};
use crate::analysis::Analysis;
use crate::latency::{self, Setting, Table, search};
use crate::planning::{self, Plan, Reached, Targets};
use crate::report::{LatencyReport, TimeReport};
use crate::rewriting;
use crate::runtime;

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
    let found = search(a, &request.targets, table, &setting, &inputs, &mut |targets, table| {
        let mut progress = progress.borrow_mut();
        begin_search(&mut **progress)?;
        Ok(plan_within(a, request, targets, measured, Some(table), &mut **progress)?)
    })?;
    let report = TimeReport { timed, known, left_out, explained: found.explained, plans: found.rounds };
    let mut plan = found.plan;
    plan.notes.splice(0..0, notes);
    Ok((plan, report))
}

fn begin_search(progress: &mut dyn Progress) -> latency::Result<()> {
    if progress.stage("search") { Ok(()) } else { Err(planning::Error::Interrupted.into()) }
}

/// The figures of a final measurement that do not confirm what was aimed at; nothing where they do, or there is none.
pub(super) fn unconfirmed(targets: &Targets, measured: Option<&LatencyReport>) -> Vec<Reached> {
    let Some(LatencyReport { pair, .. }) = measured else { return Vec::new() };
    let mut all = latency::measured(targets, pair, false);
    all.retain(|r| r.goal.target.timed().is_some_and(|t| !t.confirms(r.goal.wanted, pair)));
    all
}

/// What a measurement that confirms nothing says.
pub(super) fn why_unconfirmed(found: &Reached) -> String {
    let Reached { goal, figure, .. } = found;
    let found = goal.target.show(*figure);
    format!("the final measurement gives {found}, wanted {goal}; other programs may have disturbed it")
}
