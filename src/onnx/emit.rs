//! Encodes a model piece by piece: no more than one tensor's worth is ever copied.

use std::io::{Error, ErrorKind, Result, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::proto::{GraphProto, ModelProto, TensorProto};
use super::wire::UnknownFields;

const GRAPH: u32 = 7;
const NODE: u32 = 1;
const INITIALIZER: u32 = 5;
const RAW_DATA: u32 = 9;
/// Tensors with less raw data are copied with their message.
const SMALL: usize = 4096;

/// Encoded size of a model in bytes.
pub(crate) fn model_len(model: &ModelProto, unknown: &UnknownFields) -> u64 {
    let extra = |fields: &[bytes::Bytes]| fields.iter().map(|f| f.len() as u64).sum::<u64>();
    let kept = extra(&unknown.model) + extra(&unknown.graph);
    // The kept fields of the graph may lengthen its length by a few bytes.
    model.encoded_len() as u64 + kept + 10
}

/// Writes a model.
pub(crate) fn model(model: &ModelProto, unknown: &UnknownFields, out: &mut dyn Write) -> Result<()> {
    let mut scratch = Vec::new();
    flush(&mut scratch, &without_graph(model), out)?;
    if let Some(g) = &model.graph {
        let extra: usize = unknown.graph.iter().map(bytes::Bytes::len).sum();
        header(GRAPH, g.encoded_len() + extra, out)?;
        graph(g, &mut scratch, out)?;
        unknown.graph.iter().try_for_each(|field| out.write_all(field))?;
    }
    unknown.model.iter().try_for_each(|field| out.write_all(field))
}

/// Nodes and initializers are written one by one, the rest of the graph (inputs, outputs, value_info) in one piece.
fn graph(g: &GraphProto, scratch: &mut Vec<u8>, out: &mut dyn Write) -> Result<()> {
    for node in &g.node {
        header(NODE, node.encoded_len(), out)?;
        flush(scratch, node, out)?;
    }
    let shell = GraphProto {
        node: Vec::new(),
        initializer: Vec::new(),
        name: g.name.clone(),
        sparse_initializer: g.sparse_initializer.clone(),
        doc_string: g.doc_string.clone(),
        input: g.input.clone(),
        output: g.output.clone(),
        value_info: g.value_info.clone(),
        quantization_annotation: g.quantization_annotation.clone(),
        metadata_props: g.metadata_props.clone(),
    };
    flush(scratch, &shell, out)?;
    for t in &g.initializer {
        header(INITIALIZER, t.encoded_len(), out)?;
        tensor(t, scratch, out)?;
    }
    Ok(())
}

/// Large raw data goes straight from the mapped file to the output.
fn tensor(t: &TensorProto, scratch: &mut Vec<u8>, out: &mut dyn Write) -> Result<()> {
    match &t.raw_data {
        Some(raw) if raw.len() >= SMALL => {
            let shell = TensorProto { raw_data: None, ..t.clone() };
            flush(scratch, &shell, out)?;
            header(RAW_DATA, raw.len(), out)?;
            out.write_all(raw)
        }
        _ => flush(scratch, t, out),
    }
}

fn without_graph(m: &ModelProto) -> ModelProto {
    ModelProto {
        graph: None,
        ir_version: m.ir_version,
        opset_import: m.opset_import.clone(),
        producer_name: m.producer_name.clone(),
        producer_version: m.producer_version.clone(),
        domain: m.domain.clone(),
        model_version: m.model_version,
        doc_string: m.doc_string.clone(),
        metadata_props: m.metadata_props.clone(),
        training_info: m.training_info.clone(),
        functions: m.functions.clone(),
        configuration: m.configuration.clone(),
    }
}

fn header(tag: u32, len: usize, out: &mut dyn Write) -> Result<()> {
    let mut bytes = Vec::with_capacity(key_len(tag) + encoded_len_varint(len as u64));
    encode_key(tag, WireType::LengthDelimited, &mut bytes);
    encode_varint(len as u64, &mut bytes);
    out.write_all(&bytes)
}

fn flush(scratch: &mut Vec<u8>, message: &impl Message, out: &mut dyn Write) -> Result<()> {
    scratch.clear();
    message.encode(scratch).map_err(|e| Error::new(ErrorKind::OutOfMemory, e))?;
    out.write_all(scratch)
}
