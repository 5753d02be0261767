//! What a model loses when one group shrinks and all others stay: Li et al. 2017, "Pruning filters for efficient
//! ConvNets", call it sensitivity.

use std::sync::Arc;

use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::evaluation::{self, Accuracy, Answers, Evaluator, Predictions, TaskEvaluator};
use crate::job::Unit;
use crate::metrics::Agreement;
use crate::onnx::Model;
use crate::planning::{self, Limit};
use crate::report::{GroupSensitivity, SensitivityMeasure, SensitivityPoint, SensitivityReport};
use crate::rewriting;
use crate::runtime::Tensor;
use crate::statistics::{self, Calibration};

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

impl From<evaluation::Error> for Error {
    fn from(e: evaluation::Error) -> Self {
        match e {
            evaluation::Error::Metric { source, .. } => Error::Metrics(source),
            other => Error::Statistics(other.into()),
        }
    }
}

/// Takes [`SHARES`] of each group that `limits` lets shrink away, lowest scores first, and tells what is lost: of the
/// top-1 accuracy where the data has classes, else of the agreement with the original (mean cosine of the
/// outputs, sample by sample).
///
/// `scores` has one list per group. The job of `calibration` is told how many of how many candidates are done.
///
/// # Errors
/// When a candidate cannot be cut or run, or the job is to stop.
pub fn sensitivity(
    a: &Analysis,
    limits: &[Limit],
    scores: &[Vec<f64>],
    calibration: &Calibration,
) -> Result<SensitivityReport, Error> {
    // What is counted are candidates.
    let evaluator = Evaluator { job: calibration.job.quiet(), ..Evaluator::from(calibration) };
    let original = accuracy(&evaluator, &a.graph.model)?;
    // Only where there are no labels are outputs kept.
    let mut reference = Recorded::default();
    if original.is_none() {
        evaluator.run(&a.graph.model, &mut reference)?;
    }
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
            calibration.job.progress(done, Some(candidates), Unit::Candidates).map_err(statistics::Error::from)?;
            done += 1;
            let stay = ((g.size as f64 * (1.0 - share)).round() as usize).max(1);
            let kept = Kept::from([(g.atom, best(scores, stay))]);
            let model = Model {
                proto: rewriting::prune(a, &kept)?,
                external: a.graph.model.external.clone(),
                ..Model::default()
            };
            let degradation = match original {
                Some(before) => before - accuracy(&evaluator, &model)?.unwrap_or(0.0),
                None => {
                    let mut agrees = Agrees { reference: &reference.0, next: 0, found: Agreement::default() };
                    evaluator.run(&model, &mut agrees)?;
                    1.0 - agrees.found.cosine()
                }
            };
            points.push(SensitivityPoint { kept: stay, degradation });
        }
        groups.push(GroupSensitivity { name: g.name.clone(), before: g.size, points });
    }
    calibration.job.progress(done, Some(candidates), Unit::Candidates).map_err(statistics::Error::from)?;
    let of = if original.is_some() { SensitivityMeasure::Accuracy } else { SensitivityMeasure::Agreement };
    Ok(SensitivityReport { of, original, groups })
}

/// Losses by share gone, for each group; empty for groups that were not measured.
pub fn degradations(a: &Analysis, report: &SensitivityReport) -> Vec<Vec<(f64, f64)>> {
    let of = |g: &crate::analysis::Group| {
        let measured = report.groups.iter().find(|r| r.name == g.name);
        let point = |p: &SensitivityPoint| (1.0 - p.kept as f64 / g.size as f64, p.degradation);
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

/// The share of right classes; `None` where the data has no classes.
fn accuracy(evaluator: &Evaluator, model: &Model) -> Result<Option<f64>, Error> {
    let mut found = Accuracy::default();
    evaluator.run(model, &mut found)?;
    Ok(found.value())
}

/// Keeps all outputs, batch by batch.
#[derive(Default)]
struct Recorded(Vec<Vec<(String, Tensor)>>);

impl TaskEvaluator for Recorded {
    fn add(&mut self, answers: &Answers, _: &mut dyn Predictions) -> evaluation::Result<()> {
        self.0.push(answers.outputs.to_vec());
        Ok(())
    }
}

/// Compares with outputs that were kept: the mean cosine, sample by sample.
struct Agrees<'r> {
    reference: &'r [Vec<(String, Tensor)>],
    next: usize,
    found: Agreement,
}

impl TaskEvaluator for Agrees<'_> {
    fn add(&mut self, answers: &Answers, _: &mut dyn Predictions) -> evaluation::Result<()> {
        let Some(reference) = self.reference.get(self.next) else { return Ok(()) };
        self.next += 1;
        self.found.add(answers.outputs, reference).map_err(|e| answers.metric(e))
    }
}
