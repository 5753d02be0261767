//! Why statistics could not be collected.

use crate::data::SourceError;

/// Result of collecting statistics.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with an activation that no sum can take.
pub(super) const NOT_FINITE: &str = "holds NaN or infinite values";

/// Errors of collecting statistics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A weight could not be read.
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
    /// The model could not be opened or run.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// The data could not be read.
    #[error("calibration data: {0}")]
    Data(SourceError),
    /// There is no sample.
    #[error("calibration data: there is no sample")]
    Empty,
    /// An activation is not what the graph says, or holds NaN or infinite values.
    #[error("tensor '{tensor}' on sample '{sample}' and those after it in its batch: {why}")]
    Activation {
        /// The tensor.
        tensor: String,
        /// First sample of the batch.
        sample: String,
        /// What is wrong.
        why: String,
    },
    /// Activations could not be kept in a temporary file.
    #[error("activations could not be kept in a temporary file: {0}")]
    Storage(#[from] std::io::Error),
    /// The caller asked to stop.
    #[error("interrupted")]
    Cancelled(#[from] crate::job::Cancelled),
}

impl From<crate::tensor::Error> for Error {
    fn from(e: crate::tensor::Error) -> Error {
        crate::runtime::Error::from(e).into()
    }
}
