//! The program as users run it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../zoo/mod.rs"]
mod zoo;

mod commands;
#[cfg(feature = "data")]
mod eval;
#[cfg(unix)]
mod files;
#[cfg(all(feature = "data", any(feature = "tract", feature = "ort")))]
mod messages;
