//! Hidden folders where files are made before they are put in place.
//!
//! A folder `.NAME.onnx-prune-XXXX.tmp` lies beside the file that it is for, so that a rename puts that in place. It
//! holds the file under its own name, perhaps a data file, and `.lock`: locked as long as its process lives, and
//! naming the main file. While the main file lies there, nothing has been put in place.
//!
//! Whoever stages something in a folder first removes what dead processes left there. A process may die between any
//! two steps, so each step leaves links by which the next run can tell what it was about to do:
//!
//! - the data file is put in place as a second link; the rename of the main file decides whether that one stays;
//! - a data file that goes away with the replaced main file gets a second link `NAME.replaced` before that rename.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError as Busy};
use std::time::{Duration, Instant};

use super::{parent, same_file, sync_folder};

const LOCK: &str = ".lock";
const MIDDLE: &str = ".onnx-prune-";
const SUFFIX: &str = ".tmp";
const REPLACED: &str = ".replaced";

/// A folder where a file is made. Dropping it removes the folder, and with it everything that was not put in place.
#[derive(Debug)]
pub struct Staging {
    folder: Folder,
    /// Holds the lock until the folder is gone.
    _lock: File,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    /// The folder that files are put into.
    parent: PathBuf,
    /// Name of the main file.
    main: OsString,
}

/// What this process stages now, and what it has put in place. Held while files are put in place.
static OWN: Mutex<Own> = Mutex::new(Own { staged: Vec::new(), placed: Vec::new() });

struct Own {
    staged: Vec<Folder>,
    placed: Vec<PathBuf>,
}

fn own() -> MutexGuard<'static, Own> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Staging {
    /// Makes a folder beside `target`, once the folders of dead processes there are gone.
    ///
    /// # Errors
    /// When `target` has no name, or its folder is missing or cannot be written to.
    pub fn beside(target: &Path) -> io::Result<Staging> {
        let name = target.file_name().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "it has no file name"))?;
        let parent = parent(target);
        // Names have a limit in bytes.
        let short: String = name.to_string_lossy().chars().take(40).collect();
        let prefix = format!(".{short}{MIDDLE}");
        loop {
            let made = private(tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX)).tempdir_in(parent);
            let path = made.map_err(|e| Error::new(e.kind(), format!("{}: {e}", parent.display())))?.keep();
            let folder = Folder { path, parent: parent.to_owned(), main: name.to_owned() };
            match folder.lock() {
                Ok(Some(lock)) => {
                    own().staged.push(folder.clone());
                    let staging = Staging { folder, _lock: lock };
                    sweep(&staging.folder);
                    return Ok(staging);
                }
                // Somebody who cleans up was faster than the lock.
                Ok(None) => drop(fs::remove_dir_all(&folder.path)),
                Err(e) => {
                    let _ = fs::remove_dir_all(&folder.path);
                    return Err(e);
                }
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Where the main file is made.
    pub fn file(&self) -> PathBuf {
        self.folder.path.join(&self.folder.main)
    }

    /// Puts the main file in place, and before it the file `data` of the folder. The files named in `replaced` lie
    /// beside the main file and go away with what it replaces.
    ///
    /// # Errors
    /// When the disk refuses or a file `data` is there already; then everything is as it was.
    pub fn place(self, data: Option<&OsStr>, replaced: &[OsString]) -> io::Result<()> {
        let Folder { path, parent, main } = &self.folder;
        let target = parent.join(main);
        let mut own = own();
        if let Ok(old) = fs::metadata(&target) {
            keep_owner(&path.join(main), &old);
        }
        let mut unlinked = Vec::new();
        for name in replaced {
            let mut link = name.clone();
            link.push(REPLACED);
            if fs::hard_link(parent.join(name), path.join(link)).is_err() {
                unlinked.push(name);
            }
        }
        if let Some(data) = data {
            let (from, to) = (path.join(data), parent.join(data));
            let appeared = || Error::new(ErrorKind::AlreadyExists, format!("{} appeared meanwhile", to.display()));
            match fs::hard_link(&from, &to) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(appeared()),
                Err(_) if fs::symlink_metadata(&to).is_ok() => return Err(appeared()),
                // Not every file system has links.
                Err(_) => fs::rename(&from, &to)?,
            }
        }
        let named = sync_folder(path).and_then(|()| sync_folder(parent));
        if let Err(e) = named.and_then(|()| fs::rename(path.join(main), &target)) {
            if let Some(data) = data.filter(|d| fs::symlink_metadata(path.join(d)).is_err()) {
                let _ = fs::remove_file(parent.join(data));
            }
            drop(own);
            return Err(e);
        }
        if !own.placed.contains(&target) {
            own.placed.push(target);
        }
        // The file is in place, whatever the disk says now.
        let _ = sync_folder(parent);
        unlinked.iter().for_each(|name| drop(fs::remove_file(parent.join(name))));
        drop(own);
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let mut own = own();
        own.staged.retain(|folder| *folder != self.folder);
        self.folder.settle();
    }
}

