//! The command line: parse, show, map errors to exit codes.

mod args;
mod progress;
mod prune;

use std::process::ExitCode;

use clap::Parser;

/// Exit codes, as documented in `--help`.
pub mod exit {
    /// Something went wrong; nothing was written.
    pub const ERROR: u8 = 1;
    /// The target was not reached.
    pub const MISSED: u8 = 3;
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let args = args::Args::parse();
    match prune::run(args.prune) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(exit::ERROR)
        }
    }
}
