//! A model file: read or refused, and what is read comes back from what is written.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use onnx_prune::onnx::{self, Model};

fuzz_target!(|data: &[u8]| {
    let Ok(model) = Model::from_bytes(Bytes::copy_from_slice(data)) else { return };
    let mut written = Vec::new();
    if onnx::write_to(&model, &mut written).is_ok() {
        let again = Model::from_bytes(written.into()).expect("what is written can be read");
        assert_eq!(again.proto, model.proto);
    }
});
