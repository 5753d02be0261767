//! The whole job: analyse, plan, rewrite, verify, win accuracy back, report; and saving what comes out.

mod calibrate;
mod check;
mod context;
mod defaults;
mod early;
mod figures;
mod keep;
mod original;
mod plan;
mod pruned;
mod request;
mod run;
mod tilt;
mod timed;

use std::path::Path;
use std::sync::Arc;

use crate::job::{Job, Stage};
use crate::onnx::{self, Model};
use crate::planning::{self, Plan};
use crate::report::{SensitivityReport, Timings};
use crate::rewriting;
use crate::runtime::OnDemand;

pub use defaults::{Defaults, Preset};
pub use pruned::{Outcome, Prepared, Pruned};
pub use request::{Error, PruneRequest};

use calibrate::{Measured, calibrate, measure_curves, measure_sensitivity, samples};
use context::{Context, Ledger};
use run::{limited, rewrite};

/// Prunes a model and gives back what is left of it, verified, with the plan and the report. Nothing is written but
/// temporary files; [`Pruned::save`] does that, or [`prune_to`] from the start. A model that is handed over as an
/// [`Arc`] is not copied; of a borrowed one, weights that are stored as raw bytes are shared.
///
/// A target that is missed gives a report with `missed` set, and the model that comes nearest; unless the request
/// forces it, that one has not been verified.
///
/// ```
/// use onnx_prune::targets::{Ratio, Targets};
/// use onnx_prune::{Job, Model, PruneRequest, prune};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny/convnext_ts.onnx");
/// let model = Model::load(path)?;
/// let pruned = prune(&model, &PruneRequest::new(Targets::one(&Ratio, 0.5)), Job::default())?;
/// assert!(pruned.report.verification.is_some());
/// assert!(pruned.report.after.params < pruned.report.before.params);
/// // The result is a model like any other.
/// let again = prune(&pruned.model, &PruneRequest::new(Targets::one(&Ratio, 0.5)), Job::default())?;
/// assert!(again.report.after.params < pruned.report.after.params);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Anything that makes the result less than certain; [`Error::Cancelled`] and its like when the job is to stop
/// ([`is_cancelled`](crate::job::is_cancelled) tells).
pub fn prune(model: impl Into<Arc<Model>>, request: &PruneRequest, job: Job) -> Result<Pruned, Error> {
    Ok(run::run(model.into(), request, None, job)?.0)
}

/// Prunes a model for a file: what is verified is the written file, staged beside `target`, and
/// [`Prepared::commit`] puts this very file in place. Until then `target` is what it was.
///
/// # Errors
/// As [`prune`], and when `target` cannot be written.
pub fn prune_to(
    model: impl Into<Arc<Model>>,
    request: &PruneRequest,
    target: impl AsRef<Path>,
    job: Job,
) -> Result<Prepared, Error> {
    let model = model.into();
    let maps = model.maps.clone();
    let (pruned, staged) = run::run(model, request, Some(target.as_ref()), job)?;
    Ok(Prepared { pruned, staged, maps, force: request.force })
}

/// Plans and rewrites, and nothing else: the smaller model has not been verified.
///
/// # Errors
/// When the model cannot be analysed, has nothing to prune, or cannot be rewritten.
pub fn shrink(model: impl Into<Arc<Model>>, request: &PruneRequest, job: Job) -> Result<(Plan, Model), Error> {
    let runtime = OnDemand::new(request.runtime, request.library.clone());
    let cx = Context { request, runtime: &runtime, job };
    let mut a = rewriting::analyse(model, &request.shapes, request.sharing())?;
    let mut measured = Measured::default();
    let done = rewrite(&mut a, cx, &mut measured, &mut Timings::default())?;
    Ok((done.plan, done.pruned))
}

/// Measures what each group costs when part of it goes, and removes nothing. The target is not looked at.
///
/// # Errors
/// When the model cannot be analysed, cut or run.
pub fn measure_only(
    model: impl Into<Arc<Model>>,
    request: &PruneRequest,
    job: Job,
) -> Result<SensitivityReport, Error> {
    let runtime = OnDemand::new(request.runtime, request.library.clone());
    let cx = Context { request, runtime: &runtime, job };
    early::check_surroundings(cx, None)?;
    job.stage(Stage::Analyse)?;
    let a = rewriting::analyse(model, &request.shapes, request.sharing())?;
    early::check_model(&a, request)?;
    let request = &limited(&a, request);
    // Nothing is allocated.
    let scheme = request.scheme;
    let scheme = if scheme.follows_curves() { planning::find_scheme("global")? } else { scheme };
    let cx = Context { request: &PruneRequest { scheme, ..request.clone() }, ..cx };
    let mut seconds = Timings::default();
    let samples = samples(&a, cx, &mut seconds)?;
    let statistics = calibrate(&a, cx, &mut seconds)?;
    let mut measured = Measured { statistics, ..Measured::default() };
    measure_curves(&a, cx, samples.as_ref(), &mut measured)?;
    measure_sensitivity(&a, cx, &measured.statistics)
}

/// What was made of a model, to be read and written as that was.
fn with_layout(model: &Model, proto: onnx::proto::ModelProto) -> Model {
    let (external, unknown, maps) = (model.external.clone(), model.unknown.clone(), model.maps.clone());
    Model { proto, external, unknown, maps, ..Model::default() }
}
