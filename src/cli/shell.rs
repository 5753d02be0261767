//! `onnx-prune completions SHELL` and `onnx-prune man`: what a shell and a manual want of a command line.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::command::Run;
use super::failure::Failure;
use super::terminal::{Stream, print};

#[derive(Args)]
pub struct Completions {
    /// The shell that it is for
    shell: Shell,
}

impl Run for Completions {
    fn run(&self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "onnx-prune", &mut script);
        print(Stream::Stdout, &String::from_utf8_lossy(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub struct Man {
    /// The command
    command: Option<String>,
}

impl Run for Man {
    fn run(&self) -> Result<ExitCode, Failure> {
        let mut program = Cli::command();
        program.build();
        let page = match self.command.as_deref() {
            None => clap_mangen::Man::new(program),
            Some(name) => match program.find_subcommand(name) {
                Some(command) => clap_mangen::Man::new(command.clone()).title(format!("onnx-prune-{name}")),
                None => return Err(Failure::Usage(format!("there is no command '{name}'"))),
            },
        };
        let mut text = Vec::new();
        page.render(&mut text)?;
        print(Stream::Stdout, &String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}
