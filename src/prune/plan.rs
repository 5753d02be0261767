//! Which channels stay.

use super::{Error, Progress, Request, with_layout};
use crate::analysis::Analysis;
use crate::onnx;
use crate::planning::{self, Aim, Plan, Target};
use crate::rewriting;
use crate::statistics::GroupStatistics;

pub(super) fn make_plan(
    a: &Analysis,
    request: &Request,
    statistics: &[GroupStatistics],
    progress: &mut dyn Progress,
) -> Result<Plan, Error> {
    if let Some(recipe) = &request.recipe {
        let recorded: Vec<_> = recipe.groups.iter().map(|g| (g.name.clone(), g.before, g.kept.clone())).collect();
        return Ok(planning::replay(a, request.target, &recorded)?);
    }
    // What a file takes beside its weights hardly changes; a size target that is missed by it is aimed at again.
    let full = a.full_counts();
    let mut beside = a.graph.model.file_bytes as f64 - a.costs.weight_bytes.eval(&full);
    for _ in 0..4 {
        let aim = Aim {
            criterion: request.criterion,
            scheme: request.scheme,
            score: request.score,
            target: request.target,
            options: &request.options,
            fixed_bytes: beside,
            statistics,
            latency: None,
        };
        let plan = planning::plan(a, &aim, &mut |s| progress.step(s))?;
        let Target::Size(limit) = request.target else { return Ok(plan) };
        if plan.missed.is_some() {
            return Ok(plan);
        }
        let proto = rewriting::prune(a, &plan.kept_atoms(a))?;
        let bytes = onnx::write_to(&with_layout(a.graph.model, proto), &mut std::io::sink())?;
        if bytes <= limit {
            return Ok(plan);
        }
        beside += (bytes - limit) as f64;
    }
    Err(planning::Error::NothingPrunable { why: "its size does not follow its weights".to_owned() }.into())
}
