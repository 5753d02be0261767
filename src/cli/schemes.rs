//! `onnx-prune schemes`.

use onnx_prune::planning;

use super::failure::Failure;
use super::terminal::{Stream, print, table};

pub fn run() -> Result<(), Failure> {
    let rows = planning::schemes().iter().map(|s| [s.name().to_owned(), s.summary().to_owned()]).collect();
    Ok(print(Stream::Stdout, &table(["scheme", "how channels of different groups are ordered"], rows, &[]))?)
}
