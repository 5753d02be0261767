//! Why a model could not be rewritten, or why the result was refused.

/// Result of rewriting.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of rewriting and verification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file format refused.
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
    /// A change of the graph is not possible.
    #[error(transparent)]
    Edit(#[from] crate::onnx::edit::Error),
    /// A runtime refused.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// The graph is inconsistent.
    #[error(transparent)]
    Analysis(#[from] crate::analysis::Error),
    /// Activations could not be had.
    #[error(transparent)]
    Statistics(#[from] crate::statistics::Error),
    /// A node could not follow the axes that shrank.
    #[error("node {node}: {why}")]
    Node {
        /// The node.
        node: String,
        /// What is wrong.
        why: String,
    },
    /// The pruned model does not do what the original does with the removed channels masked.
    #[error("verification failed, nothing was written: {0}")]
    Verification(String),
}

impl From<crate::tensor::Error> for Error {
    fn from(e: crate::tensor::Error) -> Error {
        crate::runtime::Error::from(e).into()
    }
}
