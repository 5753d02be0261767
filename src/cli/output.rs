//! Where results go, and what became of them.

use std::path::{Path, PathBuf};

use onnx_prune::files;
use onnx_prune::report::Pending;

use super::failure::{Failure, FileError};

/// Whether an output path stands for standard output. What is opened by its other names would be cut off, or written
/// over what was printed before.
pub fn is_stdout(path: &Path) -> bool {
    let names: &[&str] = if cfg!(unix) { &["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] } else { &["-"] };
    names.iter().any(|name| path.as_os_str() == *name)
}

/// A place for a file; `what` begins the message when there is none.
pub fn reserve(what: &'static str, path: &Path) -> Result<Pending, FileError> {
    if is_stdout(path) {
        return Ok(Pending::stdout());
    }
    Pending::new(path).map_err(|e| FileError::new(what, path, e))
}

/// Refuses outputs that are one and the same, or that would replace what is read. Outputs come with the option that
/// names them.
pub fn check(outputs: &[(&str, &Path)], inputs: &[&Path]) -> Result<(), Failure> {
    // Devices take anything from anybody.
    let replaces = |path: &Path| !std::fs::metadata(path).is_ok_and(|m| !m.is_file());
    for (i, (option, path)) in outputs.iter().enumerate() {
        for (other, taken) in &outputs[..i] {
            if is_stdout(path) && is_stdout(taken) {
                return Err(Failure::Usage(format!("{other} and {option} both write to standard output")));
            }
            if replaces(path) && (path == taken || files::same_file(path, taken)) {
                return Err(Failure::Usage(format!("{other} and {option} write to the same file")));
            }
        }
        let read = inputs.iter().find(|input| !is_stdout(path) && replaces(path) && files::same_file(input, path));
        if let Some(read) = read {
            let text = format!("{option} would replace {}, which is read: give it another name", read.display());
            return Err(Failure::Usage(text));
        }
    }
    Ok(())
}

/// What was written at the end of a run, and what could not be: one failure keeps nothing else from being written.
#[derive(Default)]
pub struct Written {
    files: Vec<PathBuf>,
    failed: Vec<FileError>,
}

impl Written {
    /// A file that is in place.
    pub fn file(&mut self, path: &Path) {
        self.files.push(path.to_owned());
    }

    /// A file that may be.
    pub fn add(&mut self, path: &Path, result: Result<(), FileError>) {
        match result {
            Ok(()) if !is_stdout(path) => self.file(path),
            Ok(()) => {}
            Err(e) => self.failed.push(e),
        }
    }

    /// Something that was printed, or was to be.
    pub fn printed(&mut self, result: std::io::Result<()>) {
        let fail = |e| FileError::new("cannot print the result to", Path::new("standard output"), e);
        self.failed.extend(result.map_err(fail).err());
    }

    /// An error if anything could not be written.
    pub fn verdict(self) -> Result<(), Failure> {
        if self.failed.is_empty() { Ok(()) } else { Err(Failure::Partly { files: self.files, failed: self.failed }) }
    }
}
