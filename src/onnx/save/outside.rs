//! Weights in a data file beside the model.

use std::io::{self, Write};

use bytes::Bytes;

use crate::onnx::Result;
use crate::onnx::proto::tensor_proto::DataLocation;
use crate::onnx::proto::{ModelProto, StringStringEntryProto, TensorProto};
use crate::onnx::walk::{self, TensorPlace};

/// Which tensors go outside, and where.
pub(super) struct DataPlan {
    /// The model without them.
    pub proto: ModelProto,
    /// Offset and contents, ascending.
    pub pieces: Vec<(u64, Bytes)>,
}

impl DataPlan {
    /// Writes the data file.
    pub fn write_data(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut at = 0;
        for (offset, bytes) in &self.pieces {
            io::copy(&mut io::Read::take(io::repeat(0), offset - at), out)?;
            out.write_all(bytes)?;
            at = offset + bytes.len() as u64;
        }
        Ok(())
    }
}

/// Puts tensors of at least `from` bytes into a file `data`, at multiples of `align`.
pub(super) fn plan(proto: &ModelProto, data: &str, align: u64, attributes: bool, from: usize) -> Result<DataPlan> {
    // Raw data is shared, not copied.
    let mut plan = DataPlan { proto: proto.clone(), pieces: Vec::new() };
    let mut end = 0u64;
    let pieces = &mut plan.pieces;
    walk::tensors_mut(&mut plan.proto, &mut |t, place| {
        let allowed = place == TensorPlace::Initializer || attributes && place == TensorPlace::Attribute;
        if let Some(raw) = t.raw_data.take_if(|raw| allowed && raw.len() >= from.max(1)) {
            let offset = end.next_multiple_of(align);
            end = offset + raw.len() as u64;
            refer(t, data, offset, raw.len());
            pieces.push((offset, raw));
        }
        Ok(())
    })?;
    Ok(plan)
}

fn refer(t: &mut TensorProto, location: &str, offset: u64, length: usize) {
    let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
    t.data_location = Some(DataLocation::External as i32);
    t.external_data = vec![
        entry("location", location.to_owned()),
        entry("offset", offset.to_string()),
        entry("length", length.to_string()),
    ];
}
