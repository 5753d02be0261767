//! `onnx-prune schemes`.

use onnx_prune::planning::{self, Scheme};

use super::failure::Failure;
use super::terminal::{Stream, print, table};

pub fn run() -> Result<(), Failure> {
    let rows = planning::schemes().iter().map(|s| [s.name().to_owned(), summary(*s)]).collect();
    Ok(print(Stream::Stdout, &table(["scheme", "how channels of different groups are ordered"], rows, &[]))?)
}

/// One line, with the option that the scheme follows.
pub fn summary(scheme: &dyn Scheme) -> String {
    match scheme.setting() {
        Some((hint, usual)) => format!("{} ({hint}, {usual})", scheme.summary()),
        None => scheme.summary().to_owned(),
    }
}
