//! Why no plan for a time could be made.

/// Result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of aiming at a time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan.
    #[error(transparent)]
    Planning(#[from] crate::planning::Error),
    /// A candidate could not be cut.
    #[error(transparent)]
    Rewriting(#[from] crate::rewriting::Error),
    /// The model could not be run.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// No part of the model that depends on a group could be timed.
    #[error("{runtime} can time no part of this model that depends on prunable channels: {why}")]
    NothingTimed {
        /// Name of the runtime.
        runtime: &'static str,
        /// What was in the way of the first of them.
        why: String,
    },
}
