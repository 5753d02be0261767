//! What can go wrong while a graph is changed.

/// Result of a change.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a change is not possible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor or a name is not as it must be.
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
    /// The operator set of the graph does not have the operator in this form.
    #[error("operator {op} needs opset {needs}, the graph has {has}")]
    Opset {
        /// The operator.
        op: String,
        /// The operator set that brought it.
        needs: i64,
        /// The operator set of the graph.
        has: i64,
    },
}
