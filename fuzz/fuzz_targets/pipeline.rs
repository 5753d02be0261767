//! A model file all the way: analyzed, planned, rewritten, and read again with the shapes that it had.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// What `cargo test --test fuzz` does with its mutated models.
#[path = "../../tests/fuzz/case.rs"]
mod case;

#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../tests/common"]
mod common {
    pub mod request;
}

fuzz_target!(|data: &[u8]| {
    if let Err(why) = case::run(data) {
        panic!("{why}");
    }
});
