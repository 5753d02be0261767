//! What tests ask of the whole job.

use std::sync::Arc;

use onnx_prune::criteria;
use onnx_prune::job::Job;
use onnx_prune::onnx::{self, Model};
use onnx_prune::planning::targets::{Ratio, Targets};
use onnx_prune::planning::{self, Options};
use onnx_prune::prune::{Error, PruneRequest, prune};
use onnx_prune::report::Report;
use onnx_prune::runtime::SessionOptions;

/// Half of every group by l2 in three steps, neither checked nor measured.
pub fn request() -> PruneRequest {
    PruneRequest {
        criterion: criteria::find("l2").unwrap(),
        scheme: planning::find_scheme("local").unwrap(),
        options: Options { steps: 3, ..Default::default() },
        force: true,
        verify: false,
        session: SessionOptions { threads: Some(1), ..SessionOptions::default() },
        ..PruneRequest::new(Targets::one(&Ratio, 0.5))
    }
}

/// What came out of a job that may be written.
pub struct Done {
    pub report: Report,
    pub unverified: Option<String>,
    pub written: bool,
}

/// Prunes a model in memory, and gives its bytes if the command line would write them.
pub fn pruned(model: impl Into<Arc<Model>>, request: &PruneRequest) -> Result<(Done, Vec<u8>), Error> {
    let done = prune(model, request, Job::default())?;
    let written = done.is_as_asked() || request.force;
    let mut bytes = Vec::new();
    if written {
        onnx::write_to(&done.model, &mut bytes)?;
    }
    Ok((Done { report: done.report, unverified: done.unverified, written }, bytes))
}
