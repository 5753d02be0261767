//! The smallest model that still answers well enough, by bisection over the speed-up.

use super::calibrate::{Measured, calibration};
use super::plan::make_plan;
use super::{Context, Error, PruneRequest, with_layout};
use crate::analysis::Analysis;
use crate::job::{FigureName, Job, Stage, Unit};
use crate::planning::targets::Speedup;
use crate::planning::{Keep, Targets};
use crate::recovery::recover;
use crate::recovery::samples::Samples;
use crate::report::Recovery;
use crate::rewriting;

/// The first speed-up that is tried, and the one that the rest of the run is tuned for.
pub(super) const FIRST: f64 = 2.0;

/// The smallest and the largest speed-up that are tried.
const RANGE: (f64, f64) = (1.05, 64.0);

/// The search ends where what is enough and what is too much are this near.
const NEAR: f64 = 1.04;

/// Candidates that are tried at most.
const MOST: usize = 12;

/// What a search came to.
pub(super) struct Searched {
    /// The speed-up.
    pub speedup: f64,
    /// Why it does not do.
    pub missed: Option<String>,
}

/// The largest speed-up after which a model keeps what it must, on samples that no layer was solved with.
pub(super) fn largest_speedup(
    a: &Analysis,
    cx: Context,
    keep: Keep,
    samples: &Samples,
    measured: &Measured,
) -> Result<Searched, Error> {
    cx.job.stage(Stage::Search)?;
    let (mut good, mut bad): (Option<f64>, Option<f64>) = (None, None);
    let mut worst = String::new();
    for tried in 0..MOST {
        let speedup = match (good, bad) {
            (None, None) => FIRST,
            (Some(good), None) if good >= RANGE.1 => break,
            (Some(good), None) => (2.0 * good).min(RANGE.1),
            (None, Some(bad)) if bad <= RANGE.0 => break,
            // Whether anything does is known soon.
            (None, Some(bad)) if bad == FIRST => 1.0 + (FIRST - 1.0) / 2.0,
            (None, Some(_)) => RANGE.0,
            (Some(good), Some(bad)) if bad <= NEAR * good => break,
            (Some(good), Some(bad)) => (good * bad).sqrt(),
        };
        cx.job.figure(FigureName::Speedup, speedup);
        cx.job.progress(tried, Some(MOST), Unit::Candidates)?;
        let recovery = candidate(a, cx.quiet(), speedup, samples, measured)?;
        if let Some(recovery) = &recovery {
            tell(cx.job, recovery);
        }
        let kept = recovery.map(|r| kept(&r, keep)).transpose()?;
        match kept {
            Some((true, _)) => good = Some(speedup),
            Some((false, is)) => {
                bad = Some(speedup);
                worst = format!("; at {speedup:.2}x {is}");
            }
            // It cannot be made that small.
            None => bad = Some(speedup),
        }
    }
    Ok(Searched {
        speedup: good.unwrap_or(RANGE.0),
        missed: good.is_none().then(|| format!("no speed-up of {:.2}x or more leaves {keep}{worst}", RANGE.0)),
    })
}

/// What becomes of the model at a speed-up; `None` where it cannot be reached.
fn candidate(
    a: &Analysis,
    cx: Context,
    speedup: f64,
    samples: &Samples,
    measured: &Measured,
) -> Result<Option<Recovery>, Error> {
    let request = &PruneRequest { targets: Targets::one(&Speedup, speedup), ..cx.request.clone() };
    let (plan, _) = make_plan(a, Context { request, ..cx }, measured)?;
    if plan.is_missed() {
        return Ok(None);
    }
    let kept = plan.kept_atoms(a);
    let Ok(proto) = rewriting::prune(a, &kept) else { return Ok(None) };
    let mut pruned = with_layout(&a.graph.model, proto);
    let part = samples.part(samples.solved());
    let calibration = calibration(&part, cx.runtime.get()?, request, cx.job);
    Ok(Some(recover(a, &kept, &mut pruned, request.recover, samples, &calibration)?))
}

/// Tells how far a model gives what the original gives.
pub(super) fn tell(job: Job, recovery: &Recovery) {
    let Some(last) = recovery.last() else { return };
    job.figure(FigureName::Agreement, last.same_answer.unwrap_or(last.cosine));
    if let Some(accuracy) = last.accuracy {
        job.figure(FigureName::Accuracy, accuracy);
    }
}

/// Whether a result keeps what it must, and what it keeps.
pub(super) fn kept(recovery: &Recovery, keep: Keep) -> Result<(bool, String), Error> {
    let Some(last) = recovery.last() else { return Err(Error::NoOutputs) };
    match keep {
        Keep::Agreement(wanted) => {
            let found = last.same_answer.unwrap_or(last.cosine);
            Ok((found >= wanted, format!("it is {:.1} %", 100.0 * found)))
        }
        Keep::Drop(most) => {
            let (Some(before), Some(after)) = (recovery.original, last.accuracy) else { return Err(Error::NoLabels) };
            // Shares of few samples are not exact.
            Ok((before - after <= most + 1e-9, format!("{:.1} points are lost", 100.0 * (before - after))))
        }
    }
}
