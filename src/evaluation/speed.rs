//! How fast a model is, and how much memory it takes.

use super::{EvaluationRequest, LatencyRequest, Result, Subject};
use crate::analysis::{Analysis, Shapes};
use crate::metrics::memory;
use crate::report::BatchLatency;
use crate::rewriting;
use crate::runtime::latency::{LatencyOptions, measure};
use crate::runtime::{Runtime, Session, Tensor, fixed_batch, random_inputs};

pub(super) struct Timed {
    pub latency: Vec<BatchLatency>,
    pub memory: Option<u64>,
}

/// Size of an open axis other than the batch, where no sample says better.
const OPEN_AXIS: usize = 64;

/// Times the model on `given`, the inputs of some batch, or on noise.
pub(super) fn time(
    model: &Subject,
    runtime: &dyn Runtime,
    asked: &EvaluationRequest,
    request: &LatencyRequest,
    given: Option<&[(String, Tensor)]>,
) -> Result<Timed> {
    memory::give_back();
    let before = memory::resident();
    let fresh = memory::forget_peak();
    let mut session = model.open(runtime, &asked.session)?;
    let mut batches = request.batches.clone();
    if let Some(fixed) = fixed_batch(session.inputs()) {
        batches = vec![fixed];
    }
    let options = LatencyOptions { budget: request.budget, ..LatencyOptions::default() };
    let mut latency = Vec::new();
    for batch in batches {
        let inputs = match given {
            Some(given) => resized(given, batch)?,
            None => noise(&mut *session, model, &asked.shapes, batch)?,
        };
        latency.push(BatchLatency { batch, times: measure(&mut *session, &inputs, &options)? });
    }
    let added = memory::peak().zip(before).map(|(peak, before)| peak.saturating_sub(before));
    Ok(Timed { latency, memory: added.filter(|_| fresh) })
}

/// Random inputs at the given or guessed sizes that the model runs on.
fn noise(session: &mut dyn Session, model: &Subject, shapes: &Shapes, batch: usize) -> Result<Vec<(String, Tensor)>> {
    let model = model.load()?;
    let analysis = Analysis::new(&*model, shapes)?;
    for inputs in rewriting::inputs_for_batch(&analysis, batch) {
        if session.run(&inputs).is_ok() {
            return Ok(inputs);
        }
    }
    // Small integers are valid as tokens, masks and counts.
    Ok(random_inputs(session.inputs(), &|_, axis, _| if axis == 0 { batch } else { OPEN_AXIS }, 0, 0..2)?)
}

/// The same samples again and again until there are enough.
fn resized(given: &[(String, Tensor)], batch: usize) -> Result<Vec<(String, Tensor)>> {
    let one = |(name, tensor): &(String, Tensor)| {
        let rows = tensor.shape().first().copied().unwrap_or(1).max(1);
        let mut whole = tensor.rows(0..rows.min(batch))?;
        while whole.shape().first().is_some_and(|n| *n < batch) {
            let missing = batch - whole.shape().first().copied().unwrap_or(batch);
            whole = whole.append(&tensor.rows(0..rows.min(missing))?)?;
        }
        Ok((name.clone(), whole))
    };
    given.iter().map(one).collect()
}
