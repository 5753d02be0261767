//! Small models built in memory.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod builder;
#[cfg(feature = "data")]
pub mod made;
pub mod noise;
pub mod request;
pub mod schema;
pub mod small;

use onnx_prune::onnx::edit::NewNode;
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType};
use prost::Message;

pub fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|&d| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(d)),
        denotation: None,
    });
    let tensor = type_proto::Tensor {
        elem_type: Some(DType::Float as i32),
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), denotation: None }),
        ..Default::default()
    }
}

pub fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NewNode::new(op).inputs(inputs.iter().copied()).outputs(outputs.iter().copied()).build()
}

pub fn graph_attr(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(attribute_proto::AttributeType::Graph as i32),
        g: Some(graph),
        ..Default::default()
    }
}

pub fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(20) }],
        producer_name: Some("test".into()),
        graph: Some(graph),
        ..Default::default()
    }
}

/// Two layers, a Constant, an If whose subgraph reads an outer tensor, typed and raw data.
pub fn sample() -> ModelProto {
    let ramp: Vec<f32> = (0..4096).map(|i| i as f32 / 64.0 - 32.0).collect();
    let mut w2 = onnx::from_f32("w2", &[4, 64], &ramp[..256], DType::Float).unwrap();
    w2.float_data = ramp[..256].to_vec();
    w2.raw_data = None;
    let mut constant = node("Constant", &[], &["shape"]);
    constant.attribute.push(AttributeProto {
        name: Some("value".into()),
        r#type: Some(attribute_proto::AttributeType::Tensor as i32),
        t: Some(onnx::from_i64("", &[2], &[1, -1]).unwrap()),
        ..Default::default()
    });
    let subgraph = |op: &str| GraphProto {
        name: Some(op.into()),
        node: vec![node(op, &["b", "extra"], &["inner"])],
        initializer: vec![onnx::from_f32("extra", &[1], &[0.5], DType::Float).unwrap()],
        output: vec![value("inner", &[1, 4])],
        ..Default::default()
    };
    let mut branch = node("If", &["flag"], &["y"]);
    branch.attribute = vec![graph_attr("then_branch", subgraph("Add")), graph_attr("else_branch", subgraph("Mul"))];
    let mut flag = TensorProto { name: Some("flag".into()), data_type: Some(DType::Bool as i32), ..Default::default() };
    flag.int32_data = vec![1];
    model(GraphProto {
        name: Some("sample".into()),
        node: vec![
            node("Gemm", &["x", "w1"], &["a"]),
            constant,
            node("Reshape", &["a", "shape"], &["r"]),
            node("Gemm", &["r", "w2"], &["b"]),
            branch,
        ],
        initializer: vec![onnx::from_f32("w1", &[64, 64], &ramp, DType::Float).unwrap(), w2, flag],
        input: vec![value("x", &[1, 64])],
        output: vec![value("y", &[1, 4])],
        metadata_props: vec![StringStringEntryProto { key: Some("k".into()), value: Some("v".into()) }],
        ..Default::default()
    })
}

pub fn bytes(model: &ModelProto) -> bytes::Bytes {
    model.encode_to_vec().into()
}
