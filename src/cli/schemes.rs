//! `onnx-prune schemes`.

use std::process::ExitCode;

use clap::Args;
use onnx_prune::planning::{self, Scheme};

use super::command::Run;
use super::failure::Failure;
use super::terminal::{Stream, print, table};

#[derive(Args)]
pub struct Schemes {}

impl Run for Schemes {
    fn run(&self) -> Result<ExitCode, Failure> {
        let rows = planning::schemes().iter().map(|s| [s.name().to_owned(), summary(*s)]).collect();
        print(Stream::Stdout, &table(["scheme", "how channels of different groups are ordered"], rows, &[]))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One line, with the option that the scheme follows.
pub fn summary(scheme: &dyn Scheme) -> String {
    match scheme.setting() {
        Some((hint, usual)) => format!("{} ({hint}, {usual})", scheme.summary()),
        None => scheme.summary().to_owned(),
    }
}
