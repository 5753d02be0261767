//! The job of looking at a model: what of it can shrink, what cannot, and why.

use std::sync::Arc;

use crate::analysis::{Shapes, Sharing};
use crate::onnx::Model;
use crate::report::{self, Inspection};
use crate::rewriting;

/// Looks at a model without changing it. `shapes` gives sizes for open dimensions of inputs, where guesses will not do;
/// with `sharing` apart, layers that share a weight may keep different channels.
///
/// ```
/// use onnx_prune::{Model, Sharing, inspect};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny/convnext_ts.onnx");
/// let found = inspect(&Model::load(path)?, &Vec::new(), Sharing::Tied)?;
/// for group in &found.groups {
///     println!("{}: {} channels of kind {}", group.name, group.size, group.kind);
/// }
/// assert!(found.model.macs > 0.0 && !found.groups.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the model is inconsistent, a weight cannot be read, or `shapes` do not fit.
pub fn inspect(model: impl Into<Arc<Model>>, shapes: &Shapes, sharing: Sharing) -> rewriting::Result<Inspection> {
    Ok(report::inspect(&rewriting::analyse(model, shapes, sharing)?))
}
