//! Whether a file can be written, before there is anything to write.

use std::path::Path;

use super::error::{Error, Result};
use crate::files::OutputPlace;

/// Looks at the place that a model is to be written to.
///
/// # Errors
/// When `path` is a folder, or its folder is missing or cannot be written to.
pub fn check_place(path: &Path) -> Result<()> {
    let fail = |why: &dyn std::fmt::Display| Err(Error::output(path, why));
    let file = match OutputPlace::of(path) {
        Ok(OutputPlace::File(file)) => file,
        // Devices and pipes are written to as they are.
        Ok(OutputPlace::Through(_)) => return Ok(()),
        Err(e) => return fail(&e),
    };
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.is_dir() {
        false => fail(&format!("there is no folder {}", folder.display())),
        true => match tempfile::tempfile_in(folder) {
            Ok(_) => Ok(()),
            Err(e) => fail(&format!("{}: {e}", folder.display())),
        },
    }
}
