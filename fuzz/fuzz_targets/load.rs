//! A model file: read or refused, and what was read can be written and read again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use onnx_prune::onnx::{self, Model};

fuzz_target!(|data: &[u8]| {
    let Ok(model) = Model::from_bytes(Bytes::copy_from_slice(data)) else { return };
    let mut written = Vec::new();
    if onnx::write_to(&model, &mut written).is_ok() {
        let again = Model::from_bytes(written.into());
        assert!(again.is_ok(), "what was written does not load: {again:?}");
    }
});
