//! `onnx-prune criteria`.

use std::process::ExitCode;

use clap::Args;
use onnx_prune::criteria;

use super::command::Run;
use super::failure::Failure;
use super::terminal::{Stream, print, table};

#[derive(Args)]
pub struct Criteria {}

impl Run for Criteria {
    fn run(&self) -> Result<ExitCode, Failure> {
        // The first line of a manual page says what the criterion is.
        let row = |c: &&dyn criteria::Criterion| {
            let first: Vec<&str> = c.manual().lines().map(str::trim).take_while(|l| !l.is_empty()).collect();
            [c.name().to_owned(), first.join(" ")]
        };
        let rows = criteria::criteria().iter().map(row).collect();
        print(Stream::Stdout, &table(["criterion", "lowest scores go first"], rows, &[]))?;
        Ok(ExitCode::SUCCESS)
    }
}
