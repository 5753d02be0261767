//! Aiming at time: what the parts of a model cost at which widths, and plans that are run before they count.
//!
//! A model is taken apart (`parts.rs`): a contraction with everything up to the next one, because that is what runtimes
//! fuse. A subgraph (`subgraph.rs`) is a model of one part at some widths; it is run alone and timed, once for all
//! parts that are alike, and the time is kept on disk (`costs.rs`). Between measured widths a grid interpolates
//! (`grid.rs`). The sum over the parts, brought to the time of the whole model, is the [`Table`] that planning aims
//! with; [`search()`] runs what comes out and aims again until the clock agrees. (Shen et al. 2022, "Structural pruning
//! via latency-saliency knapsack", plans under such a table; the measured correction is this program's.)

mod costs;
mod error;
mod grid;
mod parts;
mod search;
mod signature;
mod subgraph;
mod table;

pub use error::{Error, Result};
pub use search::{SearchResult, measured, search};
pub use table::{Setting, Table};
