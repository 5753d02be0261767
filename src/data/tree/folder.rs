use std::path::{Path, PathBuf};

use super::{Entry, Place};
use crate::data::{Error, Limits, Result};

/// All files below `root`. Links are followed, since the folder is the user's own (download caches are full of
/// them); a link to a folder that it lies in would never end and is refused.
pub fn list(root: &Path, limits: &Limits) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let real = root.canonicalize().map_err(|e| Error::io(root, e))?;
    walk(root, "", &mut vec![real], limits, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, inside: &mut Vec<PathBuf>, limits: &Limits, found: &mut Vec<Entry>) -> Result<()> {
    for item in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let item = item.map_err(|e| Error::io(folder, e))?;
        let path = item.path();
        let name = item.file_name();
        let Some(name) = name.to_str() else {
            return Err(Error::broken(path.display().to_string(), "its name is no UTF-8 text"));
        };
        // What tools leave behind: .DS_Store, ._resource forks, caches.
        if name.starts_with('.') || name == "__MACOSX" {
            continue;
        }
        let below = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let kind = item.file_type().map_err(|e| Error::io(&path, e))?;
        // Only a link needs another look at what it leads to.
        let is_folder = match kind.is_symlink() {
            true => std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?.is_dir(),
            false => kind.is_dir(),
        };
        if is_folder {
            let real = path.canonicalize().map_err(|e| Error::io(&path, e))?;
            if inside.contains(&real) {
                let why = "this link leads back to a folder that it lies in".to_owned();
                return Err(Error::Unsafe { file: folder.display().to_string(), entry: name.to_owned(), why });
            }
            inside.push(real);
            walk(&path, &below, inside, limits, found)?;
            inside.pop();
        } else {
            if found.len() >= limits.files {
                let why = format!("it holds more than {} files", limits.files);
                return Err(Error::Limit { file: folder.display().to_string(), why });
            }
            found.push(Entry { path: below, place: Place::File(path) });
        }
    }
    Ok(())
}
