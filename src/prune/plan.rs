//! Which channels stay.

use super::calibrate::Measured;
use super::timed::{is_time, plan_for_time};
use super::{Context, Error, with_layout};
use crate::analysis::Analysis;
use crate::onnx;
use crate::planning::{self, Aim, Plan, Target};
use crate::report::TimeReport;
use crate::rewriting;

pub(super) fn make_plan(a: &Analysis, cx: Context, measured: &Measured) -> Result<(Plan, Option<TimeReport>), Error> {
    let request = cx.request;
    if let Some(recipe) = &request.recipe {
        let recorded: Vec<_> = recipe.groups.iter().map(|g| (g.name.clone(), g.before, g.kept.clone())).collect();
        return Ok((planning::replay(a, request.target, &recorded)?, None));
    }
    if is_time(request.target) {
        let (plan, times) = plan_for_time(a, cx, measured)?;
        return Ok((plan, Some(times)));
    }
    // What a file takes beside its weights hardly changes; a size target that is missed by it is aimed at again.
    let full = a.full_counts();
    let mut beside = a.graph.model.file_bytes as f64 - a.costs.weight_bytes(&full);
    for _ in 0..4 {
        let aim = Aim {
            criterion: request.criterion,
            scheme: request.scheme,
            score: request.score,
            target: request.target,
            options: &request.options,
            fixed_bytes: beside,
            statistics: &measured.statistics,
            losses: &measured.losses,
            curves: &measured.curves,
            tilt: measured.tilt,
            latency: None,
        };
        let plan = planning::plan(a, &aim, cx.job)?;
        let Target::Size(limit) = request.target else { return Ok((plan, None)) };
        if plan.missed.is_some() {
            return Ok((plan, None));
        }
        let proto = match rewriting::prune(a, &plan.kept_atoms(a)) {
            Ok(proto) => proto,
            // Whoever rewrites it makes another plan, without what cannot follow.
            Err(rewriting::Error::Node { .. }) => return Ok((plan, None)),
            Err(e) => return Err(e.into()),
        };
        let bytes = onnx::write_to(&with_layout(&a.graph.model, proto), &mut std::io::sink())?;
        if bytes <= limit {
            return Ok((plan, None));
        }
        beside += (bytes - limit) as f64;
    }
    Err(planning::Error::NothingPrunable { why: "its size does not follow its weights".to_owned() }.into())
}
