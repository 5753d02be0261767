//! Small dense linear algebra on plain slices: ranks, second moments, least squares. No ONNX here.

mod cholesky;
mod moments;
mod rank;

pub use cholesky::{Cholesky, NotPositive};
pub use moments::Moments;
pub use rank::{Ranks, rank_tolerance};
