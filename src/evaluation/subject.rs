//! Models to be evaluated: in files, or in memory.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::onnx::{self, Model};
use crate::runtime::{self, Runtime, Session, SessionOptions, open_model};

/// A model that is evaluated.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A file, which the runtime opens by itself.
    File(PathBuf),
    /// A model in memory.
    Memory(Arc<Model>),
}

impl Subject {
    /// What reports call it: the name of its file.
    pub fn name(&self) -> String {
        match self {
            Subject::File(path) => file_name(path),
            Subject::Memory(model) => model.path.as_deref().map_or_else(|| "-".to_owned(), file_name),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// When the runtime refuses it.
    pub(super) fn open(&self, runtime: &dyn Runtime, options: &SessionOptions) -> runtime::Result<Box<dyn Session>> {
        match self {
            Subject::File(path) => runtime.open(path, options),
            Subject::Memory(model) => open_model(runtime, Model::clone(model), options),
        }
    }

    /// The model itself.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn load(&self) -> onnx::Result<Cow<'_, Model>> {
        Ok(match self {
            Subject::File(path) => Cow::Owned(Model::load(path)?),
            Subject::Memory(model) => Cow::Borrowed(model),
        })
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

impl From<PathBuf> for Subject {
    fn from(path: PathBuf) -> Self {
        Subject::File(path)
    }
}

impl From<&Path> for Subject {
    fn from(path: &Path) -> Self {
        Subject::File(path.to_owned())
    }
}

impl From<Model> for Subject {
    fn from(model: Model) -> Self {
        Subject::Memory(model.into())
    }
}

impl From<&Model> for Subject {
    fn from(model: &Model) -> Self {
        Subject::Memory(model.into())
    }
}

impl From<Arc<Model>> for Subject {
    fn from(model: Arc<Model>) -> Self {
        Subject::Memory(model)
    }
}
