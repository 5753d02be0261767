use super::{Device, Error, Result, Runtime, SessionOptions};
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use crate::onnx::{DType, value_info};
use prost::Message;

/// Whether `runtime` can use the device of `options`, told by a model of one node: a card that is not there should not
/// cost reading and planning.
///
/// # Errors
/// [`Error::Device`] with the reason.
pub fn ready(runtime: &dyn Runtime, options: &SessionOptions) -> Result<()> {
    if options.device == Device::Cpu {
        return Ok(());
    }
    let node = NodeProto {
        op_type: Some("Relu".to_owned()),
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        ..NodeProto::default()
    };
    let port = |name| value_info(name, DType::Float, &[Some(1)]);
    let graph = GraphProto {
        name: Some("probe".to_owned()),
        node: vec![node],
        input: vec![port("x")],
        output: vec![port("y")],
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { domain: Some(String::new()), version: Some(13) };
    let model =
        ModelProto { ir_version: Some(7), opset_import: vec![opset], graph: Some(graph), ..ModelProto::default() };
    match runtime.open_bytes(&model.encode_to_vec(), None, options) {
        Ok(_) => Ok(()),
        Err(e @ Error::Device { .. }) => Err(e),
        Err(e) => Err(Error::Device { device: options.device.to_string(), why: e.to_string() }),
    }
}
