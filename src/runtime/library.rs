//! Where an onnxruntime library may be found.
//!
//! In this order; the first that loads wins:
//!
//! 1. the path given by the user: a library, or a folder that holds one;
//! 2. `ORT_DYLIB_PATH`, likewise;
//! 3. beside the program, or in `lib` beside it or beside its folder;
//! 4. the active Python environment: `VIRTUAL_ENV`, `CONDA_PREFIX`, then the `python3` or `python` that `PATH` finds
//!    (pyenv shims are followed, no Python is run): the wheel `onnxruntime` carries the library in `capi/`;
//! 5. the system: `LD_LIBRARY_PATH` (`DYLD_LIBRARY_PATH`, `PATH`), the loader's own search, the usual folders.

use super::python;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A place to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The file, or a bare name that the system's loader searches for.
    pub path: PathBuf,
    /// Who named it.
    pub origin: Origin,
}

/// Who named a [`Candidate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The user, by an argument.
    Given,
    /// The user, by `ORT_DYLIB_PATH`.
    Variable,
    /// Found beside the program.
    Program,
    /// Found in a Python environment.
    Python,
    /// Found in a system folder, or left to the loader.
    System,
}

impl Origin {
    /// Whether the user asked for this very library, so that its failure is worth a warning.
    pub fn is_explicit(self) -> bool {
        matches!(self, Origin::Given | Origin::Variable)
    }
}

/// Every place to try, in the documented order, without repetition. Only what the user named may not exist.
pub fn candidates(given: Option<&Path>) -> Vec<Candidate> {
    let program = std::env::current_exe().ok();
    search(given, &|name| std::env::var_os(name).filter(|value| !value.is_empty()), program.as_deref())
}

/// [`candidates`] with the surroundings as arguments: the environment and the path of the program.
fn search(given: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>, program: Option<&Path>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |origin: Origin, paths: Vec<PathBuf>| {
        for path in paths {
            if found.iter().all(|c| c.path != path) {
                found.push(Candidate { path, origin });
            }
        }
    };
    if let Some(path) = given {
        add(Origin::Given, named(path));
    }
    if let Some(path) = variable("ORT_DYLIB_PATH") {
        add(Origin::Variable, named(Path::new(&path)));
    }
    if let Some(folder) = program.and_then(Path::parent) {
        for place in [folder.to_owned(), folder.join("lib"), folder.join("../lib")] {
            add(Origin::Program, libraries_in(&place));
        }
    }
    for folder in python::package_folders(variable) {
        add(Origin::Python, libraries_in(&folder.join("onnxruntime").join("capi")));
    }
    if let Some(list) = variable(LOADER_PATH) {
        for folder in std::env::split_paths(&list) {
            add(Origin::System, libraries_in(&folder));
        }
    }
    // A bare name makes the loader look where ldconfig (or its like) points.
    add(Origin::System, BARE_NAMES.iter().map(PathBuf::from).collect());
    for folder in SYSTEM_FOLDERS {
        add(Origin::System, libraries_in(Path::new(folder)));
    }
    found
}

// What the user names is always tried, so that a wrong path is reported and not passed over.
fn named(path: &Path) -> Vec<PathBuf> {
    let inside = ["", "lib", "capi"].iter().flat_map(|sub| libraries_in(&path.join(sub))).collect::<Vec<_>>();
    if !inside.is_empty() {
        return inside;
    }
    // A relative path means the current folder; a bare file name that is not there is left to the loader.
    if path.exists() || path.components().count() > 1 {
        vec![std::path::absolute(path).unwrap_or_else(|_| path.to_owned())]
    } else {
        vec![path.to_owned()]
    }
}

/// The onnxruntime libraries in `folder`, newest version first.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_library = |name: &str| {
        if cfg!(windows) {
            name.eq_ignore_ascii_case("onnxruntime.dll")
        } else if cfg!(target_os = "macos") {
            name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
        } else {
            name.starts_with("libonnxruntime.so")
        }
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|name| is_library(name)).collect();
    names.sort_by_key(|name| std::cmp::Reverse(version_in(name)));
    names.iter().map(|name| folder.join(name)).collect()
}

/// The numbers in a name, for sorting: `python3.11` gives 3, 11.
pub(super) fn version_in(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(windows)]
const LOADER_PATH: &str = "PATH";
#[cfg(target_os = "macos")]
const LOADER_PATH: &str = "DYLD_LIBRARY_PATH";
#[cfg(not(any(windows, target_os = "macos")))]
const LOADER_PATH: &str = "LD_LIBRARY_PATH";

#[cfg(windows)]
const BARE_NAMES: &[&str] = &["onnxruntime.dll"];
#[cfg(target_os = "macos")]
const BARE_NAMES: &[&str] = &["libonnxruntime.dylib"];
#[cfg(not(any(windows, target_os = "macos")))]
const BARE_NAMES: &[&str] = &["libonnxruntime.so", "libonnxruntime.so.1"];

#[cfg(windows)]
const SYSTEM_FOLDERS: &[&str] = &[];
#[cfg(not(windows))]
const SYSTEM_FOLDERS: &[&str] = &[
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/homebrew/lib",
    "/opt/onnxruntime/lib",
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs;

    #[allow(clippy::unwrap_used)] // a helper of tests
    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn places_come_in_the_documented_order() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        let python = at("venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.32.0");
        let beside = at("bin/libonnxruntime.so.1.20.0");
        let loader = at("ld/libonnxruntime.so");
        for path in [&python, &beside, &loader] {
            touch(path);
        }
        let variable = |name: &str| match name {
            "ORT_DYLIB_PATH" => Some(at("missing.so").into()),
            "VIRTUAL_ENV" => Some(at("venv").into()),
            "LD_LIBRARY_PATH" => Some(at("ld").into()),
            _ => None,
        };
        let found = search(Some(&at("asked.so")), &variable, Some(&at("bin/onnx-prune")));
        let paths: Vec<_> = found.iter().map(|c| c.path.clone()).take(6).collect();
        let bare = PathBuf::from("libonnxruntime.so");
        assert_eq!(paths, [at("asked.so"), at("missing.so"), beside, python, loader, bare]);
        assert!(found[0].origin.is_explicit() && found[1].origin.is_explicit() && !found[2].origin.is_explicit());
    }

    #[test]
    fn a_folder_stands_for_the_newest_library_in_it() {
        let home = tempfile::tempdir().unwrap();
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime_providers_shared.so"] {
            touch(&home.path().join("lib").join(name));
        }
        let names = |path: &Path| search(Some(path), &|_| None, None)[0].path.file_name().unwrap().to_owned();
        assert_eq!(names(home.path()), "libonnxruntime.so.1.32.0");
        assert_eq!(names(&home.path().join("lib")), "libonnxruntime.so.1.32.0");
    }
}
