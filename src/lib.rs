//! Structural pruning of ONNX models.

pub mod algebra;
pub mod onnx;
