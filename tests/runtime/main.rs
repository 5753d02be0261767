//! Both runtimes, alone and against each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../zoo/mod.rs"]
mod zoo;

mod both;
mod one;
