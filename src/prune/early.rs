//! What can be told before any work is done.

use super::{Context, Error, PruneRequest};
use crate::analysis::Analysis;
use crate::data;
use crate::onnx;
use crate::planning;
use crate::runtime::{self, Choice, Device};
use std::path::Path;

/// Looks at what a run needs from outside the model.
///
/// # Errors
/// When the output cannot be written, or the runtime or device that was asked for cannot be used.
pub(super) fn check_surroundings(cx: Context, target: Option<&Path>) -> Result<(), Error> {
    let request = cx.request;
    if let Some(path) = target {
        onnx::check_place(path)?;
    }
    if request.runs_models() && (request.runtime != Choice::Auto || request.session.device != Device::Cpu) {
        runtime::ready(cx.runtime.get()?, &request.session)?;
    }
    Ok(())
}

/// Looks at whether what was asked for fits the model; gives warnings.
///
/// # Errors
/// When a pattern matches nothing, nothing may shrink, or the data does not fit.
pub(super) fn check_model(a: &Analysis, request: &PruneRequest) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    if request.recipe.is_none() {
        planning::check_kinds(a, &request.options, &request.kinds)?;
        planning::may_shrink(a, request.scheme, &request.options)?;
        warnings.extend(planning::absent_kinds(a, &request.options));
    }
    warnings.extend(check_classes(a, request)?);
    Ok(warnings)
}

/// Labels are compared in the first output. Data that is only looked at needs no fitting classes.
fn check_classes(a: &Analysis, request: &PruneRequest) -> Result<Option<String>, Error> {
    let counts = request.recover.any() || request.sensitivity || request.scheme.needs_degradations();
    let classes = request.data.as_deref().map_or(&[][..], |source| source.classes());
    let output = a.graph.proto().output.first();
    let (Some(output), true) = (output, counts && !classes.is_empty()) else { return Ok(None) };
    let shape = a.graph.id(output.name()).and_then(|id| a.facts.tensors[id].shape.as_ref());
    let width = shape.filter(|s| s.len() > 1).and_then(|s| s.last()?.known()).and_then(|n| usize::try_from(n).ok());
    let Some(width) = width else { return Ok(None) };
    if classes.len() > width {
        let why = format!("it has {} classes, output `{}` of the model has {width}", classes.len(), output.name());
        return Err(data::Error::Fit { why }.into());
    }
    // Labels that are only numbers need not reach the last class.
    let named = classes.iter().enumerate().any(|(i, name)| *name != i.to_string());
    Ok((named && classes.len() < width).then(|| {
        format!(
            "the data has {} classes, output `{}` tells {width} apart: the accuracy on it says nothing",
            classes.len(),
            output.name()
        )
    }))
}
