//! Why no plan for a time could be made.

/// Result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of aiming at a time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The job was asked to stop.
    #[error("interrupted")]
    Cancelled(#[from] crate::job::Cancelled),
    /// The plan.
    #[error(transparent)]
    Planning(#[from] crate::planning::Error),
    /// A candidate could not be cut.
    #[error(transparent)]
    Rewriting(#[from] crate::rewriting::Error),
    /// The model could not be run.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// The parts of the model, timed alone, have little to do with its own time.
    #[error(
        "the parts of this model, timed alone, take {percent:.0} % of its own time, so that no plan can be made of their \
         times: {runtime} runs it as a whole in another way, or other programs disturb; {} aims at MACs",
        crate::hint::Hint::Speedup
    )]
    Unexplained {
        /// Name of the runtime.
        runtime: &'static str,
        /// Their sum, as a percentage of the model's time.
        percent: f64,
    },
    /// No part of the model that depends on a group could be timed.
    #[error("{runtime} can time no part of this model that depends on prunable channels: {why}")]
    NothingTimed {
        /// Name of the runtime.
        runtime: &'static str,
        /// What was in the way of the first of them.
        why: String,
    },
}
