//! Plans for a time: measured before they count.

use super::calibrate::Measured;
use super::{Context, Error};
use crate::analysis::Analysis;
use crate::job::Stage;
use crate::latency::{Setting, Table, figure, search};
use crate::planning::{self, Aim, Plan, Target};
use crate::report::{LatencyReport, TimeReport};
use crate::rewriting;

/// A measured ratio this far below the target still confirms it, if the interval around it reaches the target.
const DOUBT: f64 = 0.98;

/// Whether a target is a time.
pub(super) fn is_time(target: Target) -> bool {
    matches!(target, Target::Latency(_) | Target::Milliseconds(_))
}

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
        job.stage(Stage::Search)?;
        Ok(planning::plan(a, &aim, job)?)
    })?;
    let report = TimeReport { timed, known, left_out, explained: found.explained, plans: found.rounds };
    let mut plan = found.plan;
    plan.notes.splice(0..0, notes);
    Ok((plan, report))
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
