//! Structural pruning of ONNX models: channels, neurons and heads are removed for real, and the file gets smaller.
//!
//! A model walks through the floors of this crate once, from the ground up:
//! [`onnx`] reads the file (how files are read and written safely stands in [`files`]), [`analysis`] asks each operator in [`ops`] for shapes and axis relations and solves them
//! with [`algebra`], [`statistics`] looks at activations on [`data`], [`criteria`] score channels, [`planning`] chooses,
//! [`rewriting`] cuts and verifies with a [`mod@runtime`], and [`report`] tells. [`mod@prune`] is the whole job. How good
//! a model is, [`evaluation`] tells, with [`data`] and [`metrics`].

#![warn(missing_docs)]

pub mod algebra;
pub mod analysis;
pub mod criteria;
pub mod data;
pub mod escape;
pub mod evaluation;
pub mod files;
pub mod hint;
pub mod insert_bn;
pub mod job;
pub mod latency;
pub mod matrix;
pub mod metrics;
pub mod onnx;
pub mod ops;
pub mod planning;
pub mod prune;
pub mod recovery;
pub mod report;
pub mod rewriting;
pub mod runtime;
pub mod sensitivity;
pub mod statistics;
pub mod tensor;
