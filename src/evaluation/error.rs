use crate::{analysis, data, metrics, onnx, runtime};

/// Why an evaluation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model file.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    /// The analysis of a model.
    #[error(transparent)]
    Analysis(#[from] analysis::Error),
    /// The runtime.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The data.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// A model's answers cannot be judged.
    #[error("{model}: {source}")]
    Judge {
        /// The model.
        model: String,
        /// What does not fit.
        source: metrics::Error,
    },
    /// A model does not fit the data.
    #[error("{model}: {why}")]
    Unfit {
        /// The model.
        model: String,
        /// What does not fit.
        why: String,
    },
    /// A sample does not fit the rest.
    #[error("sample {sample}: {why}")]
    Sample {
        /// Name of the sample.
        sample: String,
        /// What does not fit.
        why: String,
    },
    /// There is no sample.
    #[error("there is no sample in the data")]
    Empty,
    /// Predictions could not be written.
    #[error("cannot write predictions: {0}")]
    Predictions(#[source] std::io::Error),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Result of an evaluation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<crate::tensor::Error> for Error {
    fn from(e: crate::tensor::Error) -> Error {
        crate::runtime::Error::from(e).into()
    }
}
