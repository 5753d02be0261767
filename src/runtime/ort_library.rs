//! Loading libonnxruntime, once per process, in a way that fails with words and never with a panic.

use super::library::{Candidate, LibraryOrigin, Search, search};
use super::log::logger;
use super::{Error, Result};
use crate::files::same_file;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The library that this process uses.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub path: PathBuf,
    pub origin: LibraryOrigin,
    pub version: String,
    pub environment: ::ort::environment::Environment,
    /// What was wrong with others that the user may have wanted: told whenever the library is asked for.
    warnings: Vec<String>,
}

// onnxruntime allows one environment per process and `ort` one library; both stay until the process ends.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

fn loaded() -> MutexGuard<'static, Option<Loaded>> {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The library that was loaded, if one was.
pub(super) fn current() -> Option<Loaded> {
    loaded().clone()
}

/// The library of this process, loading the first candidate that serves; one that is given must serve. Why others did
/// not is told in `warnings`, also where this fails.
pub(super) fn load(given: Option<&Path>, warnings: &mut Vec<String>) -> Result<Loaded> {
    let mut slot = loaded();
    let Search { candidates: found, mut passed_over } = search(given);
    let tried = || found.iter().map(|c| c.path.clone()).collect::<Vec<_>>();
    if let Some(loaded) = slot.as_ref() {
        if given.is_some() && !found.iter().any(|c| same_file(&c.path, &loaded.path)) {
            let why = format!(
                "{} cannot be used: this process already uses {}",
                found.first().map_or(Path::new(""), |c| &c.path).display(),
                loaded.path.display()
            );
            return Err(Error::Library { tried: tried(), why });
        }
        warnings.extend(loaded.warnings.iter().cloned());
        return Ok(loaded.clone());
    }
    let mut failures = Vec::new();
    for Candidate { path, origin } in &found {
        match probe(path) {
            Ok(version) => {
                // `ort` keeps the first library it is given, so a failure from here on is final.
                let mut loaded = start(path, *origin, version)
                    .map_err(|why| Error::Library { tried: tried(), why: format!("{}: {why}", path.display()) })?;
                let using = path.display();
                passed_over.extend(failures.iter().map(|failure| format!("{failure}; using {using} instead")));
                warnings.extend(passed_over.iter().cloned());
                loaded.warnings = passed_over;
                return Ok(slot.insert(loaded).clone());
            }
            // A bare name that the loader does not find is no news.
            Err(why) if origin.is_explicit() || path.is_absolute() => {
                let named = if *origin == LibraryOrigin::Variable { "ORT_DYLIB_PATH: " } else { "" };
                failures.push(format!("{named}{}: {why}", path.display()));
            }
            Err(_) => {}
        }
    }
    warnings.append(&mut passed_over);
    let why = if failures.is_empty() {
        "none found (`pip install onnxruntime` brings one, ORT_DYLIB_PATH names one)".to_owned()
    } else {
        failures.join("; ")
    };
    Err(Error::Library { tried: tried(), why })
}

/// The version of the library at `path`, if it is one and offers the interface that `ort` needs. `ort` itself
/// panics where this returns an error: a null interface, a library that is too old for it.
fn probe(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return Err("a folder without onnxruntime library".to_owned());
    }
    if path.is_absolute() {
        // Opening a pipe would wait for a writer.
        if std::fs::metadata(path).map_err(|e| e.to_string())?.is_file() {
            super::elf::check(path)?;
        } else {
            return Err("not a file".to_owned());
        }
    }
    type GetApiBase = unsafe extern "C" fn() -> *const ::ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's initializers, which nobody can vouch for; the user or the system chose it.
    let library = unsafe { libloading::Library::new(path) }.map_err(|e| reason(&e, path))?;
    // SAFETY: the symbol has this type in every onnxruntime; the name is not used by other known libraries.
    let get = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase") }
        .map_err(|_| "not an onnxruntime library (no OrtGetApiBase)".to_owned())?;
    // SAFETY: as above; the function takes nothing and returns a pointer to a static table, or null.
    let base = unsafe { get().as_ref() }.ok_or("OrtGetApiBase gives nothing")?;
    // SAFETY: the table's functions take no memory of ours; the version is a static C string, or null.
    let version = unsafe {
        let text = (base.GetVersionString)();
        if text.is_null() { "unknown".to_owned() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    };
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let verdict = match minor {
        None => Err(format!("it has the unknown version `{version}`")),
        Some(minor) if minor < ::ort::MINOR_VERSION => {
            Err(format!("onnxruntime {version} is too old, 1.{} or newer is needed", ::ort::MINOR_VERSION))
        }
        // SAFETY: as above; an unsupported number gives null.
        Some(_) if unsafe { (base.GetApi)(::ort::sys::ORT_API_VERSION) }.is_null() => {
            Err(format!("onnxruntime {version} does not offer interface {}", ::ort::sys::ORT_API_VERSION))
        }
        Some(_) => Ok(version),
    };
    // Unloading a C++ library that has started threads or thread-local state is a known source of crashes.
    std::mem::forget(library);
    verdict
}

/// What the loader says, without the path; `libloading` keeps it in the source of its error.
fn reason(error: &libloading::Error, path: &Path) -> String {
    let words = std::error::Error::source(error).map_or_else(|| error.to_string(), |source| source.to_string());
    words.strip_prefix(&format!("{}: ", path.display())).map(str::to_owned).unwrap_or(words)
}

fn start(path: &Path, origin: LibraryOrigin, version: String) -> Result<Loaded, String> {
    // The library is named explicitly before anything else of `ort` is touched: its lazy loading panics.
    let builder = ::ort::init_from(path).map_err(|e| e.to_string())?;
    let environment = builder
        .with_name("onnx-prune")
        .with_telemetry(false)
        .with_logger(logger())
        .build()
        .map_err(|e| e.to_string())?;
    Ok(Loaded { path: path.to_owned(), origin, version, environment, warnings: Vec::new() })
}
