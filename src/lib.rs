//! Structural pruning of ONNX models.

pub mod algebra;
pub mod analysis;
pub mod criteria;
pub mod onnx;
pub mod ops;
pub mod planning;
pub mod rewriting;
pub mod runtime;
