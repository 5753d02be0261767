//! Why no plan could be made.

/// Result of planning.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of planning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A weight could not be read.
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
    /// The criterion could not score.
    #[error(transparent)]
    Criterion(#[from] crate::criteria::Error),
    /// No scheme has this name.
    #[error("unknown scheme '{name}'; known are {known}")]
    UnknownScheme {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A scheme orders by degradations that nobody measured.
    #[error("scheme {scheme} follows measured degradations, and none were measured")]
    NoLosses {
        /// The scheme.
        scheme: &'static str,
    },
    /// A glob pattern is malformed.
    #[error("pattern '{pattern}': {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// What was asked for by name is not there.
    #[error("{pattern}: {why}")]
    Unmatched {
        /// The option and its pattern.
        pattern: String,
        /// What it matches instead, or the nearest names.
        why: String,
    },
    /// Nothing in the model can be pruned.
    #[error("nothing in this model can be pruned: {why}")]
    NothingPrunable {
        /// The reason.
        why: String,
    },
    /// A recipe does not fit the model.
    #[error("the recipe does not fit this model: {0}")]
    Recipe(String),
    /// The target asks for what no pruned model can be.
    #[error("target {target}: {why}")]
    Target {
        /// As given.
        target: String,
        /// What is wrong with it.
        why: String,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Cancelled(#[from] crate::job::Cancelled),
}
