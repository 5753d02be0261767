//! The command line: parse, show, map errors to exit codes.

// These panic when nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod axes;
#[cfg(feature = "data")]
mod calibration;
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
mod terminal;
mod values;

use std::process::ExitCode;

use onnx_prune::{hint, runtime};

use args::Command;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = parse::parse();
    runtime::set_log(cli.log());
    hint::set_words(hints::words);
    if let Err(e) = signals::listen() {
        terminal::say(&format!("warning: signals end the program without cleaning up: {e}"));
    }
    let done = |()| ExitCode::SUCCESS;
    let result = match cli.command {
        Some(Command::Inspect(args)) => inspect::run(&args).map(done),
        Some(Command::Eval(args)) => eval::run(&args).map(done),
        Some(Command::Criteria) => criteria::run().map(done),
        Some(Command::Axes) => axes::run().map(done),
        Some(Command::Schemes) => schemes::run().map(done),
        #[cfg(feature = "data")]
        Some(Command::CheckData(args)) => data::check(&args),
        #[cfg(feature = "data")]
        Some(Command::InsertBn(args)) => calibration::run(&args),
        Some(Command::Explain { name }) => explain::run(&name).map(done),
        Some(Command::Completions { shell }) => shell::completions(shell).map(done),
        Some(Command::Man { command }) => shell::man(command.as_deref()).map(done),
        Some(Command::Prune(args)) => prune::run(&args),
        None => prune::run(&cli.prune),
    };
    result.unwrap_or_else(failure::Failure::report)
}
