//! A report on disk: never half of one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempDir;

/// A place for a report, reserved before the run so that a folder that cannot be written to is noticed first.
/// Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Pending {
    folder: TempDir,
    target: PathBuf,
}

impl Pending {
    /// Reserves a place beside `target`.
    ///
    /// # Errors
    /// When `target` is a folder, or its folder is missing or cannot be written to.
    pub fn new(target: &Path) -> io::Result<Self> {
        let Some(name) = target.file_name().filter(|_| !target.is_dir()) else {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        };
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new()
            .prefix(&format!(".{}.", name.to_string_lossy()))
            .suffix(".tmp")
            .tempdir_in(parent)?;
        Ok(Pending { folder, target: target.to_owned() })
    }

    /// Writes a report as JSON and puts it in place by a rename.
    ///
    /// # Errors
    /// When the disk refuses; then a file that was there before still is.
    pub fn write(self, report: &impl Serialize) -> io::Result<()> {
        self.put(|out| {
            serde_json::to_writer_pretty(&mut *out, report)?;
            out.write_all(b"\n")
        })
    }

    /// Writes text, likewise.
    ///
    /// # Errors
    /// As [`Pending::write`].
    pub fn write_text(self, text: &str) -> io::Result<()> {
        self.put(|out| out.write_all(text.as_bytes()))
    }

    fn put(self, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
        let staged = self.folder.path().join("staged");
        let mut out = BufWriter::new(File::create_new(&staged)?);
        fill(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(staged, &self.target)
    }
}
