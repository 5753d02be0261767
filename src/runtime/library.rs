//! Where an onnxruntime library may be found.
//!
//! A path that the user gives is the only one that is tried: a library, or a folder that holds one. Otherwise, in this
//! order, the first that loads wins:
//!
//! 1. `ORT_DYLIB_PATH`, likewise a library or a folder;
//! 2. beside the program, or in `lib` beside it or beside its folder;
//! 3. the active Python environment: `VIRTUAL_ENV`, `CONDA_PREFIX`, then the `python3` or `python` that `PATH` finds
//!    (pyenv shims are followed, no Python is run): the wheel `onnxruntime` carries the library in `capi/`;
//! 4. the system: `LD_LIBRARY_PATH` (`DYLD_LIBRARY_PATH`, `PATH`), the loader's own search, the usual folders.
//!
//! Loading a library runs its code. So nothing in the current folder, beside a model or in a data set may choose one:
//! relative and empty entries of variables are passed over, and so is what everybody may write to
//! (`trust`).

use super::python;
use super::trust::open_to_all;
use crate::hint::Hint;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A place to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The file, or a bare name that the system's loader searches for.
    pub path: PathBuf,
    /// Who named it.
    pub origin: LibraryOrigin,
}

/// Who named a [`Candidate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LibraryOrigin {
    /// The user, by an argument.
    Given,
    /// The user, by `ORT_DYLIB_PATH`.
    Variable,
    /// Found beside the program.
    Program,
    /// Found in the environment `VIRTUAL_ENV`.
    VirtualEnv,
    /// Found in the environment `CONDA_PREFIX`.
    Conda,
    /// Found in the packages of the `python3` or `python` that `PATH` finds.
    Python,
    /// Found in the user's own Python packages.
    UserPackages,
    /// Found in a folder of the loader's variable.
    LoaderPath,
    /// Found in a system folder, or left to the loader.
    System,
}

impl LibraryOrigin {
    /// Whether the user asked for this very library, so that its failure is worth a warning.
    pub fn is_explicit(self) -> bool {
        matches!(self, LibraryOrigin::Given | LibraryOrigin::Variable)
    }
}

/// In words, for messages.
impl std::fmt::Display for LibraryOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LibraryOrigin::Given => return Hint::OrtLibrary.fmt(f),
            LibraryOrigin::Variable => "ORT_DYLIB_PATH",
            LibraryOrigin::Program => "beside this program",
            LibraryOrigin::VirtualEnv => "VIRTUAL_ENV",
            LibraryOrigin::Conda => "CONDA_PREFIX",
            LibraryOrigin::Python => "Python on PATH",
            LibraryOrigin::UserPackages => "the user's Python packages",
            LibraryOrigin::LoaderPath => LOADER_PATH,
            LibraryOrigin::System => "the system",
        })
    }
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Every place to try, in the documented order, without repetition.
    pub candidates: Vec<Candidate>,
    /// What was passed over that the user might have meant, and why.
    pub passed_over: Vec<String>,
}

/// Looks for libraries. Only what the user named may not exist.
pub fn search(given: Option<&Path>) -> Search {
    let program = std::env::current_exe().ok();
    look(given, &|name| std::env::var_os(name).filter(|value| !value.is_empty()), program.as_deref())
}

/// [`search`] with the surroundings as arguments: the environment and the path of the program.
fn look(given: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>, program: Option<&Path>) -> Search {
    let mut found = Search::default();
    if let Some(path) = given {
        found.add(LibraryOrigin::Given, given_paths(path));
        return found;
    }
    if let Some(path) = variable("ORT_DYLIB_PATH").map(PathBuf::from) {
        if path.is_absolute() {
            found.add(LibraryOrigin::Variable, named(&path));
        } else {
            found.passed_over.push(format!("ORT_DYLIB_PATH is ignored: {} is no absolute path", path.display()));
        }
    }
    if let Some(folder) = program.and_then(Path::parent) {
        for place in [folder.to_owned(), folder.join("lib"), folder.join("../lib")] {
            found.add(LibraryOrigin::Program, libraries_in(&place));
        }
    }
    for (origin, folder) in python::package_folders(variable) {
        found.add(origin, libraries_in(&folder.join("onnxruntime").join("capi")));
    }
    let mut loader_is_safe = true;
    if let Some(list) = variable(LOADER_PATH) {
        for folder in std::env::split_paths(&list) {
            if folder.is_absolute() {
                found.add(LibraryOrigin::LoaderPath, libraries_in(&folder));
            } else {
                loader_is_safe = false;
            }
        }
    }
    if loader_is_safe {
        // A bare name makes the loader look where ldconfig (or its like) points, and in its variable before that.
        found.add(LibraryOrigin::System, BARE_NAMES.iter().map(PathBuf::from).collect());
    }
    if !loader_is_safe {
        found.passed_over.push(format!(
            "{LOADER_PATH} has an empty or relative entry, so the system's loader looks for libraries in the current folder"
        ));
    }
    for folder in SYSTEM_FOLDERS {
        found.add(LibraryOrigin::System, libraries_in(Path::new(folder)));
    }
    found
}

