//! From scores to kept channels: schemes, targets, rounding, the plan.
//!
//! Planning sees scores and cost polynomials, never tensors.

mod eligible;
mod error;
mod options;
mod run;
mod schemes;
mod scoring;
mod select;
mod target;

pub use error::{Error, Result};
pub use options::{Axes, Options, Rescore};
pub use run::{Aim, Plan, Step, plan, replay};
pub use schemes::{Scheme, find as find_scheme, schemes};
pub use target::{Measured, Target};
