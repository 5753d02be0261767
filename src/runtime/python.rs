//! The package folders of the active Python, found without running it.

use super::library::{LibraryOrigin, version_in};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Existing `site-packages` (or `dist-packages`) folders, the most specific environment first.
pub(super) fn package_folders(variable: Variable) -> Vec<(LibraryOrigin, PathBuf)> {
    // A relative path would mean another environment in each folder that the program is started in.
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let mut prefixes: Vec<(LibraryOrigin, PathBuf)> = Vec::new();
    prefixes.extend(folder("VIRTUAL_ENV").map(|path| (LibraryOrigin::VirtualEnv, path)));
    prefixes.extend(folder("CONDA_PREFIX").map(|path| (LibraryOrigin::Conda, path)));
    let interpreters = variable("PATH").map(|path| interpreters(&path)).unwrap_or_default();
    for interpreter in &interpreters {
        let shim = pyenv_prefixes(interpreter, variable);
        // As it stands (a virtual environment links to its Python), then where it points to.
        let real = std::fs::canonicalize(interpreter).ok().and_then(|real| prefix_of(&real));
        let found = shim.into_iter().chain(prefix_of(interpreter)).chain(real);
        prefixes.extend(found.map(|path| (LibraryOrigin::Python, path)));
    }
    if !interpreters.is_empty() {
        // Packages that users install for themselves.
        prefixes.extend(folder("HOME").map(|home| (LibraryOrigin::UserPackages, home.join(".local"))));
    }
    let mut folders: Vec<(LibraryOrigin, PathBuf)> = Vec::new();
    for (origin, prefix) in prefixes {
        for folder in folders_under(&prefix) {
            if folders.iter().all(|(_, known)| *known != folder) {
                folders.push((origin, folder));
            }
        }
    }
    folders
}

/// The first `python3` and the first `python` on the search path. Relative and empty entries are passed over: they
/// mean the current folder.
fn interpreters(path: &OsString) -> Vec<PathBuf> {
    let folders = || std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let first = |name: &str| folders().map(|folder| folder.join(name)).find(|file| file.is_file());
    let names: &[&str] = if cfg!(windows) { &["python.exe", "python3.exe"] } else { &["python3", "python"] };
    names.iter().filter_map(|name| first(name)).collect()
}

fn prefix_of(interpreter: &Path) -> Option<PathBuf> {
    let folder = interpreter.parent()?;
    // Windows keeps the interpreter in the prefix itself, except in a virtual environment.
    let own = cfg!(windows) && folder.file_name().is_none_or(|name| !name.eq_ignore_ascii_case("Scripts"));
    if own { Some(folder.to_owned()) } else { folder.parent().map(Path::to_owned) }
}

/// A pyenv shim is a script that picks a version by variable or globally. The file `.python-version`, by which a
/// folder picks one, is not read: folders that the program is started in choose no code.
fn pyenv_prefixes(interpreter: &Path, variable: Variable) -> Vec<PathBuf> {
    let Some(shims) = interpreter.parent().filter(|folder| folder.ends_with("shims")) else { return Vec::new() };
    let Some(root) = shims.parent() else { return Vec::new() };
    let chosen = variable("PYENV_VERSION")
        .and_then(|value| value.into_string().ok())
        .map(|value| value.replace(':', "\n"))
        .or_else(|| std::fs::read_to_string(root.join("version")).ok());
    let versions = chosen.unwrap_or_default();
    let plain = |version: &&str| {
        let mut parts = Path::new(version).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
    };
    versions.split_whitespace().filter(plain).map(|version| root.join("versions").join(version)).collect()
}

fn folders_under(prefix: &Path) -> Vec<PathBuf> {
    let mut folders = vec![prefix.join("Lib").join("site-packages")];
    for lib in ["lib", "lib64"] {
        let lib = prefix.join(lib);
        let mut names: Vec<String> = std::fs::read_dir(&lib)
            .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        names.retain(|name| name.starts_with("python3"));
        names.sort_by_key(|name| std::cmp::Reverse(version_in(name)));
        for name in names {
            folders.extend(["site-packages", "dist-packages"].map(|packages| lib.join(&name).join(packages)));
        }
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_pyenv_shim_leads_to_the_chosen_version() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("pyenv");
        let packages =
            |version: &str, minor: &str| root.join(format!("versions/{version}/lib/python{minor}/site-packages"));
        for folder in [packages("3.11.7", "3.11"), packages("3.9.1", "3.9"), root.join("shims")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.join("shims/python3"), "#!/bin/sh\n").unwrap();
        let variable = |name: &str| match name {
            "PATH" => Some(root.join("shims").into()),
            "PYENV_VERSION" => Some("3.9.1".into()),
            _ => None,
        };
        assert_eq!(package_folders(&variable), [(LibraryOrigin::Python, packages("3.9.1", "3.9"))]);
    }

    #[test]
    fn a_pyenv_version_is_a_name_and_no_path() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("pyenv");
        let evil = home.path().join("evil");
        for folder in [evil.join("lib/python3.12/site-packages"), root.join("versions"), root.join("shims")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.join("shims/python3"), "#!/bin/sh\n").unwrap();
        for version in [evil.to_str().unwrap(), "../../evil", "3.9/../../../evil", "..", ".", ""] {
            for by_variable in [true, false] {
                fs::write(root.join("version"), if by_variable { "" } else { version }).unwrap();
                let variable = |name: &str| match name {
                    "PATH" => Some(root.join("shims").into()),
                    "PYENV_VERSION" if by_variable => Some(version.into()),
                    _ => None,
                };
                assert_eq!(package_folders(&variable), [], "{version}");
            }
        }
    }

    #[test]
    fn a_virtual_environment_on_the_path_is_not_skipped_over() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        for folder in ["venv/bin", "venv/lib/python3.12/site-packages", "base/bin", "base/lib/python3.12/site-packages"]
        {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("base/bin/python3"), "").unwrap();
        std::os::unix::fs::symlink(at("base/bin/python3"), at("venv/bin/python3")).unwrap();
        let folders = package_folders(&|name| (name == "PATH").then(|| at("venv/bin").into()));
        let base = fs::canonicalize(at("base/lib/python3.12/site-packages")).unwrap();
        let folders: Vec<PathBuf> = folders.into_iter().map(|(_, folder)| folder).collect();
        assert_eq!(folders, [at("venv/lib/python3.12/site-packages"), base]);
    }
}
