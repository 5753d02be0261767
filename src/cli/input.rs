//! The model, from a file or from standard input.

use std::io::{IsTerminal, Read};
use std::path::Path;

use onnx_prune::onnx::Model;

use super::failure::Failure;

/// Whether a path stands for a standard stream.
pub fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads the model.
pub fn load(path: &Path) -> Result<Model, Failure> {
    if !is_stream(path) {
        return Ok(Model::load(path)?);
    }
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Err(Failure::Usage("- reads a model from standard input, which is a terminal".to_owned()));
    }
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes)?;
    Ok(Model::from_bytes(bytes.into())?)
}
