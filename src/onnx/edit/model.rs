//! Small models that are made from nothing.

use crate::onnx::proto::{GraphProto, ModelProto, OperatorSetIdProto};

/// A graph as a model of the default domain: in the oldest IR version that every runtime in use reads.
pub fn stand_alone(graph: GraphProto, opset: i64) -> ModelProto {
    let opset = OperatorSetIdProto { domain: None, version: Some(opset) };
    ModelProto { ir_version: Some(7), opset_import: vec![opset], graph: Some(graph), ..ModelProto::default() }
}
