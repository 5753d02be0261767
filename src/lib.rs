//! Structural pruning of ONNX models.

pub mod onnx;
