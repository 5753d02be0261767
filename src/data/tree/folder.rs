use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Entry, EntryPlace};
use crate::data::{Error, Limits, Result};

/// Folders below folders; more is a mistake.
const DEEPEST: usize = 64;
/// Paths that lead to one real folder. Splits or classes may share a folder by links, but links to folders of links
/// would make more paths than anyone could walk.
const SHARED: usize = 16;

/// All files below `root`. Links are followed, since the folder is the user's own (download caches are full of
/// them); a link to a folder that it lies in would never end and is refused.
pub fn list(root: &Path, limits: &Limits) -> Result<Vec<Entry>> {
    let real = root.canonicalize().map_err(|e| Error::io(root, e))?;
    let mut walk = Walk { inside: vec![real], visits: HashMap::new(), limits, found: Vec::new() };
    walk.folder(root, "")?;
    Ok(walk.found)
}

struct Walk<'a> {
    /// The real folders that lead to where the walk is.
    inside: Vec<PathBuf>,
    /// How often each real folder was entered.
    visits: HashMap<PathBuf, usize>,
    limits: &'a Limits,
    found: Vec<Entry>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
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
                self.enter(folder, name, &path)?;
                self.folder(&path, &below)?;
                self.inside.pop();
            } else {
                if self.found.len() >= self.limits.files {
                    let why = format!("it holds more than {} files", self.limits.files);
                    return Err(Error::Limit { file: folder.display().to_string(), why });
                }
                self.found.push(Entry { path: below, place: EntryPlace::File(path) });
            }
        }
        Ok(())
    }

    fn enter(&mut self, folder: &Path, name: &str, path: &Path) -> Result<()> {
        let real = path.canonicalize().map_err(|e| Error::io(path, e))?;
        let refuse = |why: &str| {
            let (file, entry) = (folder.display().to_string(), name.to_owned());
            Err(Error::Unsafe { file, entry, why: why.to_owned() })
        };
        if self.inside.contains(&real) {
            return refuse("this link leads back to a folder that it lies in");
        }
        if self.inside.len() > DEEPEST {
            return refuse(&format!("more than {DEEPEST} folders lie one in the other"));
        }
        let visits = self.visits.entry(real.clone()).or_insert(0);
        *visits += 1;
        if *visits > SHARED {
            return refuse(&format!("more than {SHARED} paths lead to this folder by links"));
        }
        self.inside.push(real);
        Ok(())
    }
}
