//! Files by path, wherever they lie: in a folder, in an archive, in a folder of archives. Nothing is unpacked to
//! named files, and nothing outside is reached.

mod archive;
mod folder;
mod inflate;

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Error, Limits, Result};
pub(super) use inflate::{Budget, inflate};

/// Files of at least this size are mapped instead of read.
const MAPPED: u64 = 1 << 20;

/// All files below one place, ordered by path.
pub struct Tree {
    /// Where the user pointed to.
    pub root: PathBuf,
    /// Whether the root is a file that is no archive.
    pub is_single: bool,
    entries: Vec<Entry>,
    limits: Limits,
    budget: Budget,
}

/// One file.
pub struct Entry {
    /// Path below the root, with `/` between folders.
    pub path: String,
    place: EntryPlace,
}

enum EntryPlace {
    File(PathBuf),
    Archived(Bytes),
}

impl Tree {
    /// Lists what is there.
    pub fn open(root: &Path, limits: &Limits) -> Result<Self> {
        let meta = std::fs::metadata(root).map_err(|e| Error::io(root, e))?;
        let is_folder = meta.is_dir();
        let budget = Budget::new(limits);
        let (mut entries, is_single) =
            if is_folder { (folder::list(root, limits)?, false) } else { file(root, limits, &budget)? };
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        // A folder of archives is read as if they were unpacked side by side.
        if is_folder && !entries.is_empty() && entries.iter().all(|e| archive::is_archive_name(&e.path)) {
            let mut inner = Vec::new();
            for shard in &entries {
                let stem = archive::stem(&shard.path);
                let found = archive::list(&shard.path, map(&root.join(&shard.path))?, limits, &budget)?;
                inner.extend(found.into_iter().map(|e| Entry { path: format!("{stem}/{}", e.path), ..e }));
            }
            entries = inner;
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Tree { root: root.to_owned(), is_single, entries, limits: limits.clone(), budget })
    }

    /// Every file, by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How large things may be.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What compressed files may unpack to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The file at `path`.
    pub fn find(&self, path: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|e| e.path.as_str().cmp(path)).ok()?;
        self.entries.get(at)
    }

    /// What a file is called in messages.
    pub fn label(&self, path: &str) -> String {
        let whole = self.is_single || path.is_empty();
        if whole { self.root.display().to_string() } else { self.root.join(path).display().to_string() }
    }

    /// Contents of a file.
    pub fn read(&self, entry: &Entry) -> Result<Bytes> {
        let path = match &entry.place {
            EntryPlace::Archived(bytes) => return Ok(bytes.clone()),
            EntryPlace::File(path) => path,
        };
        let fail = |e| Error::io(path, e);
        let meta = std::fs::metadata(path).map_err(fail)?;
        // Mapping also refuses pipes and devices, which reading would wait for.
        if meta.len() >= MAPPED || !meta.is_file() {
            return map(path);
        }
        Ok(std::fs::read(path).map_err(fail)?.into())
    }

    /// Contents of a text file.
    pub fn read_text(&self, entry: &Entry) -> Result<String> {
        let bytes = self.read(entry)?;
        let broken = |_| Error::broken(self.label(&entry.path), "it is no UTF-8 text");
        std::str::from_utf8(&bytes).map(str::to_owned).map_err(broken)
    }
}

impl Entry {
    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The path without the file name; empty at the root.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The name up to its last dot.
    pub fn stem(&self) -> &str {
        let name = self.file_name();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// Whether the name ends in one of these, in any case.
    pub fn has_extension(&self, any: &[&str]) -> bool {
        let extension = self.file_name().rsplit_once('.').map_or("", |(_, e)| e);
        any.iter().any(|a| a.eq_ignore_ascii_case(extension))
    }
}

/// An archive is opened, any other file is a tree of one; and whether it is.
fn file(root: &Path, limits: &Limits, budget: &Budget) -> Result<(Vec<Entry>, bool)> {
    let Some(name) = root.file_name().and_then(|n| n.to_str()) else {
        return Err(Error::Unknown { path: root.to_owned(), why: "its name is no text".into() });
    };
    if archive::is_archive_name(name) {
        return Ok((archive::list(&root.display().to_string(), map(root)?, limits, budget)?, false));
    }
    Ok((vec![Entry { path: name.to_owned(), place: EntryPlace::File(root.to_owned()) }], true))
}

fn map(path: &Path) -> Result<Bytes> {
    crate::onnx::map_file(path).map_err(|e| Error::io(path, e))
}

/// Images that can be decoded, by their names.
pub const IMAGES: &[&str] = &["jpg", "jpeg", "png", "bmp", "webp"];
