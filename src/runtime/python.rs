//! The package folders of the active Python, found without running it.

use super::library::version_in;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Existing `site-packages` (or `dist-packages`) folders, the most specific environment first.
pub(super) fn package_folders(variable: Variable) -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|name| variable(name)).map(PathBuf::from).collect();
    let interpreters = variable("PATH").map(|path| interpreters(&path)).unwrap_or_default();
    for interpreter in &interpreters {
        prefixes.extend(pyenv_prefixes(interpreter, variable));
        // As it stands (a virtual environment links to its Python), then where it points to.
        prefixes.extend(prefix_of(interpreter));
        prefixes.extend(std::fs::canonicalize(interpreter).ok().and_then(|real| prefix_of(&real)));
    }
    if !interpreters.is_empty() {
        // Packages installed with `pip install --user`.
        prefixes.extend(variable("HOME").map(|home| Path::new(&home).join(".local")));
    }
    let mut folders = Vec::new();
    for folder in prefixes.iter().flat_map(|prefix| folders_under(prefix)) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// The first `python3` and the first `python` on the search path.
fn interpreters(path: &OsString) -> Vec<PathBuf> {
    let first = |name: &str| std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let names: &[&str] = if cfg!(windows) { &["python.exe", "python3.exe"] } else { &["python3", "python"] };
    names.iter().filter_map(|name| first(name)).collect()
}

fn prefix_of(interpreter: &Path) -> Option<PathBuf> {
    let folder = interpreter.parent()?;
    // Windows keeps the interpreter in the prefix itself, except in a virtual environment.
    let own = cfg!(windows) && folder.file_name().is_none_or(|name| !name.eq_ignore_ascii_case("Scripts"));
    if own { Some(folder.to_owned()) } else { folder.parent().map(Path::to_owned) }
}

/// A pyenv shim is a script that picks a version by variable, by a file in the folder or its parents, or globally.
fn pyenv_prefixes(interpreter: &Path, variable: Variable) -> Vec<PathBuf> {
    let Some(shims) = interpreter.parent().filter(|folder| folder.ends_with("shims")) else { return Vec::new() };
    let Some(root) = shims.parent() else { return Vec::new() };
    let here = std::env::current_dir().unwrap_or_default();
    let chosen = variable("PYENV_VERSION")
        .and_then(|value| value.into_string().ok())
        .map(|value| value.replace(':', "\n"))
        .or_else(|| here.ancestors().find_map(|folder| std::fs::read_to_string(folder.join(".python-version")).ok()))
        .or_else(|| std::fs::read_to_string(root.join("version")).ok());
    let versions = chosen.unwrap_or_default();
    versions.split_whitespace().map(|version| root.join("versions").join(version)).collect()
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
        assert_eq!(package_folders(&variable), [packages("3.9.1", "3.9")]);
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
        assert_eq!(folders, [at("venv/lib/python3.12/site-packages"), base]);
    }
}
