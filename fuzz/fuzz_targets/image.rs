//! An image file: decoded or refused, within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onnx_prune::data::{Limits, decode};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { pixels: 1 << 20, ..Limits::default() };
    if let Ok(image) = decode(data, &limits) {
        assert!(image.width() * image.height() <= limits.pixels);
    }
});
