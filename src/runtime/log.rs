//! What onnxruntime says of its own accord.

use std::sync::atomic::{AtomicU8, Ordering};

/// How much of what a runtime says of its own accord goes to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Log {
    /// Nothing: errors come back as errors.
    Nothing,
    /// What went wrong.
    #[default]
    Errors,
    /// Also what is doubtful.
    Warnings,
}

static LEVEL: AtomicU8 = AtomicU8::new(Log::Errors as u8);

/// Chooses for the whole process; sessions that are open already go by what was chosen before.
pub fn set_log(log: Log) {
    LEVEL.store(log as u8, Ordering::Relaxed);
}

/// While this lives, what goes wrong is told by errors only: runs that may fail are tried.
#[derive(Debug)]
pub struct Quiet(u8);

impl Quiet {
    /// From now on. Where more than errors is wanted, all of it still is.
    pub fn begin() -> Quiet {
        let before = LEVEL.load(Ordering::Relaxed);
        if before == Log::Errors as u8 {
            LEVEL.store(Log::Nothing as u8, Ordering::Relaxed);
        }
        Quiet(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        LEVEL.store(self.0, Ordering::Relaxed);
    }
}

/// What was chosen.
#[cfg(feature = "ort")]
pub(super) fn chosen() -> Log {
    match LEVEL.load(Ordering::Relaxed) {
        0 => Log::Nothing,
        1 => Log::Errors,
        _ => Log::Warnings,
    }
}

#[cfg(feature = "ort")]
pub(super) use of_onnxruntime::{level, logger};

#[cfg(feature = "ort")]
mod of_onnxruntime {
    use super::{Log, chosen};
    use crate::escape;
    use ::ort::logging::{LogLevel, LoggerFunction};
    use std::io::Write;
    use std::sync::Arc;

    /// The lowest level that is wanted.
    pub fn level() -> LogLevel {
        match chosen() {
            Log::Nothing => LogLevel::Fatal,
            Log::Errors => LogLevel::Error,
            Log::Warnings => LogLevel::Warning,
        }
    }

    /// Says what is wanted. Names from the model must not act on the terminal, and a standard error that is closed is
    /// no reason to stop.
    pub fn logger() -> LoggerFunction {
        Arc::new(|at, _, _, _, message| {
            if chosen() != Log::Nothing && at >= level() {
                let _ = writeln!(std::io::stderr(), "onnxruntime: {}", escape::lines(message.trim_end()));
            }
        })
    }
}
