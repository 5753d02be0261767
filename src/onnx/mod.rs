//! The ONNX file format: types, tensors, external data, load, save, graph index. No pruning here.

/// The protobuf messages of the format, generated from `schemas/onnx.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}
