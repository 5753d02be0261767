//! `onnx-prune schemes`.

use std::process::ExitCode;

use clap::Args;
use onnx_prune::planning;

use super::command::Run;
use super::failure::Failure;
use super::terminal::{Stream, print, table};

#[derive(Args)]
pub struct Schemes {}

impl Run for Schemes {
    fn run(&self) -> Result<ExitCode, Failure> {
        let rows = planning::schemes().iter().map(|s| [s.name().to_owned(), s.summary().to_owned()]).collect();
        print(Stream::Stdout, &table(["scheme", "how channels of different groups are ordered"], rows, &[]))?;
        Ok(ExitCode::SUCCESS)
    }
}
