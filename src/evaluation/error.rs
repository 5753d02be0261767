use crate::data::SourceError;
use crate::hint::Hint;
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
    /// Data of another make.
    #[error("{0}")]
    Source(SourceError),
    /// A model's answers cannot be evaluated.
    #[error("{model}: {source}")]
    Metric {
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
    Cancelled(#[from] crate::job::Cancelled),
}

/// Result of an evaluation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The setting that would help or is at fault, where there is one.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Error::Analysis(e) => e.hint(),
            Error::Runtime(e) => e.hint(),
            Error::Data(e) => e.hint(),
            _ => None,
        }
    }

    /// What a source of batches says.
    pub(super) fn data(e: SourceError) -> Error {
        match e.downcast::<data::Error>() {
            Ok(e) => Error::Data(*e),
            Err(e) => Error::Source(e),
        }
    }
}

/// Of an evaluation on calibration data.
impl From<Error> for crate::statistics::Error {
    fn from(e: Error) -> Self {
        use crate::statistics::Error as Statistics;
        match e {
            Error::Onnx(e) => Statistics::Onnx(e),
            Error::Runtime(e) => Statistics::Runtime(e),
            Error::Data(e) => Statistics::Data(e.into()),
            Error::Source(e) => Statistics::Data(e),
            Error::Empty => Statistics::Empty,
            Error::Cancelled(e) => Statistics::Cancelled(e),
            other => Statistics::Data(other.into()),
        }
    }
}

impl From<crate::tensor::Error> for Error {
    fn from(e: crate::tensor::Error) -> Error {
        crate::runtime::Error::from(e).into()
    }
}
