//! What can go wrong in analysis.

/// Result of analysis.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of analysis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file itself is inconsistent.
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
    /// The user's shapes do not fit the model.
    #[error("{shapes}: {0}", shapes = crate::hint::Hint::Shapes)]
    Shapes(String),
}

impl Error {
    /// The setting that is at fault.
    pub fn hint(&self) -> Option<crate::hint::Hint> {
        matches!(self, Error::Shapes(_)).then_some(crate::hint::Hint::Shapes)
    }
}
