//! What a model must satisfy before anything works on it.

use super::attr::{imported, plain};
use super::proto::ModelProto;
use super::{Error, Result, arity, inline, opset, order, sequences, states, tensor, walk};

/// Oldest IR version that is understood.
pub const OLDEST_IR: i64 = 3;
/// Newest IR version that the schema covers.
pub const NEWEST_IR: i64 = 14;
/// Oldest default operator set that is understood.
pub const OLDEST_OPSET: i64 = 7;
/// Newest default operator set that is known.
pub const NEWEST_OPSET: i64 = 28;

/// Versions, tensor sizes, single assignment, order. Writes out functions and sequences, takes states that never change
/// out of loops, and sorts nodes that stand out of order. Returns warnings.
pub(crate) fn check(model: &mut ModelProto) -> Result<Vec<String>> {
    let mut warnings = versions(model)?;
    model.functions.iter().try_for_each(order::check_function)?;
    let inline::Written { calls, too_large } = inline::inline(model)?;
    if calls > 0 {
        warnings.push(format!("{calls} calls of functions of the model were written out"));
    }
    if too_large > 0 {
        warnings.push(format!(
            "{too_large} calls of functions stay as they are: written out, they would be many times the file"
        ));
    }
    walk::tensors(model, &mut |t, _| tensor::check(t))?;
    walk::sparse_tensors(model, &mut tensor::check_sparse)?;
    let version = opset(model, "");
    if let Some(graph) = model.graph.as_mut() {
        arity::check(graph)?;
        let sorted = order::check_and_sort(graph)?;
        if sorted > 0 {
            warnings.push(format!("nodes of {sorted} graph(s) stood out of order and were sorted"));
        }
        match sequences::write_out(graph, version) {
            0 => {}
            n => warnings.push(format!("{n} operators on sequences of tensors were written out")),
        }
        match states::settle(graph, version) {
            0 => {}
            n => warnings.push(format!("{n} states that loops hand on unchanged are read from outside of them")),
        }
    }
    Ok(warnings)
}

fn versions(model: &ModelProto) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let old = |what, found, oldest| Err(Error::UnsupportedVersion { what, found, oldest });
    match model.ir_version() {
        v if v < OLDEST_IR => return old("IR version", v, OLDEST_IR),
        v if v > NEWEST_IR => {
            warnings.push(format!("IR version {v} is newer than {NEWEST_IR}, the newest known: parts may be dropped"));
        }
        _ => {}
    }
    match imported(model, "") {
        Some(v) if v < OLDEST_OPSET => return old("opset", v, OLDEST_OPSET),
        Some(v) if v > NEWEST_OPSET => {
            warnings
                .push(format!("opset {v} is newer than {NEWEST_OPSET}, the newest known: operators may have changed"));
        }
        Some(_) => {}
        None => {
            let mut nodes = model.graph.iter().flat_map(|g| &g.node);
            if nodes.any(|n| plain(n.domain()).is_empty()) {
                warnings.push(format!("the default operator set is not imported: opset {NEWEST_OPSET} is assumed"));
            }
        }
    }
    Ok(warnings)
}
