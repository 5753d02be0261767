//! A file that is written from front to back.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{OutputPlace, Staging, open_through};

/// A file in the making: seen by others when [`Sink::finish`] puts it in place, never before. Devices, pipes and
/// standard output are written through. Dropping it leaves what was there.
#[derive(Debug)]
pub struct Sink {
    out: BufWriter<Out>,
    staging: Option<Staging>,
    target: Option<PathBuf>,
}

#[derive(Debug)]
enum Out {
    File(File),
    Stdout(io::Stdout),
}

impl Sink {
    /// Reserves a place, so that a folder that cannot be written to is noticed first.
    ///
    /// # Errors
    /// When `target` is a folder, or its folder is missing or cannot be written to.
    pub fn new(target: &Path) -> io::Result<Sink> {
        let (file, staging) = match OutputPlace::of(target)? {
            OutputPlace::File(path) => {
                let staging = Staging::beside(&path)?;
                (File::create_new(staging.file())?, Some(staging))
            }
            OutputPlace::Through(path) => (open_through(&path)?, None),
        };
        Ok(Sink { out: BufWriter::new(Out::File(file)), staging, target: Some(target.to_owned()) })
    }

    /// Standard output.
    pub fn stdout() -> Sink {
        Sink { out: BufWriter::new(Out::Stdout(io::stdout())), staging: None, target: None }
    }

    /// Where it goes; `None` is standard output.
    pub fn target(&self) -> Option<&Path> {
        self.target.as_deref()
    }

    /// Puts the file in place. A reader of a pipe that has seen enough is no error.
    ///
    /// # Errors
    /// When the disk refuses; then a file that was there before still is.
    pub fn finish(mut self) -> io::Result<()> {
        match (self.out.flush(), self.staging) {
            (Err(e), None) if e.kind() == ErrorKind::BrokenPipe => {
                // What is buffered would be tried, and fail, again.
                let _ = self.out.into_parts();
                Ok(())
            }
            (Err(e), _) => Err(e),
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(staging)) => {
                if let Out::File(file) = self.out.get_ref() {
                    file.sync_all()?;
                }
                staging.place(None, &[])
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.out.write(buf) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe && self.staging.is_none() => Ok(buf.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for Out {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Out::File(file) => file.write(buf),
            Out::Stdout(out) => out.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::File(file) => file.flush(),
            Out::Stdout(out) => out.flush(),
        }
    }
}
