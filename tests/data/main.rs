//! Data sets made here, read back: every format, preprocessing against other libraries, loading, bad data.
#![cfg(feature = "data")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod bad;
mod formats;
mod lies;
mod loading;
mod made;
mod pixels;
mod tables;
