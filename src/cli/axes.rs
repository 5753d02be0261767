//! `onnx-prune axes`.

use std::process::ExitCode;

use clap::Args;
use onnx_prune::analysis::AxisKind;
use onnx_prune::planning;

use super::command::Run;
use super::failure::Failure;
use super::terminal::{Stream, print, table};

#[derive(Args)]
pub struct Axes {}

impl Run for Axes {
    fn run(&self) -> Result<ExitCode, Failure> {
        let default = planning::Axes::default();
        let shrinks = |k: AxisKind| if default.contains(k) { "by default" } else { "on request" }.to_owned();
        let rows =
            AxisKind::ALL.into_iter().map(|k| [k.name().to_owned(), shrinks(k), k.summary().to_owned()]).collect();
        print(Stream::Stdout, &table(["kind", "shrinks", "what it is"], rows, &[]))?;
        Ok(ExitCode::SUCCESS)
    }
}
