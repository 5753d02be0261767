//! Plans for a time: measured before they count.

use super::calibrate::Measured;
use super::plan::plan_within;
use super::{Context, Error};
use crate::analysis::Analysis;
use crate::job::Stage;
use crate::latency::{self, Setting, Table, search};
use crate::planning::{self, Plan, Reached, Targets};
use crate::report::{LatencyReport, TimeReport};
use crate::rewriting;

pub(super) fn plan_for_time(a: &Analysis, cx: Context, measured: &Measured) -> Result<(Plan, TimeReport), Error> {
    let Context { request, job, .. } = cx;
    let o = &request.options;
    let limits = planning::may_shrink(a, request.scheme, o)?;
    let selected = cx.runtime.selected()?;
    let setting = Setting {
        runtime: &*selected.runtime,
        session: &request.session,
        folder: request.times.as_ref(),
        seed: request.score.seed,
        job,
    };
    let mut notes = selected.warnings.clone();
    job.stage(Stage::Time)?;
    let table = Table::measure(a, &limits, &setting, &mut |w| notes.push(w))?;
    let (timed, known, left_out) = (table.timed, table.known, table.left_out);
    let inputs = rewriting::likely_inputs(a, request.score.seed, &request.fills)?;
    let found = search(a, &request.targets, table, &setting, &inputs, &mut |targets, table| {
        job.stage(Stage::Search)?;
        Ok(plan_within(a, cx, targets, measured, Some(table))?)
    })?;
    let report = TimeReport { timed, known, left_out, explained: found.explained, plans: found.rounds };
    let mut plan = found.plan;
    plan.notes.splice(0..0, notes);
    Ok((plan, report))
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
