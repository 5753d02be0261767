//! `onnx-prune completions SHELL` and `onnx-prune man`: what a shell and a manual want of a command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::failure::Failure;
use super::terminal::{Stream, print};

pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "onnx-prune", &mut script);
    Ok(print(Stream::Stdout, &String::from_utf8_lossy(&script))?)
}

pub fn man(name: Option<&str>) -> Result<(), Failure> {
    let mut program = Cli::command();
    program.build();
    let page = match name {
        None => clap_mangen::Man::new(program),
        Some(name) => match program.find_subcommand(name) {
            Some(command) => clap_mangen::Man::new(command.clone()).title(format!("onnx-prune-{name}")),
            None => return Err(Failure::Usage(format!("there is no command '{name}'"))),
        },
    };
    let mut text = Vec::new();
    page.render(&mut text)?;
    Ok(print(Stream::Stdout, &String::from_utf8_lossy(&text))?)
}
