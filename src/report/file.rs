//! A report on disk: never half of one.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::files::Sink;

/// A place for a report, reserved before the run so that a folder that cannot be written to is noticed first.
/// Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Pending(Sink);

impl Pending {
    /// Reserves a place beside `target`; devices and pipes are opened.
    ///
    /// # Errors
    /// When `target` is a folder, or its folder is missing or cannot be written to.
    pub fn new(target: &Path) -> io::Result<Self> {
        Ok(Pending(Sink::new(target)?))
    }

    /// Standard output.
    pub fn stdout() -> Self {
        Pending(Sink::stdout())
    }

    /// Writes a report as JSON and puts it in place.
    ///
    /// # Errors
    /// When the disk refuses; then a file that was there before still is.
    pub fn write(mut self, report: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.0, report)?;
        self.0.write_all(b"\n")?;
        self.0.finish()
    }

    /// Writes text, likewise.
    ///
    /// # Errors
    /// As [`Pending::write`].
    pub fn write_text(mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())?;
        self.0.finish()
    }
}
