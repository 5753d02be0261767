//! What data makes of a pruned network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../zoo/mod.rs"]
mod zoo;

mod activations;
mod fixture;
mod refit;
