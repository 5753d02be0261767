//! Loading libonnxruntime, once per process, in a way that fails with words and never with a panic.

use super::library::{Candidate, candidates};
use super::log::logger;
use super::{Error, Result};
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The library that this process uses.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub path: PathBuf,
    pub version: String,
    pub environment: ::ort::environment::Environment,
}

// onnxruntime allows one environment per process and `ort` one library; both stay until the process ends.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// The library of this process, loading the first candidate that serves. Why others did not is told in `warnings`.
pub(super) fn load(given: Option<&Path>, warnings: &mut Vec<String>) -> Result<Loaded> {
    let mut slot = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let found = candidates(given);
    if let Some(loaded) = slot.as_ref() {
        let other = found.first().filter(|c| c.origin.is_explicit() && !same_file(&c.path, &loaded.path));
        warnings.extend(
            other.map(|c| {
                format!("{} is ignored: this process already uses {}", c.path.display(), loaded.path.display())
            }),
        );
        return Ok(loaded.clone());
    }
    let tried = || found.iter().map(|c| c.path.clone()).collect::<Vec<_>>();
    let mut failures = Vec::new();
    for Candidate { path, origin } in &found {
        match probe(path) {
            Ok(version) => {
                // `ort` keeps the first library it is given, so a failure from here on is final.
                let loaded = start(path, version)
                    .map_err(|why| Error::Library { tried: tried(), why: format!("{}: {why}", path.display()) })?;
                let using = path.display();
                warnings.extend(failures.iter().map(|failure| format!("{failure}; using {using} instead")));
                return Ok(slot.insert(loaded).clone());
            }
            // A bare name that the loader does not find is no news.
            Err(why) if origin.is_explicit() || path.is_absolute() => {
                failures.push(format!("{}: {why}", path.display()));
            }
            Err(_) => {}
        }
    }
    let why = if failures.is_empty() {
        "none found (`pip install onnxruntime` brings one, ORT_DYLIB_PATH names one)".to_owned()
    } else {
        failures.join("; ")
    };
    Err(Error::Library { tried: tried(), why })
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || std::fs::canonicalize(a).ok().zip(std::fs::canonicalize(b).ok()).is_some_and(|(a, b)| a == b)
}

/// The version of the library at `path`, if it is one and offers the interface that `ort` needs. `ort` itself
/// panics where this returns an error: a null interface, a library that is too old for it.
fn probe(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return Err("a folder without onnxruntime library".to_owned());
    }
    if path.is_absolute() {
        super::elf::check(path)?;
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

fn start(path: &Path, version: String) -> Result<Loaded, String> {
    // The library is named explicitly before anything else of `ort` is touched: its lazy loading panics.
    let builder = ::ort::init_from(path).map_err(|e| e.to_string())?;
    let environment = builder
        .with_name("onnx-prune")
        .with_telemetry(false)
        .with_logger(logger())
        .build()
        .map_err(|e| e.to_string())?;
    Ok(Loaded { path: path.to_owned(), version, environment })
}
