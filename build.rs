//! Generates the ONNX message types from `schemas/onnx.proto`, without a `protoc` binary, and a table of the schema
//! that lets the loader name fields it does not know.

use std::fmt::Write as _;
use std::path::PathBuf;

use protox::prost::Message;
use protox::prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = "schemas/onnx.proto";
    println!("cargo:rerun-if-changed={schema}");
    println!("cargo:rerun-if-changed=build.rs");
    let descriptors = protox::compile([schema], ["schemas"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("onnx.desc"), descriptors.encode_to_vec())?;

    let (mut messages, mut enums) = (Vec::new(), Vec::new());
    for file in &descriptors.file {
        file.message_type.iter().for_each(|m| collect("", m, &mut messages, &mut enums));
        file.enum_type.iter().for_each(|e| enums.push((e.name().to_owned(), e.clone())));
    }
    std::fs::write(out.join("schema.rs"), table(&messages, &enums)?)?;

    prost_build::Config::new()
        // Weights stay slices of the memory-mapped file.
        .bytes([".onnx.TensorProto.raw_data"])
        .compile_fds(descriptors)?;
    Ok(())
}

type Named<T> = Vec<(String, T)>;

/// Flattens nested messages to `Outer.Inner`.
fn collect(
    prefix: &str,
    m: &DescriptorProto,
    messages: &mut Named<DescriptorProto>,
    enums: &mut Named<EnumDescriptorProto>,
) {
    let name = format!("{prefix}{}", m.name());
    messages.push((name.clone(), m.clone()));
    m.enum_type.iter().for_each(|e| enums.push((format!("{name}.{}", e.name()), e.clone())));
    m.nested_type.iter().for_each(|n| collect(&format!("{name}."), n, messages, enums));
}

/// Rust source of `MESSAGES` and `ENUMS`; a field points to its message by index.
fn table(messages: &Named<DescriptorProto>, enums: &Named<EnumDescriptorProto>) -> Result<String, std::fmt::Error> {
    let mut s = String::from("pub(crate) static MESSAGES: &[MessageInfo] = &[\n");
    for (name, message) in messages {
        writeln!(s, "MessageInfo {{ name: {name:?}, fields: &[")?;
        for f in &message.field {
            let index = messages.iter().position(|(n, _)| format!(".onnx.{n}") == f.type_name());
            let ty = f.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase();
            let label = f.label().as_str_name().trim_start_matches("LABEL_").to_lowercase();
            let (number, name) = (f.number(), f.name());
            writeln!(
                s,
                "FieldInfo {{ number: {number}, name: {name:?}, ty: {ty:?}, label: {label:?}, message: {index:?} }},"
            )?;
        }
        s.push_str("] },\n");
    }
    s.push_str("];\n#[cfg(test)]\npub(crate) static ENUMS: &[(&str, &[(&str, i32)])] = &[\n");
    for (name, e) in enums {
        let values: Vec<_> = e.value.iter().map(|v| (v.name(), v.number())).collect();
        writeln!(s, "({name:?}, &{values:?}),")?;
    }
    s.push_str("];\n");
    Ok(s)
}
