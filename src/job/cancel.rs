//! Stopping a job from outside.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops jobs: cloned handles share one switch, which any thread may throw and which cannot be taken back. Jobs look
/// at it between two steps; what they had not put in place by then is dropped.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A switch of its own.
    pub fn new() -> Self {
        Cancel::default()
    }

    /// Asks all jobs that hold this switch to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether jobs are to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An error once jobs are to stop.
    ///
    /// # Errors
    /// [`Cancelled`] after [`cancel`](Self::cancel).
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }
}

/// A job was asked to stop, and did before it put anything in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Cancelled;

/// Whether an error, whatever job it comes from, says that the job was asked to stop.
pub fn is_cancelled(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(e) = next {
        if e.is::<Cancelled>() {
            return true;
        }
        next = e.source();
    }
    false
}
