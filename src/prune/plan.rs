//! Which channels stay.

use super::calibrate::Measured;
use super::timed::plan_for_time;
use super::{Context, Error, with_layout};
use crate::analysis::Analysis;
use crate::onnx;
use crate::planning::targets::Size;
use crate::planning::{self, Latency, Plan, PlanRequest, Targets};
use crate::report::TimeReport;
use crate::rewriting;

pub(super) fn make_plan(a: &Analysis, cx: Context, measured: &Measured) -> Result<(Plan, Option<TimeReport>), Error> {
    let request = cx.request;
    if let Some(recipe) = &request.recipe {
        let recorded: Vec<_> = recipe.groups.iter().map(|g| (g.name.clone(), g.before, g.kept.clone())).collect();
        return Ok((planning::replay(a, &request.targets, &recorded)?, None));
    }
    if request.targets.is_time() {
        let (plan, times) = plan_for_time(a, cx, measured)?;
        return Ok((plan, Some(times)));
    }
    Ok((plan_within(a, cx, &request.targets, measured, None)?, None))
}

/// A plan for some targets. What a file takes beside its weights hardly changes; a size that is missed by it is aimed
/// at again.
pub(super) fn plan_within(
    a: &Analysis,
    cx: Context,
    targets: &Targets,
    measured: &Measured,
    latency: Option<&dyn Latency>,
) -> Result<Plan, planning::Error> {
    let request = cx.request;
    let full = a.full_counts();
    let mut beside = a.graph.model.file_bytes as f64 - a.costs.weight_bytes(&full);
    for _ in 0..4 {
        let planned = PlanRequest {
            criterion: request.criterion,
            scheme: request.scheme,
            score: request.score,
            targets,
            options: &request.options,
            fixed_bytes: beside,
            statistics: &measured.statistics,
            degradations: &measured.degradations,
            curves: &measured.curves,
            tilt: measured.tilt,
            latency,
        };
        let plan = planning::plan(a, &planned, cx.job)?;
        let Some(limit) = targets.wanted(&Size).filter(|_| !plan.is_missed()) else { return Ok(plan) };
        // Whoever rewrites what cannot follow makes another plan, without it.
        let Ok(proto) = rewriting::prune(a, &plan.kept_atoms(a)) else { return Ok(plan) };
        let bytes = onnx::write_to(&with_layout(&a.graph.model, proto), &mut std::io::sink())? as f64;
        if bytes <= limit {
            return Ok(plan);
        }
        beside += bytes - limit;
    }
    Err(planning::Error::NothingPrunable { why: "its size does not follow its weights".to_owned() })
}
