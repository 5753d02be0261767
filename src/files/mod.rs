//! Files that are written whole or not at all, and files that must not change while they are read. Nothing of models
//! here.

mod place;
mod sink;
mod staging;
mod stamp;

pub use place::{OutputPlace, open_through};
pub use sink::Sink;
pub use staging::{Staging, abandon};
pub use stamp::{Stamp, same_file};

use std::fs::File;
use std::io;
use std::path::Path;

/// The folder that a file lies in.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes new names in a folder durable, where folders can be opened.
///
/// # Errors
/// When the disk refuses.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Ok(folder) if cfg!(unix) => folder.sync_all(),
        _ => Ok(()),
    }
}
