//! `onnx-prune explain NAME`.

use onnx_prune::{criteria, planning};

use super::failure::Failure;
use super::terminal::{Stream, print};

pub fn run(name: &str) -> Result<(), Failure> {
    let page = if let Ok(criterion) = criteria::find(name) {
        format!("{name}\n\n{}", criterion.manual())
    } else if let Ok(scheme) = planning::find_scheme(name) {
        format!("{name}\n\n{}\n", scheme.summary())
    } else {
        let known: Vec<&str> = criteria::criteria().iter().map(|c| c.name()).collect();
        let schemes: Vec<&str> = planning::schemes().iter().map(|s| s.name()).collect();
        let (known, schemes) = (known.join(", "), schemes.join(", "));
        return Err(Failure::Usage(format!("no manual page '{name}'; criteria are {known}; schemes are {schemes}")));
    };
    Ok(print(Stream::Stdout, &page)?)
}
