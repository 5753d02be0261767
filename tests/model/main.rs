//! Model files: what is read, what is worked out, what is refused, and what is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;

mod folding;
mod malformed;
mod node_tests;
mod operators;
mod report;
mod robustness;
mod roundtrip;
