use super::limit::Limited;
use super::{Error, Result, Runtime};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Which runtime the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// onnxruntime where a library is found, else tract.
    #[default]
    Auto,
    /// tract.
    Tract,
    /// onnxruntime.
    Ort,
}

/// The name that command lines and reports know it by.
impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Choice::Auto => "auto",
            Choice::Tract => "tract",
            Choice::Ort => "ort",
        })
    }
}

/// A runtime that is ready, and what the user should know about the choice.
pub struct Selected {
    /// The runtime.
    pub runtime: Box<dyn Runtime>,
    /// Why it is not the one asked for, and which libraries could not be used.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Selected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, version) = (self.runtime.name(), self.runtime.version());
        f.debug_struct("Selected").field("runtime", &(name, version)).field("warnings", &self.warnings).finish()
    }
}

/// Picks a runtime. `library` is the onnxruntime to use (see [`super::library`]). What is asked for by name is used or
/// is an error; with [`Choice::Auto`] and no `library`, one that is found and cannot be used costs a warning, and
/// tract takes its place.
///
/// # Errors
/// [`super::Error::NoRuntime`] when neither is built in, [`super::Error::Library`] when onnxruntime or a library is
/// asked for and cannot be used, or when tract is not built in and no library is found.
pub fn select(choice: Choice, library: Option<&Path>) -> Result<Selected> {
    let Selected { runtime, warnings } = unlimited(choice, library)?;
    Ok(Selected { runtime: Box::new(Limited(runtime.into())), warnings })
}

fn unlimited(choice: Choice, library: Option<&Path>) -> Result<Selected> {
    let mut warnings = Vec::new();
    if choice == Choice::Tract {
        if let Some(runtime) = tract() {
            return Ok(Selected { runtime, warnings });
        }
        warnings.push("this build has no tract: using onnxruntime".to_owned());
    }
    let failure = match ort(library, &mut warnings) {
        Ok(runtime) => return Ok(Selected { runtime, warnings }),
        Err(failure) => failure,
    };
    if choice == Choice::Ort || library.is_some() {
        return Err(failure);
    }
    let Some(runtime) = tract() else { return Err(failure) };
    // Where there is no library at all, `Auto` is simply tract.
    if matches!(&failure, Error::Library { tried, .. } if tried.iter().any(|path| path.is_absolute())) {
        warnings.push(format!("{failure}; using tract"));
    }
    Ok(Selected { runtime, warnings })
}

/// The onnxruntime library that this process has loaded, and why that one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedLibrary {
    /// The file, or a bare name that the system's loader found.
    pub path: String,
    /// Its version.
    pub version: String,
    /// Who named it, or where it was found.
    pub origin: super::library::LibraryOrigin,
}

/// The onnxruntime library that this process has loaded; `None` while it has loaded none.
pub fn loaded_library() -> Option<LoadedLibrary> {
    #[cfg(feature = "ort")]
    let found = super::ort_library::current().map(|loaded| LoadedLibrary {
        path: loaded.path.display().to_string(),
        version: loaded.version,
        origin: loaded.origin,
    });
    #[cfg(not(feature = "ort"))]
    let found = None;
    found
}

#[cfg(feature = "tract")]
fn tract() -> Option<Box<dyn Runtime>> {
    Some(Box::new(super::tract::Tract))
}

#[cfg(not(feature = "tract"))]
fn tract() -> Option<Box<dyn Runtime>> {
    None
}

#[cfg(feature = "ort")]
fn ort(library: Option<&Path>, warnings: &mut Vec<String>) -> Result<Box<dyn Runtime>> {
    Ok(Box::new(super::ort::Ort::load(library, warnings)?))
}

#[cfg(not(feature = "ort"))]
fn ort(_: Option<&Path>, _: &mut Vec<String>) -> Result<Box<dyn Runtime>> {
    if cfg!(feature = "tract") {
        return Err(Error::Library { tried: Vec::new(), why: "this build has no onnxruntime support".to_owned() });
    }
    Err(Error::NoRuntime)
}
