//! `onnx-prune criteria`.

use onnx_prune::criteria;

use super::failure::Failure;
use super::terminal::{Stream, print, table};

pub fn run() -> Result<(), Failure> {
    // The first line of a manual page says what the criterion is.
    let row = |c: &&dyn criteria::Criterion| {
        let first: Vec<&str> = c.manual().lines().map(str::trim).take_while(|l| !l.is_empty()).collect();
        [c.name().to_owned(), first.join(" ")]
    };
    let rows = criteria::criteria().iter().map(row).collect();
    Ok(print(Stream::Stdout, &table(["criterion", "lowest scores go first"], rows, &[]))?)
}
