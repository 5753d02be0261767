//! The ONNX file format: types, tensors, external data, load, save, graph index, graph editor. No pruning here.

/// The protobuf messages of the format, generated from `schemas/onnx.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

mod arity;
mod attr;
mod check;
mod constant;
mod debug;
mod decode;
mod dtype;
pub mod edit;
mod emit;
mod error;
mod external;
mod finite;
mod graph;
mod inline;
mod model;
mod narrow;
mod order;
mod place;
mod quantized;
pub mod save;
mod select;
mod sequences;
mod source;
mod states;
mod tensor;
mod values;
pub mod walk;
mod wire;

pub use attr::{
    attr, attr_f, attr_floats, attr_i, attr_ints, attr_s, attr_t, opset, remove_attr, set_attr_f, set_attr_floats,
    set_attr_i, set_attr_ints,
};
pub use check::{NEWEST_IR, NEWEST_OPSET, OLDEST_IR, OLDEST_OPSET};
pub use constant::constant;
pub use debug::{DebugInfo, debug_info, strip_debug};
pub use decode::{to_f32, to_f64_any, to_i64};
pub use dtype::DType;
pub use edit::{add_outputs, untyped, value_info};
pub use error::{Error, Result};
pub use external::ExternalLayout;
pub use finite::has_non_finite;
pub(crate) use graph::captures;
pub use graph::{GraphIndex, node_label};
pub use model::Model;
pub use place::check_place;
pub use quantized::{Affine, dequantize, dequantized_shape, mask};
pub use save::{SaveOptions, Staged, WeightLayout, data_files, save, stage, stage_temporary, write_to};
pub use select::{is_uniform, take, zero};
pub use source::Maps;
#[cfg(feature = "data")]
pub(crate) use source::{map as map_file, map_open as map_open_file};
pub use tensor::{from_bools, from_f32, from_i64, len, shape};
pub use values::{dtype_of, from_tensor, to_tensor};
pub use wire::UnknownFields;
