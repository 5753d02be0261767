use super::{Device, Error, Result, Runtime, SessionOptions};
use crate::onnx::edit::{Editor, Emit, NewNode, stand_alone};
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
    let port = |name| value_info(name, DType::Float, &[Some(1)]);
    let mut edit = Editor::new("probe", 13);
    edit.input(port("x"));
    edit.op(NewNode::new("Relu").input("x").output("y"));
    edit.output(port("y"));
    let model = stand_alone(edit.finish(), 13);
    match runtime.open_bytes(&model.encode_to_vec(), None, options) {
        Ok(_) => Ok(()),
        Err(e @ Error::Device { .. }) => Err(e),
        Err(e) => Err(Error::Device { device: options.device.to_string(), why: e.to_string() }),
    }
}
