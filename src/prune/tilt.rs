//! How much more the last groups count than the first when widths are chosen: what goes wrong early is made up for by
//! the least squares of later layers, and how far can only be tried.

use std::collections::BTreeSet;

use super::calibrate::{Measured, calibration};
use super::plan::make_plan;
use super::{Context, Error, with_layout};
use crate::analysis::Analysis;
use crate::job::{Stage, Unit};
use crate::recovery::refit::Options;
use crate::recovery::samples::Samples;
use crate::recovery::trial;
use crate::rewriting;

/// What is tried.
const TILTS: [f64; 3] = [0.0, 0.5, 1.0];

/// What is taken where nothing is tried.
const USUAL: f64 = 0.5;

/// Samples set aside that tell tilts apart.
const ENOUGH: usize = 48;

/// Rows of regressions that are only tried.
const ROWS: usize = 4096;

/// Samples that they are solved with, and samples set aside that they are compared on.
const SAMPLES: usize = 64;

/// Sets the tilt whose widths come nearest to the original after the least squares, on samples that were set aside.
pub(super) fn choose_tilt(
    a: &Analysis,
    cx: Context,
    samples: Option<&Samples>,
    measured: &mut Measured,
) -> Result<(), Error> {
    let request = cx.request;
    measured.tilt = USUAL;
    let enough = |s: &&Samples| s.has_aside() && s.count(s.told()) >= ENOUGH;
    let Some(samples) = samples.filter(enough).filter(|_| {
        request.scheme.follows_curves()
            && request.recover.refit
            && request.recipe.is_none()
            && !request.targets.is_time()
    }) else {
        return Ok(());
    };
    cx.job.stage(Stage::Try)?;
    let part = samples.part(samples.solved());
    let calibration = calibration(&part, cx.runtime.get()?, request, cx.job.quiet());
    let mut best: Option<(f64, f64)> = None;
    let mut seen = BTreeSet::new();
    for (k, tilt) in TILTS.into_iter().enumerate() {
        cx.job.progress(k, Some(TILTS.len()), Unit::Candidates)?;
        measured.tilt = tilt;
        let (plan, _) = make_plan(a, cx.quiet(), measured)?;
        if !seen.insert(plan.kept.clone()) {
            continue;
        }
        let kept = plan.kept_atoms(a);
        // What cannot be cut like this keeps some groups whole later.
        let Ok(proto) = rewriting::prune(a, &kept) else { continue };
        let mut pruned = with_layout(&a.graph.model, proto);
        let options = Options { rows: ROWS, samples: Some(SAMPLES), repeats: 1, ..Options::new(request.score.seed) };
        let lost = trial(a, &kept, &mut pruned, samples, &calibration, options)?;
        if best.is_none_or(|b| lost < b.0) {
            best = Some((lost, tilt));
        }
    }
    cx.job.progress(TILTS.len(), Some(TILTS.len()), Unit::Candidates)?;
    measured.tilt = best.map_or(USUAL, |b| b.1);
    Ok(())
}
