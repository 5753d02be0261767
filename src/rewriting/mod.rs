//! Surgery and verification: the only place, beside the file format, that changes a model.

mod assembly;
mod clean;
mod error;
mod initializers;
mod insert;
mod recalibrate;
mod replace;
mod settle;
mod surgery;
mod verify;
mod weights;

pub use error::{Error, Result};
pub use initializers::{drop_initializer_inputs, initializer_inputs};
pub use insert::insert_batch_norm;
pub use recalibrate::recalibrate;
pub use replace::Initializers;
pub use settle::{analyse, stuck};
pub use surgery::{obstacles, prune};
pub use verify::{
    Check, CheckOptions, Checked, Found, Inputs, Verdict, concrete_inputs, inputs_for_batch, likely_inputs, masked,
    open, open_original, verify,
};