impl Folder {
    /// Locks the folder; `None` where it was removed before that.
    fn lock(&self) -> io::Result<Option<File>> {
        let path = self.path.join(LOCK);
        let mut file = match File::create_new(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: nobody can lock the file, so nobody takes it for a dead one's.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if fs::symlink_metadata(&path).is_err() {
            return Ok(None);
        }
        file.write_all(self.main.as_encoded_bytes())?;
        Ok(Some(file))
    }

    /// Finishes or undoes what was begun, and removes the folder. Errors leave something for the next run.
    fn settle(&self) {
        let placed = fs::symlink_metadata(self.path.join(&self.main)).is_err();
        for name in names(&self.path) {
            let link = self.path.join(&name);
            let gone = match strip_suffix(&name, REPLACED) {
                Some(replaced) if placed => self.parent.join(replaced),
                None if !placed && name != self.main && name != LOCK => self.parent.join(&name),
                _ => continue,
            };
            if same_file(&link, &gone) {
                let _ = fs::remove_file(gone);
            }
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what dead processes of this user left beside `mine`.
fn sweep(mine: &Folder) {
    let Ok(own) = fs::symlink_metadata(&mine.path) else { return };
    for name in names(&mine.parent) {
        let text = name.to_string_lossy();
        let path = mine.parent.join(&name);
        if path == mine.path || !(text.starts_with('.') && text.contains(MIDDLE) && text.ends_with(SUFFIX)) {
            continue;
        }
        // A link, or a folder of somebody else's, may be a trap.
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir() && same_rights(&own, &meta)) {
            sweep_one(path, &mine.parent);
        }
    }
}

fn sweep_one(path: PathBuf, parent: &Path) {
    let inside = names(&path);
    if inside.iter().any(|name| fs::symlink_metadata(path.join(name)).is_ok_and(|m| m.is_dir())) {
        return;
    }
    let Ok(lock) = File::open(path.join(LOCK)) else {
        if inside.iter().any(|name| name == LOCK) {
            return;
        }
        // Being made or being removed. Whoever makes it writes nothing before it is locked, and tries again.
        let _ = if inside.is_empty() { fs::remove_dir(&path) } else { fs::remove_dir_all(&path) };
        return;
    };
    if lock.try_lock().is_err() {
        return;
    }
    let Ok(main) = fs::read(path.join(LOCK)) else { return };
    match os_string(main) {
        // Without a name nothing was written yet.
        Some(main) if !main.is_empty() => Folder { path, parent: parent.to_owned(), main }.settle(),
        _ => drop(fs::remove_dir_all(&path)),
    }
}

/// Removes everything that this process has staged and not put in place. For the end of the process, while its other
/// threads still run: waits a moment for one that puts files in place. Returns what the process has put in place.
pub fn abandon() -> Vec<PathBuf> {
    let start = Instant::now();
    loop {
        let mut own = match OWN.try_lock() {
            Ok(own) => own,
            Err(Busy::Poisoned(own)) => own.into_inner(),
            Err(Busy::WouldBlock) if start.elapsed() < Duration::from_secs(1) => {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(Busy::WouldBlock) => return Vec::new(),
        };
        std::mem::take(&mut own.staged).iter().for_each(Folder::settle);
        return std::mem::take(&mut own.placed);
    }
}

fn names(folder: &Path) -> Vec<OsString> {
    fs::read_dir(folder).map(|entries| entries.flatten().map(|e| e.file_name()).collect()).unwrap_or_default()
}

fn strip_suffix(name: &OsStr, suffix: &str) -> Option<OsString> {
    os_string(name.as_encoded_bytes().strip_suffix(suffix.as_bytes())?.to_vec())
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}

/// Makes folders that nobody else may look into.
#[cfg(unix)]
fn private<'a, 'b, 'c>(builder: &'c mut tempfile::Builder<'a, 'b>) -> &'c mut tempfile::Builder<'a, 'b> {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

#[cfg(not(unix))]
fn private<'a, 'b, 'c>(builder: &'c mut tempfile::Builder<'a, 'b>) -> &'c mut tempfile::Builder<'a, 'b> {
    builder
}

