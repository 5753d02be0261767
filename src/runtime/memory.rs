//! Opening a model that exists in memory only.

use super::{Error, Result, Runtime, Session, SessionOptions};
use crate::files::Staging;
use crate::onnx::{self, Model, SaveOptions, save};

/// Opens a model through a temporary file, so that its weights are not copied whole; it is gone before the runtime
/// makes copies of its own.
///
/// # Errors
/// [`Error::Load`] when the file cannot be written or the runtime refuses the model.
pub fn open_model(runtime: &dyn Runtime, model: Model, options: &SessionOptions) -> Result<Box<dyn Session>> {
    let refuse = |why: String| Error::Load { runtime: runtime.name(), model: "a model in memory".to_owned(), why };
    if model.external.is_none() {
        let staging = Staging::beside(&std::env::temp_dir().join("model.onnx"))
            .map_err(|e| refuse(format!("no temporary folder: {e}")))?;
        let path = staging.file();
        // Nobody needs this file after a crash: it is not synced.
        let file = std::fs::File::create_new(&path).map_err(|e| refuse(format!("no temporary file: {e}")))?;
        if onnx::write_to(&model, &mut std::io::BufWriter::new(file)).is_ok() {
            drop(model);
            return runtime.open(&path, options);
        }
    }
    let staged = save::stage_temporary(&model, &SaveOptions::default()).map_err(|e| refuse(e.to_string()))?;
    drop(model);
    runtime.open(staged.model_path(), options)
}
