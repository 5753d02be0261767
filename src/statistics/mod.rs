//! What activations on real data say of each group, reduced as they go by: nothing is stored per sample.
//!
//! The collector knows the graph, the groups and a runtime. It adds the tensors that it reads as extra outputs to a
//! copy of the model, runs batch after batch, and keeps two kinds of sums: second moments of the patches that a node's
//! weight meets (all that least squares needs), and ranks of feature maps. Every sum has one order, so results do not
//! depend on the number of threads.
//!
//! What is measured is named by keys; `table.rs` has a line for each, with the pass that measures it. Gradients are
//! handed in by whoever has them, in [`Statistics::weights`].

mod collect;
mod consumers;
mod curves;
mod error;
mod key;
mod layers;
mod maps;
mod patches;
mod probe;
mod readers;
mod source;
mod table;

pub use collect::{collect, moments};
pub use consumers::{Consumer, consumers};
pub use curves::{ErrorCurve, Point, curves};
pub use error::{Error, Result};
pub use key::{
    AnyKey, Extent, GroupStatistics, Key, OfGroup, PerChannel, PerElement, PerPair, Statistics, WeightStatistics,
};
pub use layers::{After, Intercept, Layer, layers};
pub(crate) use patches::{Lot, Reading, Sampler};
pub use probe::{ActivationProbe, Visit, with_probes};
pub use source::Calibration;
pub use table::{ERRORS, FISHER, GRADIENT, RANKS, SHARES, SQUARED_GRADIENT, VARIANCES};
pub(crate) use table::{Pass, line};
