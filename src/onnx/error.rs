//! What can go wrong with a model file.

use std::path::{Path, PathBuf};

/// Result of anything that touches a model file.
pub type Result<T> = std::result::Result<T, Error>;

/// Every variant names the file, node or tensor as far as it is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are no ONNX model: empty, text, a folder, another format, broken protobuf.
    #[error("{} is not an ONNX model: {why}", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        why: String,
    },
    /// The file ends before its contents do.
    #[error("{} is truncated: {why}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Which part is missing.
        why: String,
    },
    /// Data of a tensor that lies in another file cannot be used.
    #[error("tensor '{tensor}': external data {}: {why}", path.display())]
    ExternalData {
        /// The tensor.
        tensor: String,
        /// The location as the model gives it.
        path: PathBuf,
        /// Missing, too short, or outside of the model's folder.
        why: String,
    },
    /// A tensor contradicts itself, or is not of the type that was asked for.
    #[error("tensor '{name}': {why}")]
    Tensor {
        /// The tensor.
        name: String,
        /// The contradiction.
        why: String,
    },
    /// The IR version or the default operator set is older than what is understood.
    #[error("{what} {found} is not supported: the oldest is {oldest}")]
    UnsupportedVersion {
        /// "IR version" or "opset".
        what: &'static str,
        /// The version in the file.
        found: i64,
        /// The oldest version that is understood.
        oldest: i64,
    },
    /// Nodes feed each other in a circle.
    #[error("node '{node}' depends on its own output")]
    Cycle {
        /// One node on the circle.
        node: String,
    },
    /// A function of the model calls itself, by itself or through others.
    #[error("function '{function}' of the model calls itself")]
    Recursion {
        /// One function on the circle.
        function: String,
    },
    /// Two things define the same tensor.
    #[error("{node}: tensor '{tensor}' is defined twice")]
    DuplicateName {
        /// The second definer.
        node: String,
        /// The tensor.
        tensor: String,
    },
    /// A node lacks inputs that its operator cannot do without.
    #[error("{node}: {op} has {has} inputs, and needs {needs}")]
    TooFewInputs {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// How many it has.
        has: usize,
        /// How many it needs at least.
        needs: usize,
    },
    /// A tensor is used that nothing defines.
    #[error("{node}: tensor '{tensor}' is not defined")]
    UndefinedTensor {
        /// The user.
        node: String,
        /// The tensor.
        tensor: String,
    },
    /// A file is not what it was when it was read.
    #[error("{} was changed while it was in use: {why}; run again once it is complete", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        why: String,
    },
    /// The result cannot be written.
    #[error("cannot write {}: {why}", path.display())]
    Output {
        /// The target.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_owned(), source }
    }

    pub(crate) fn output(path: &Path, why: impl std::fmt::Display) -> Self {
        Error::Output { path: path.to_owned(), why: why.to_string() }
    }

    pub(crate) fn tensor(name: &str, why: impl Into<String>) -> Self {
        Error::Tensor { name: name.to_owned(), why: why.into() }
    }
}
