//! What can go wrong with a tensor.

/// Result of making or reading a tensor.
pub type Result<T> = std::result::Result<T, Error>;

/// Elements that do not fit their shape, or a type without representation here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid tensor: {why}")]
pub struct Error {
    /// What does not fit.
    pub why: String,
}
