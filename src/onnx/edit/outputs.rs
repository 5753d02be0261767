//! Intermediate tensors as extra outputs of a graph, which every runtime then gives back.

use crate::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use crate::onnx::proto::{GraphProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};
use crate::onnx::{DType, Error, GraphIndex, Result};

/// Makes `tensors` of the main graph outputs of it, after those that it has; what is an output already stays where it
/// is. A tensor without a type gets the one that the file declares for it, if it does: runtimes infer the rest.
///
/// # Errors
/// When nothing in the main graph defines one of them.
pub fn add_outputs(graph: &mut GraphProto, tensors: impl IntoIterator<Item = ValueInfoProto>) -> Result<()> {
    let mut index = GraphIndex::new(graph)?;
    for mut tensor in tensors {
        if !index.defines(tensor.name()) {
            let tensor = tensor.name().to_owned();
            return Err(Error::UndefinedTensor { node: "extra graph output".to_owned(), tensor });
        }
        if !index.outputs.insert(tensor.name().to_owned()) {
            continue;
        }
        if tensor.r#type.is_none() {
            let declared = graph.value_info.iter().chain(&graph.input).find(|v| v.name() == tensor.name());
            tensor.r#type = declared.and_then(|v| v.r#type.clone());
        }
        graph.output.push(tensor);
    }
    Ok(())
}

/// What a graph declares of a tensor: name, element type, and sizes, open ones as `None`.
pub fn value_info(name: &str, dtype: DType, dims: &[Option<i64>]) -> ValueInfoProto {
    let dim = |size: &Option<i64>| Dimension { value: size.map(dimension::Value::DimValue), ..Dimension::default() };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(dtype as i32), shape: Some(shape) };
    ValueInfoProto {
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() }),
        ..untyped(name)
    }
}

/// A tensor of which only the name is told.
pub fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::edit::NewNode;

    fn graph() -> GraphProto {
        let node = |input: &str, output: &str| NewNode::new("Relu").input(input).output(output).build();
        GraphProto {
            node: vec![node("x", "a"), node("a", "b"), node("b", "y")],
            input: vec![value_info("x", DType::Float, &[None, Some(3)])],
            output: vec![value_info("y", DType::Float, &[None, Some(3)])],
            value_info: vec![value_info("b", DType::Float, &[None, Some(3)])],
            ..GraphProto::default()
        }
    }

    #[test]
    fn outputs_are_added_once_and_after_those_that_are_there() {
        let mut g = graph();
        add_outputs(&mut g, ["b", "y", "a", "b"].map(untyped)).unwrap();
        assert_eq!(g.output.iter().map(|o| o.name()).collect::<Vec<_>>(), ["y", "b", "a"]);
        assert_eq!(g.output[1], g.value_info[0]);
        assert_eq!(g.output[2].r#type, None);
    }

    #[test]
    fn what_nothing_defines_is_an_error() {
        let error = add_outputs(&mut graph(), [untyped("c")]).unwrap_err();
        assert!(matches!(error, Error::UndefinedTensor { tensor, .. } if tensor == "c"));
    }
}
