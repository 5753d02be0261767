//! From scores to kept channels: schemes, targets, rounding, the plan.
//!
//! Planning sees scores and cost polynomials, never tensors.

mod allocate;
mod axes;
mod eligible;
mod error;
mod gauge;
mod keep;
mod obstacle;
mod options;
mod patterns;
mod run;
mod schemes;
mod scoring;
mod select;
pub mod targets;

pub use allocate::Curve;
pub use axes::Axes;
pub use eligible::{Limit, may_shrink};
pub use error::{Error, Result};
pub use gauge::Gauge;
pub use keep::Keep;
pub use options::{Options, Rescore};
pub use patterns::{absent as absent_kinds, check_kinds};
pub use run::{Plan, PlanRequest, plan, replay};
pub use schemes::{Scheme, default_scheme, find as find_scheme, schemes};
pub use scoring::first_scores;
pub use targets::{Goal, Latency, Reached, Target, Targets};
