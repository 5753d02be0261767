//! Data sets and figures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "data")]
mod data;
mod metrics;
mod whole;
