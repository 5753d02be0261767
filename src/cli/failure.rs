//! What can end a command, and the exit code of each.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;
use onnx_prune::job::is_cancelled;
use onnx_prune::prune;
use onnx_prune::runtime;

use super::args::Cli;
use super::{signals, terminal};

/// Exit codes, as documented in `--help`; a usage error is clap's 2.
pub mod exit {
    /// Something went wrong; nothing was written.
    pub const ERROR: u8 = 1;
    /// The target was not reached.
    pub const MISSED: u8 = 3;
    /// With `--strict`, what could not be verified.
    pub const UNVERIFIED: u8 = 4;
    /// Something was written, something else could not be.
    pub const PARTLY: u8 = 5;
    /// Ctrl-C; other signals have codes of their own.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a command ended early.
pub enum Failure {
    /// The arguments contradict each other.
    Usage(String),
    /// A signal.
    Interrupted,
    /// At the end of a run, some results could not be written.
    Partly {
        /// What is in place.
        files: Vec<PathBuf>,
        /// What is not.
        failed: Vec<FileError>,
    },
    /// Anything else.
    Error(Box<dyn Error>),
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(e: E) -> Self {
        match is_cancelled(&e) {
            true => Failure::Interrupted,
            false => Failure::Error(Box::new(e)),
        }
    }
}

/// A file that stands in the way, with its name.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}", path.display())]
pub struct FileError {
    what: &'static str,
    path: PathBuf,
    source: Box<dyn Error>,
}

impl FileError {
    pub fn new(what: &'static str, path: &Path, source: impl Into<Box<dyn Error>>) -> Self {
        FileError { what, path: path.to_owned(), source: source.into() }
    }
}

impl Failure {
    /// Says on standard error what happened.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::Usage(text) => {
                let error = command().error(ErrorKind::MissingRequiredArgument, terminal::shown(&text));
                let _ = error.print();
                ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
            Failure::Interrupted => {
                terminal::say("interrupted");
                ExitCode::from(signals::exit_code())
            }
            Failure::Partly { files, failed } => {
                failed.iter().for_each(|e| terminal::say(&format!("error: {}", words(e))));
                let names: Vec<String> = files.iter().map(|f| terminal::shown(&f.display().to_string())).collect();
                if names.is_empty() {
                    return ExitCode::from(exit::ERROR);
                }
                terminal::say(&format!("written all the same: {}", names.join(", ")));
                ExitCode::from(exit::PARTLY)
            }
            Failure::Error(e) => {
                terminal::say(&format!("error: {}", words(&*e)));
                if let Some(hint) = hint(&*e) {
                    terminal::say(&format!("hint: {hint}"));
                }
                ExitCode::from(exit::ERROR)
            }
        }
    }
}

/// The command that was given, whose usage helps.
fn command() -> clap::Command {
    let mut whole = Cli::command();
    // Builds the usage lines of subcommands.
    whole.build();
    let given = std::env::args().nth(1).unwrap_or_default();
    match whole.find_subcommand(&given) {
        Some(command) => command.clone(),
        None => Cli::command(),
    }
}

/// The message and its causes, line by line; no line that a name brings along begins as a message does.
fn words(e: &(dyn Error + 'static)) -> String {
    terminal::shown(chain(e).trim_end()).replace('\n', "\n  ")
}

/// The message with its causes, without those that it already quotes.
fn chain(e: &(dyn Error + 'static)) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(c) = cause {
        let words = c.to_string();
        if !text.contains(&words) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\ncaused by: {words}");
        }
        cause = c.source();
    }
    text
}

fn hint(e: &(dyn Error + 'static)) -> Option<&'static str> {
    match e.downcast_ref::<prune::Error>()? {
        prune::Error::Runtime(runtime::Error::Library { .. } | runtime::Error::NoRuntime) => {
            Some("--runtime tract needs no library; --no-verify --no-latency prunes without a runtime")
        }
        _ => None,
    }
}
