use std::collections::BTreeMap;
use std::io::Cursor;

use bytes::Bytes;

use super::inflate::{Budget, inflate, is_gzip};
use super::{Entry, EntryPlace};
use crate::data::{Error, Limits, Result};

const NAMES: &[&str] = &[".tar.gz", ".tgz", ".tar"];

/// Whether a file of this name is read as an archive.
pub fn is_archive_name(name: &str) -> bool {
    let name = name.to_lowercase();
    NAMES.iter().any(|n| name.ends_with(n))
}

/// The name of an archive without what says that it is one.
pub fn stem(name: &str) -> &str {
    let lower = name.to_lowercase();
    let end = NAMES.iter().find(|n| lower.ends_with(*n)).map_or(0, |n| n.len());
    name.get(..name.len() - end).unwrap_or(name)
}

/// Indexes a tar archive once; entries are slices of its bytes.
pub fn list(label: &str, bytes: Bytes, limits: &Limits, budget: &Budget) -> Result<Vec<Entry>> {
    let bytes = if is_gzip(&bytes) { inflate(label, &bytes, budget)? } else { bytes };
    let broken = |e: std::io::Error| Error::broken(label, format!("as a tar archive: {e}"));
    let mut archive = tar::Archive::new(Cursor::new(&bytes));
    // By path: an entry that comes again replaces the one before, as unpacking would.
    let mut found = BTreeMap::new();
    for entry in archive.entries_with_seek().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        let path = entry.path_bytes();
        let path = std::str::from_utf8(&path)
            .map_err(|_| Error::broken(label, "the name of an entry is no UTF-8 text"))?
            .to_owned();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        let refuse = |why: &str| Error::Unsafe { file: label.to_owned(), entry: path.clone(), why: why.to_owned() };
        let clean = clean(&path).map_err(refuse)?;
        match kind {
            _ if kind.is_file() || kind.is_contiguous() => {}
            _ if kind.is_symlink() || kind.is_hard_link() => return Err(refuse("links in archives are not followed")),
            _ => return Err(refuse("it is neither a file nor a folder")),
        }
        if hidden(&clean) {
            continue;
        }
        let range = usize::try_from(entry.raw_file_position()).ok().zip(usize::try_from(entry.size()).ok());
        let range = range.and_then(|(from, size)| Some(from..from.checked_add(size)?));
        let Some(range) = range.filter(|r| r.end <= bytes.len()) else {
            let why = format!("entry {path} says it has {} bytes, more than are left", entry.size());
            return Err(Error::broken(label, why));
        };
        if found.len() >= limits.files {
            let why = format!("it holds more than {} files", limits.files);
            return Err(Error::Limit { file: label.to_owned(), why });
        }
        found.insert(clean, bytes.slice(range));
    }
    Ok(found.into_iter().map(|(path, bytes)| Entry { path, place: EntryPlace::Archived(bytes) }).collect())
}

/// A path without `.` parts, which must not lead out of the archive.
fn clean(path: &str) -> Result<String, &'static str> {
    if path.starts_with('/') || path.contains('\\') || path.contains('\0') {
        return Err("the path must lead to a place inside");
    }
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.contains(&"..") {
        return Err("the path leads out of the archive");
    }
    if parts.is_empty() {
        return Err("it has no name");
    }
    Ok(parts.join("/"))
}

fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}
