//! A copy of a model that also gives intermediate tensors.

use super::error::{Error, Result};
use super::source::Calibration;
use crate::data::Batch;
use crate::job::Unit;
use crate::onnx::{self, Model};
use crate::runtime::{self, Session, View};

/// The model with tensors of its main graph as outputs after its own.
///
/// # Errors
/// When nothing defines one of them.
pub fn with_probes<'n>(model: &Model, tensors: impl IntoIterator<Item = &'n str>) -> onnx::Result<Model> {
    let mut proto = model.proto.clone();
    if let Some(graph) = &mut proto.graph {
        onnx::add_outputs(graph, tensors.into_iter().map(onnx::untyped))?;
    }
    Ok(Model { proto, external: model.external.clone(), ..Model::default() })
}

/// Sees a batch, the outputs of the model on it where they lie, and the number of samples before it.
pub type Visit<'v> = dyn FnMut(&Batch, &[(&str, View)], usize) -> Result<()> + 'v;

/// A model that runs on calibration data and hands out tensors.
pub struct ActivationProbe<'a> {
    session: Box<dyn Session>,
    calibration: &'a Calibration<'a>,
}

impl<'a> ActivationProbe<'a> {
    /// Opens a model whose outputs are all that is wanted.
    ///
    /// # Errors
    /// When the runtime refuses it.
    pub fn open(model: &Model, calibration: &'a Calibration<'a>) -> Result<ActivationProbe<'a>> {
        let session = runtime::open_model(calibration.runtime, model.clone(), &calibration.session)?;
        Ok(ActivationProbe { session, calibration })
    }

    /// Runs all batches; `visit` gets each with its outputs and the number of samples before it. Returns the number
    /// of samples.
    ///
    /// # Errors
    /// When the data or a run fails, or `visit` does; [`Error::Empty`] without a sample.
    pub fn run(&mut self, visit: &mut Visit) -> Result<usize> {
        let mut samples = 0;
        let inputs = self.session.inputs().to_vec();
        let source = self.calibration.source;
        for batch in source.pass(&inputs).map_err(Error::Data)? {
            let batch = batch.map_err(Error::Data)?;
            if batch.is_empty() {
                continue;
            }
            let mut seen = Ok(());
            self.session.show(&batch.inputs, &mut |outputs| seen = visit(&batch, &outputs, samples))?;
            seen?;
            samples += batch.len();
            self.calibration.job.progress(samples, source.count(), Unit::Samples)?;
        }
        if samples == 0 { Err(Error::Empty) } else { Ok(samples) }
    }
}