impl Search {
    fn add(&mut self, origin: LibraryOrigin, paths: Vec<PathBuf>) {
        for path in paths {
            if self.candidates.iter().any(|c| c.path == path) {
                continue;
            }
            match open_to_all(&path).filter(|_| !origin.is_explicit() && path.is_absolute()) {
                Some(place) => self.passed_over.push(format!(
                    "{} is not used: everybody may write to {} ({} uses it all the same)",
                    path.display(),
                    place.display(),
                    Hint::OrtLibrary
                )),
                None => self.candidates.push(Candidate { path, origin }),
            }
        }
    }
}

/// An argument is relative to the current folder, as all arguments are.
fn given_paths(path: &Path) -> Vec<PathBuf> {
    named(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

// What the user names is always tried, so that a wrong path is reported and not passed over.
fn named(path: &Path) -> Vec<PathBuf> {
    let inside = ["", "lib", "capi"].iter().flat_map(|sub| libraries_in(&path.join(sub))).collect::<Vec<_>>();
    if inside.is_empty() { vec![path.to_owned()] } else { inside }
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

    fn paths(found: &Search) -> Vec<PathBuf> {
        found.candidates.iter().map(|c| c.path.clone()).collect()
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
        let found = look(None, &variable, Some(&at("bin/onnx-prune")));
        let bare = PathBuf::from("libonnxruntime.so");
        assert_eq!(paths(&found)[..5], [at("missing.so"), beside, python, loader, bare]);
        let origins: Vec<_> = found.candidates.iter().map(|c| c.origin.to_string()).take(5).collect();
        assert_eq!(origins, ["ORT_DYLIB_PATH", "beside this program", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "the system"]);
        // What is given is the only one.
        let found = look(Some(&at("asked.so")), &variable, Some(&at("bin/onnx-prune")));
        assert_eq!(found.candidates, [Candidate { path: at("asked.so"), origin: LibraryOrigin::Given }]);
        let found = look(Some(Path::new("asked.so")), &variable, None);
        assert_eq!(paths(&found), [std::env::current_dir().unwrap().join("asked.so")]);
    }

    #[test]
    fn nothing_relative_names_a_library() {
        // The current folder of tests is the package's; all that is built lies below it.
        let here = std::env::current_dir().unwrap();
        let home = tempfile::tempdir_in(&here).unwrap();
        let name = PathBuf::from(home.path().file_name().unwrap());
        touch(&home.path().join("libonnxruntime.so"));
        touch(&home.path().join("bin/python3"));
        touch(&home.path().join("lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so"));
        let below = |path: &str| name.join(path).into_os_string();
        for (variable, value) in [
            ("ORT_DYLIB_PATH", below("libonnxruntime.so")),
            ("ORT_DYLIB_PATH", "Cargo.toml".into()),
            ("VIRTUAL_ENV", below("")),
            ("CONDA_PREFIX", below("")),
            ("PATH", below("bin")),
            ("LD_LIBRARY_PATH", below("")),
            ("LD_LIBRARY_PATH", "/nowhere:".into()),
            ("HOME", below("")),
        ] {
            let found = look(None, &|asked| (asked == variable).then(|| value.clone()), None);
            let relative = paths(&found).into_iter().filter(|p| !p.is_absolute());
            let bare: &[&str] = if variable == "LD_LIBRARY_PATH" { &[] } else { BARE_NAMES };
            assert_eq!(relative.collect::<Vec<_>>(), bare.iter().map(PathBuf::from).collect::<Vec<_>>(), "{variable}");
            assert!(!paths(&found).iter().any(|p| p.starts_with(&here)), "{variable}: {found:?}");
            let told = found.passed_over.join("; ");
            assert_eq!(told.contains("no absolute path"), variable == "ORT_DYLIB_PATH", "{told}");
        }
    }

    #[test]
    fn what_everybody_may_write_to_is_passed_over_with_words() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let library = home.path().join("lib/libonnxruntime.so");
        touch(&library);
        let variable = |name: &str| (name == "LD_LIBRARY_PATH").then(|| home.path().join("lib").into());
        assert!(paths(&look(None, &variable, None)).contains(&library));
        fs::set_permissions(home.path().join("lib"), fs::Permissions::from_mode(0o777)).unwrap();
        let found = look(None, &variable, None);
        assert!(!paths(&found).contains(&library));
        assert!(found.passed_over[0].contains("everybody may write to"), "{:?}", found.passed_over);
        assert_eq!(paths(&look(Some(&library), &variable, None)), [library], "named all the same");
    }

    #[test]
    fn a_folder_stands_for_the_newest_library_in_it() {
        let home = tempfile::tempdir().unwrap();
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime_providers_shared.so"] {
            touch(&home.path().join("lib").join(name));
        }
        let names = |path: &Path| paths(&look(Some(path), &|_| None, None))[0].file_name().unwrap().to_owned();
        assert_eq!(names(home.path()), "libonnxruntime.so.1.32.0");
        assert_eq!(names(&home.path().join("lib")), "libonnxruntime.so.1.32.0");
    }
}