/// Whether two folders are the same user's, and open to the same others.
#[cfg(unix)]
fn same_rights(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    a.uid() == b.uid() && a.mode() == b.mode()
}

#[cfg(not(unix))]
fn same_rights(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// A file that replaces another keeps its mode and, where that is allowed, its owner.
fn keep_owner(path: &Path, old: &Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let _ = std::os::unix::fs::chown(path, Some(old.uid()), Some(old.gid()));
    }
    let _ = fs::set_permissions(path, old.permissions());
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// What a process that died left: files of its folder, which are links to those that `linked` names.
    #[allow(clippy::unwrap_used)] // a helper of tests
    fn dead(parent: &Path, lock: Option<&str>, files: &[&str], linked: &[(&str, &str)]) -> PathBuf {
        let folder = parent.join(".out.onnx-prune-dead.tmp");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some(main) = lock {
            fs::write(folder.join(LOCK), main).unwrap();
        }
        files.iter().for_each(|name| fs::write(folder.join(name), "staged").unwrap());
        linked.iter().for_each(|(name, to)| fs::hard_link(parent.join(to), folder.join(name)).unwrap());
        folder
    }

    #[test]
    fn what_a_dead_process_began_is_finished_or_undone() {
        type Case<'a> = (&'a str, Option<&'a str>, &'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);
        let all = ["out", "out.1.data", "out.data"];
        let both = [("out.1.data", "out.1.data"), ("out.data.replaced", "out.data")];
        let cases: [Case; 8] = [
            ("while writing", Some("out"), &["out"], &[], &all),
            ("before the main file was written", Some("out"), &["out.2.data"], &[], &all),
            ("between data and main file", Some("out"), &["out"], &both, &["out", "out.data"]),
            ("after the main file", Some("out"), &[], &both, &["out", "out.1.data"]),
            ("with files of the same names", Some("out"), &["out", "out.1.data"], &[], &all),
            ("before the lock was named", Some(""), &[], &[], &all),
            ("before the lock", None, &[], &[], &all),
            ("while removing", None, &["out"], &[], &all),
        ];
        for (when, lock, files, linked, wanted) in cases {
            let folder = tempfile::tempdir().unwrap();
            all.iter().for_each(|name| fs::write(folder.path().join(name), *name).unwrap());
            let left = dead(folder.path(), lock, files, linked);
            // A file for another target does.
            drop(Staging::beside(&folder.path().join("other")).unwrap());
            assert!(!left.exists(), "{when}");
            let mut found: Vec<OsString> = names(folder.path());
            found.sort();
            assert_eq!(found, wanted, "{when}");
        }
    }

    #[test]
    fn what_is_alive_or_strange_stays() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Staging::beside(&folder.path().join("out")).unwrap();
        fs::write(alive.file(), "staged").unwrap();
        let strange = dead(folder.path(), Some("out"), &["out"], &[]);
        fs::set_permissions(&strange, fs::Permissions::from_mode(0o755)).unwrap();
        drop(Staging::beside(&folder.path().join("out")).unwrap());
        assert!(alive.path().exists() && strange.exists());
        alive.place(None, &[]).unwrap();
        assert_eq!(fs::read(folder.path().join("out")).unwrap(), b"staged");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn nothing_is_overwritten_by_data_and_modes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("out"), "old").unwrap();
        fs::set_permissions(at("out"), fs::Permissions::from_mode(0o640)).unwrap();
        for (there, wanted) in [(true, "old"), (false, "new")] {
            let staging = Staging::beside(&at("out")).unwrap();
            fs::write(staging.file(), "new").unwrap();
            fs::write(staging.path().join("out.data"), "data").unwrap();
            if there {
                fs::write(at("out.data"), "of somebody").unwrap();
            }
            let placed = staging.place(Some(OsStr::new("out.data")), &[]);
            assert_eq!((placed.is_err(), fs::read_to_string(at("out")).unwrap().as_str()), (there, wanted));
            assert_eq!(fs::read_to_string(at("out.data")).unwrap(), if there { "of somebody" } else { "data" });
            let _ = there.then(|| fs::remove_file(at("out.data")));
        }
        assert_eq!(at("out").metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(names(folder.path()).len(), 2);
    }
}
