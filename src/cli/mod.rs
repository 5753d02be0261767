//! The command line: parse, show, map errors to exit codes.

// These panic when nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod axes;
#[cfg(feature = "data")]
mod calibration;
mod command;
mod criteria;
#[cfg(feature = "data")]
mod data;
mod eval;
mod eval_args;
mod explain;
mod failure;
mod hints;
mod input;
mod inspect;
mod output;
mod parse;
mod progress;
mod prune;
mod schemes;
mod shell;
mod signals;
mod summary;
mod target_args;
mod terminal;
mod values;

use std::process::ExitCode;

use onnx_prune::hint;
use onnx_prune::runtime::{self, Log};

use command::Talk;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = parse::parse();
    let job = cli.job();
    runtime::set_log(match job.talk() {
        Talk::Quiet => Log::Nothing,
        Talk::Normal => Log::Errors,
        Talk::Verbose => Log::Warnings,
    });
    hint::set_words(hints::words);
    if let Err(e) = signals::listen() {
        terminal::say(&format!("warning: signals end the program without cleaning up: {e}"));
    }
    job.run().unwrap_or_else(failure::Failure::report)
}
