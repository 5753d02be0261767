//! Generates the ONNX message types from `schemas/onnx.proto`, without a `protoc` binary.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = "schemas/onnx.proto";
    println!("cargo:rerun-if-changed={schema}");
    let descriptors = protox::compile([schema], ["schemas"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // The descriptor lets the loader name fields that this schema does not know.
    std::fs::write(out.join("onnx.desc"), prost_encode(&descriptors))?;
    prost_build::Config::new()
        // Weights stay slices of the memory-mapped file.
        .bytes([".onnx.TensorProto.raw_data"])
        .compile_fds(descriptors)?;
    Ok(())
}

fn prost_encode(descriptors: &impl protox::prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}
