//! `onnx-prune axes`.

use onnx_prune::analysis::Kind;
use onnx_prune::planning::Axes;

use super::failure::Failure;
use super::terminal::{Stream, print, table};

pub fn run() -> Result<(), Failure> {
    let default = Axes::default();
    let shrinks = |k: Kind| if default.contains(k) { "by default" } else { "on request" }.to_owned();
    let rows = Kind::ALL.into_iter().map(|k| [k.name().to_owned(), shrinks(k), k.summary().to_owned()]).collect();
    Ok(print(Stream::Stdout, &table(["kind", "shrinks", "what it is"], rows, &[]))?)
}
