//! The commands: a file and a line in [`commands`] each.

use std::process::ExitCode;

use clap::Subcommand;

use super::failure::Failure;

/// What a command does, implemented by its arguments.
pub trait Run {
    /// Runs it. What it could do and what it found may give different exit codes.
    fn run(&self) -> Result<ExitCode, Failure>;

    /// How much it says.
    fn talk(&self) -> Talk {
        Talk::Normal
    }
}

/// How much is said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    Quiet,
    Normal,
    Verbose,
}

impl Talk {
    pub fn of(quiet: bool, verbose: bool) -> Talk {
        match (quiet, verbose) {
            (true, _) => Talk::Quiet,
            (_, true) => Talk::Verbose,
            _ => Talk::Normal,
        }
    }
}

macro_rules! commands {
    ($($(#[doc = $about:literal])* $([$feature:literal])? $name:ident($args:ty),)*) => {
        #[derive(Subcommand)]
        pub enum Command {
            $($(#[doc = $about])* $(#[cfg(feature = $feature)])? $name(Box<$args>),)*
        }

        impl Command {
            pub fn get(&self) -> &dyn Run {
                match self {
                    $($(#[cfg(feature = $feature)])? Command::$name(args) => &**args,)*
                }
            }
        }
    };
}

// In brackets: the feature that it needs.
commands! {
    /// Prune a model, as a MODEL without a command does
    Prune(super::args::Prune),
    /// Show what of a model can shrink, what cannot, and why
    Inspect(super::inspect::Inspect),
    /// Tell how good, how fast and how large models are
    Eval(super::eval_args::Eval),
    /// List the importance criteria
    Criteria(super::criteria::Criteria),
    /// List the schemes
    Schemes(super::schemes::Schemes),
    /// List the kinds of axes
    Axes(super::axes::Axes),
    /// Read a data set as a model would be given it, and say what is in it and what is wrong with it
    ["data"] CheckData(super::data::CheckData),
    /// Put batch normalisations back that an exporter folded away
    ["data"] InsertBn(super::calibration::InsertBn),
    /// Print the manual page of a criterion, scheme or kind of axis
    Explain(super::explain::Explain),
    /// Print a completion script
    Completions(super::shell::Completions),
    /// Print a manual page in roff, of this program or of one of its commands
    Man(super::shell::Man),
}
