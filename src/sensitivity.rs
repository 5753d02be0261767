//! What a model loses when one group shrinks and all others stay: Li et al. 2017, "Pruning filters for efficient
//! ConvNets", call it sensitivity.

use std::sync::Arc;

use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::metrics::Agreement;
use crate::onnx::Model;
use crate::planning::{self, Limit};
use crate::recovery::accuracy;
use crate::report::{GroupSensitivity, SensitivityPoint, SensitivityReport};
use crate::rewriting;
use crate::runtime::{Tensor, View};
use crate::statistics::{self, Calibration, Tap};

/// Shares of a group that are taken away.
pub const SHARES: [f64; 3] = [0.25, 0.5, 0.75];

/// Why sensitivity could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Scores, or the caller asked to stop.
    #[error(transparent)]
    Planning(#[from] planning::Error),
    /// A candidate could not be cut.
    #[error(transparent)]
    Rewriting(#[from] rewriting::Error),
    /// The data or the runtime.
    #[error(transparent)]
    Statistics(#[from] statistics::Error),
    /// Outputs that cannot be compared.
    #[error(transparent)]
    Metrics(#[from] crate::metrics::Error),
}

/// Takes [`SHARES`] of each group that `limits` lets shrink away, lowest scores first, and tells what is lost: of the
/// share of right answers where the data has classes, else of the agreement with the original (mean cosine of the
/// outputs, sample by sample).
///
/// `scores` has one list per group. `progress` is told how many of how many candidates are done.
///
/// # Errors
/// When a candidate cannot be cut or run, or `progress` says stop.
pub fn sensitivity(
    a: &Analysis,
    limits: &[Limit],
    scores: &[Vec<f64>],
    calibration: &Calibration,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<SensitivityReport, Error> {
    let original = accuracy(&a.graph.model, calibration)?;
    // Only where there are no right answers are outputs kept.
    let reference = if original.is_none() { outputs(&a.graph.model, calibration)? } else { Vec::new() };
    let candidates =
        limits.iter().zip(&a.groups).map(|(l, g)| usize::from(l.least < g.size)).sum::<usize>() * SHARES.len();
    let mut done = 0;
    let mut groups = Vec::new();
    for ((g, limit), scores) in a.groups.iter().zip(limits).zip(scores) {
        if limit.least >= g.size {
            continue;
        }
        let mut points = Vec::new();
        for share in SHARES {
            if !progress(done, candidates) {
                return Err(planning::Error::Interrupted.into());
            }
            done += 1;
            let stay = ((g.size as f64 * (1.0 - share)).round() as usize).max(1);
            let kept = Kept::from([(g.atom, best(scores, stay))]);
            let model = Model {
                proto: rewriting::prune(a, &kept)?,
                external: a.graph.model.external.clone(),
                ..Model::default()
            };
            let loss = match original {
                Some(before) => before - accuracy(&model, calibration)?.unwrap_or(0.0),
                None => 1.0 - agreement(&outputs(&model, calibration)?, &reference)?,
            };
            points.push(SensitivityPoint { kept: stay, loss });
        }
        groups.push(GroupSensitivity { name: g.name.clone(), before: g.size, points });
    }
    Ok(SensitivityReport { of: if original.is_some() { "accuracy" } else { "agreement" }, original, groups })
}

/// Losses by share gone, for each group; empty for groups that were not measured.
pub fn losses(a: &Analysis, report: &SensitivityReport) -> Vec<Vec<(f64, f64)>> {
    let of = |g: &crate::analysis::Group| {
        let measured = report.groups.iter().find(|r| r.name == g.name);
        let point = |p: &SensitivityPoint| (1.0 - p.kept as f64 / g.size as f64, p.loss);
        measured.map(|r| r.points.iter().map(point).collect()).unwrap_or_default()
    };
    a.groups.iter().map(of).collect()
}

/// Positions of the highest scores, ascending.
fn best(scores: &[f64], n: usize) -> Arc<[u32]> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(b.cmp(a)));
    order.truncate(n);
    order.sort_unstable();
    order.into()
}

/// The outputs of one batch.
type Outputs = Vec<(String, Tensor)>;

/// All outputs of a model, batch by batch.
fn outputs(model: &Model, calibration: &Calibration) -> Result<Vec<Outputs>, Error> {
    let mut all = Vec::new();
    Tap::open(model, calibration)?.run(&mut |_, given, _| {
        let own = |(name, view): &(&str, View)| Ok(((*name).to_owned(), view.to_tensor()?));
        all.push(given.iter().map(own).collect::<statistics::Result<_>>()?);
        Ok(())
    })?;
    Ok(all)
}

/// Mean cosine of the outputs, sample by sample.
fn agreement(outputs: &[Outputs], reference: &[Outputs]) -> Result<f64, Error> {
    let mut found = Agreement::default();
    for (outputs, reference) in outputs.iter().zip(reference) {
        found.add(outputs, reference)?;
    }
    Ok(found.cosine())
}
