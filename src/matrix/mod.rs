//! Small dense linear algebra on plain slices: ranks, second moments, least squares, elimination. No ONNX here.

mod cholesky;
mod elimination;
mod moments;
mod rank;
mod regression;

pub use cholesky::{Cholesky, NotPositive};
pub use elimination::{Elimination, Reader, Snapshot, eliminate, inverse};
pub use moments::Moments;
pub use rank::{Ranks, rank_tolerance};
pub use regression::{Regression, Ridge, Right, Solution};
