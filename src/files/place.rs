//! What a path to write to stands for.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Links that are followed before they are taken for a circle, as in the kernel.
const LINKS: usize = 40;

/// Where what is written to a path goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputPlace {
    /// A regular file, or none yet: put in place whole, by a rename. Links are followed, so they stay.
    File(PathBuf),
    /// A device, a pipe or an open descriptor: written through, because replacing it by a file would break it.
    Through(PathBuf),
}

impl OutputPlace {
    /// Follows links.
    ///
    /// # Errors
    /// When the path is a folder or a link that leads nowhere, or cannot be looked at.
    pub fn of(path: &Path) -> Result<OutputPlace> {
        // `absent/` would otherwise be written as the file `absent`.
        if path.to_string_lossy().ends_with(std::path::MAIN_SEPARATOR) {
            return Err(Error::new(ErrorKind::IsADirectory, "it names a folder"));
        }
        let mut at = path.to_owned();
        for _ in 0..LINKS {
            if is_descriptor(&at) {
                return Ok(OutputPlace::Through(at));
            }
            let meta = match fs::symlink_metadata(&at) {
                Ok(meta) => meta,
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                Err(_) if at == path => return Ok(OutputPlace::File(at)),
                Err(_) => {
                    let why = format!("it is a link to {}, which does not exist", at.display());
                    return Err(Error::new(ErrorKind::NotFound, why));
                }
            };
            if meta.is_symlink() {
                at = at.parent().unwrap_or(Path::new("")).join(fs::read_link(&at)?);
            } else if meta.is_dir() {
                return Err(Error::new(ErrorKind::IsADirectory, "it is a folder"));
            } else if meta.is_file() {
                return Ok(OutputPlace::File(at));
            } else {
                return Ok(OutputPlace::Through(at));
            }
        }
        Err(Error::new(ErrorKind::InvalidInput, "it is a link that leads in a circle"))
    }
}

/// Whether a path stands for an open file of a process: what is written must go to that, and not into a new file of
/// the same name.
fn is_descriptor(path: &Path) -> bool {
    cfg!(unix) && (path.starts_with("/dev/fd") || path.starts_with("/proc"))
}

/// Opens a device, a pipe or a descriptor to write to. Waits for the reader of a named pipe.
///
/// # Errors
/// When the system refuses.
pub fn open_through(path: &Path) -> Result<File> {
    // Only a descriptor of a regular file has something to cut off.
    OpenOptions::new().write(true).truncate(true).open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_and_special_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("sub")).unwrap();
        symlink("../link", at("sub/far")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("absent", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        assert_eq!(OutputPlace::of(&at("file")).unwrap(), OutputPlace::File(at("file")));
        assert_eq!(OutputPlace::of(&at("absent")).unwrap(), OutputPlace::File(at("absent")));
        let found = OutputPlace::of(&at("sub/far")).unwrap();
        assert!(matches!(&found, OutputPlace::File(p) if super::super::same_file(p, &at("file"))), "{found:?}");
        for (wrong, why) in
            [("sub", "a folder"), ("new/", "a folder"), ("dangling", "does not exist"), ("circle", "circle")]
        {
            assert!(OutputPlace::of(&at(wrong)).unwrap_err().to_string().contains(why), "{wrong}");
        }
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        symlink("pipe", at("to-pipe")).unwrap();
        assert_eq!(OutputPlace::of(&at("to-pipe")).unwrap(), OutputPlace::Through(at("pipe")));
        for descriptor in ["/dev/fd/1", "/proc/self/fd/1"] {
            assert_eq!(OutputPlace::of(Path::new(descriptor)).unwrap(), OutputPlace::Through(descriptor.into()));
        }
        if cfg!(target_os = "linux") {
            assert_eq!(OutputPlace::of(Path::new("/dev/null")).unwrap(), OutputPlace::Through("/dev/null".into()));
        }
    }
}
