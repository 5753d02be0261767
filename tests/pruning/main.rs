//! Networks pruned: what goes together, what is left, and whether it is right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../zoo/mod.rs"]
mod zoo;

mod exported;
mod gradients;
mod groups;
mod memory;
mod random;
mod surgery;
mod targets;
mod verification;
