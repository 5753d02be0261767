//! Whether a file may be what somebody else put there.

use std::path::{Path, PathBuf};

/// The file itself, where its link points to, or a folder on the way to either that every user of the machine may
/// change; `None` where there is none. A sticky folder, as the one for temporary files, is open to all as well, but
/// what a user of this process or the administrator made in it is not.
#[cfg(unix)]
pub(super) fn open_to_all(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok();
    let places = [Some(path), real.as_deref().filter(|real| *real != path)];
    places.into_iter().flatten().find_map(|place| place.ancestors().find(|at| is_open(at)).map(Path::to_owned))
}

#[cfg(unix)]
fn is_open(at: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    const OTHERS: u32 = 0o002;
    let Ok(meta) = at.symlink_metadata() else { return false };
    // A link has no rights of its own.
    if !meta.is_symlink() && meta.mode() & OTHERS != 0 && !(meta.is_dir() && meta.mode() & STICKY != 0) {
        return true;
    }
    // In a sticky folder everybody may make something, and only its owner may change it.
    let sticky = at.parent().and_then(|p| p.symlink_metadata().ok()).is_some_and(|p| p.mode() & STICKY != 0);
    sticky && meta.uid() != 0 && meta.uid() != user()
}

#[cfg(unix)]
fn user() -> u32 {
    // SAFETY: asks for a number and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(not(unix))]
pub(super) fn open_to_all(_: &Path) -> Option<PathBuf> {
    None
}
