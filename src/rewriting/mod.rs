//! Surgery and verification: the only place, beside the file format, that changes a model.

mod assembly;
mod clean;
mod error;
mod surgery;
mod verify;
mod weights;

pub use error::{Error, Result};
pub use surgery::prune;
pub use verify::{Check, CheckOptions, Verdict, concrete_inputs, silenced, verify};
