//! Which file something is, and in which state.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

/// Tells whether a file is still the one that was read, and unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Device and inode, where there are such numbers.
    id: Option<(u64, u64)>,
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// The stamp of an open file, or of a path.
    pub fn of(meta: &Metadata) -> Stamp {
        Stamp { id: id(meta), len: meta.len(), modified: meta.modified().ok() }
    }

    /// What happened to the file between this stamp and a later one; `None` where nothing did.
    pub fn difference(&self, later: &Stamp) -> Option<String> {
        let (before, after) = (self.len, later.len);
        if self.id != later.id {
            Some("another file has taken its name".to_owned())
        } else if before != after {
            Some(format!("it had {before} bytes and has {after}"))
        } else if self.modified != later.modified {
            Some("it was written to".to_owned())
        } else {
            None
        }
    }
}

#[cfg(unix)]
fn id(meta: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
fn id(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Whether two paths lead to one existing file, by links of either kind.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let (Ok(x), Ok(y)) = (std::fs::metadata(a), std::fs::metadata(b)) else { return false };
    match (id(&x), id(&y)) {
        (Some(x), Some(y)) => x == y,
        _ => matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b),
    }
}
