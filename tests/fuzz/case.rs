//! One model from its bytes to the bytes of the pruned one, and back.

use onnx_prune::analysis::{Analysis, Given};
use onnx_prune::job::Job;
use onnx_prune::onnx::{self, Model};
use onnx_prune::prune::{Error, shrink};
use onnx_prune::rewriting;

use crate::common::request::request;

/// How far a model came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is refused when it is loaded, or when it is analysed.
    Refused,
    /// It is a model that has nothing to prune.
    Frozen,
    /// A smaller one was written, and loaded again.
    Pruned,
}

/// Runs one case.
///
/// # Errors
/// What is wrong with the program, if the case shows it.
pub fn run(bytes: &[u8]) -> Result<Outcome, String> {
    let Ok(model) = Model::from_bytes(bytes.to_vec().into()) else { return Ok(Outcome::Refused) };
    let shrunk = match shrink(&model, &request(), Job::default()) {
        Ok((_, shrunk)) => shrunk,
        Err(Error::Planning(_)) => return Ok(Outcome::Frozen),
        Err(Error::Rewriting(e @ rewriting::Error::Node { .. })) => return Err(format!("not frozen but refused: {e}")),
        Err(_) => return Ok(Outcome::Refused),
    };
    let mut out = Vec::new();
    onnx::write_to(&shrunk, &mut out).map_err(|e| format!("cannot be written: {e}"))?;
    drop(shrunk);
    let again = Model::from_bytes(out.into()).map_err(|e| format!("what was written does not load: {e}"))?;
    let before = Analysis::new(&model, &Vec::new()).map_err(|e| e.to_string())?;
    // Sizes that a model can hardly have are guessed for the smaller one as they were for it.
    let sizes = before.facts.bindings.iter().map(|(name, n)| Given::Symbol(name.clone(), *n)).collect();
    let after = Analysis::new(&again, &Vec::new()).or_else(|_| Analysis::new(&again, &sizes));
    let after = after.map_err(|e| format!("what was written has no shapes: {e}"))?;
    for v in &before.graph.proto().output {
        let shape = |a: &Analysis| {
            let shape = a.graph.id(v.name()).and_then(|id| a.facts.tensors[id].shape.clone());
            shape.map(|s| s.iter().map(onnx_prune::algebra::Dim::known).collect::<Vec<_>>())
        };
        let (Some(old), Some(new)) = (shape(&before), shape(&after)) else { continue };
        let differ = |(a, b): (&Option<i64>, &Option<i64>)| a.is_some() && b.is_some() && a != b;
        if old.len() != new.len() || old.iter().zip(&new).any(differ) {
            return Err(format!("output '{}' has shape {new:?}, not {old:?}", v.name()));
        }
    }
    Ok(Outcome::Pruned)
}
