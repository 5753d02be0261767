//! Mutated models on their way through the program: loaded, analysed, planned, rewritten, loaded again.
//!
//! Whatever a file holds, no case may panic, overflow the stack, take longer than two seconds or more memory than 50
//! times the file and 64 MB; what is written must load, with the outputs of the original. Every case follows from a
//! seed and its number, and runs in a child process, so that one that ends the process is named too.
//!
//! `cargo test --test fuzz` runs a few thousand. Environment variables ask for more:
//! `FUZZ_CASES` (how many), `FUZZ_SEED`, `FUZZ_FROM` (the first case), `FUZZ_JOBS` (processes at a time),
//! `FUZZ_SECONDS` (time that a case may take), `FUZZ_KEEP` (a folder for the inputs that failed).
#![cfg_attr(not(unix), allow(dead_code, reason = "children are watched by means that Unix has"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod account;
mod case;
mod corpus;
#[cfg(unix)]
mod jobs;
mod mutators;

#[path = "../common/mod.rs"]
mod common;
#[path = "../zoo/mod.rs"]
mod zoo;

use std::process::ExitCode;

#[global_allocator]
static MEMORY: account::Counting = account::Counting;

fn main() -> ExitCode {
    // Test runners ask which tests there are.
    if std::env::args().any(|a| a == "--list") {
        println!("fuzz: test");
        return ExitCode::SUCCESS;
    }
    #[cfg(unix)]
    return match std::env::var("FUZZ_CHILD") {
        Ok(range) => jobs::child(&range),
        Err(_) => jobs::parent(),
    };
    #[cfg(not(unix))]
    ExitCode::SUCCESS
}
