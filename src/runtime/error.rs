use crate::hint::Hint;
use std::path::PathBuf;

/// Why a model could not be opened or run. Every message names the runtime and the model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The runtime refused the model.
    #[error("{runtime} cannot open {model}: {why}")]
    Load {
        /// Name of the runtime.
        runtime: &'static str,
        /// Path of the model, or "a model in memory".
        model: String,
        /// The runtime's own words.
        why: String,
    },
    /// The model was opened, but a run failed.
    #[error("{runtime} cannot run {model}: {why}")]
    Run {
        /// Name of the runtime.
        runtime: &'static str,
        /// Path of the model, or "a model in memory".
        model: String,
        /// The runtime's own words.
        why: String,
    },
    /// Opening or running the model took longer than it may; the thread that does it was left behind.
    #[error("{runtime} did not finish {model} within {seconds} s ({} allows more)", Hint::RunTimeout)]
    Timeout {
        /// Name of the runtime.
        runtime: &'static str,
        /// Path of the model, or "a model in memory".
        model: String,
        /// The limit.
        seconds: f64,
    },
    /// The inputs of a run do not fit what the model declares.
    #[error("{runtime} cannot run {model}: input `{input}` {why}")]
    Input {
        /// Name of the runtime.
        runtime: &'static str,
        /// Path of the model, or "a model in memory".
        model: String,
        /// Name of the graph input.
        input: String,
        /// What does not fit.
        why: String,
    },
    /// Something valid in ONNX that this runtime, or this program's use of it, does not cover.
    #[error("{runtime} cannot open {model}: {what} is not supported by it")]
    Unsupported {
        /// Name of the runtime.
        runtime: &'static str,
        /// Path of the model, or "a model in memory".
        model: String,
        /// The operator, type or option.
        what: String,
    },
    /// There is no such device, or no way to run on it.
    #[error("device `{device}`: {why}")]
    Device {
        /// As the user gave it.
        device: String,
        /// Unknown, or which library of an execution provider was looked for and what was wrong with it.
        why: String,
    },
    /// No onnxruntime library could be used.
    #[error("no usable onnxruntime library: {why}")]
    Library {
        /// Every path tried, in order.
        tried: Vec<PathBuf>,
        /// What was wrong with them, one clause each.
        why: String,
    },
    /// A tensor whose data does not fit its shape, or whose type has no representation here.
    #[error("invalid tensor: {why}")]
    Tensor {
        /// What does not fit.
        why: String,
    },
    /// The program was built without any runtime.
    #[error("this build has no runtime: enable the feature `tract` or `ort`")]
    NoRuntime,
}

impl Error {
    /// The setting that would help.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Error::Timeout { .. } => Some(Hint::RunTimeout),
            Error::Library { .. } => Some(Hint::OrtLibrary),
            _ => None,
        }
    }

    /// What happened, without the name of the model: for messages that say which one it is.
    pub fn reason(&self) -> String {
        match self {
            Error::Load { why, .. } | Error::Run { why, .. } => why.trim_end().to_owned(),
            Error::Input { input, why, .. } => format!("input `{input}` {why}"),
            Error::Unsupported { what, .. } => format!("{what} is not supported"),
            Error::Timeout { seconds, .. } => {
                format!("it did not finish within {seconds} s ({} allows more)", Hint::RunTimeout)
            }
            other => other.to_string(),
        }
    }
}

/// Result of this floor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<crate::tensor::Error> for Error {
    fn from(e: crate::tensor::Error) -> Error {
        Error::Tensor { why: e.why }
    }
}
