//! `onnx-prune explain NAME`.

use std::process::ExitCode;

use clap::Args;
use onnx_prune::analysis::AxisKind;
use onnx_prune::{criteria, planning};

use super::command::Run;
use super::failure::Failure;
use super::terminal::{Stream, print};

#[derive(Args)]
pub struct Explain {
    /// Name of a criterion, scheme or kind of axis
    name: String,
}

impl Run for Explain {
    fn run(&self) -> Result<ExitCode, Failure> {
        print(Stream::Stdout, &page(&self.name.to_lowercase())?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn page(name: &str) -> Result<String, Failure> {
    Ok(if let Ok(criterion) = criteria::find(name) {
        format!("{name}\n\n{}", onnx_prune::hint::worded(criterion.manual()))
    } else if let Ok(scheme) = planning::find_scheme(name) {
        format!("{name}\n\n{}\n", super::schemes::summary(scheme))
    } else if let Ok(kind) = name.parse::<AxisKind>() {
        format!("{name}\n\n{}\n", kind.summary())
    } else {
        let known: Vec<&str> = criteria::criteria().iter().map(|c| c.name()).collect();
        let schemes: Vec<&str> = planning::schemes().iter().map(|s| s.name()).collect();
        let (known, schemes, kinds) =
            (known.join(", "), schemes.join(", "), AxisKind::ALL.map(AxisKind::name).join(", "));
        let text = format!("no manual page '{name}'; criteria are {known}; schemes are {schemes}; kinds are {kinds}");
        return Err(Failure::Usage(text));
    })
}
