//! A small convolutional classifier whose two groups can shrink.

use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType};

use super::{model, node, value};

fn weight(name: &str, dims: &[usize]) -> TensorProto {
    // A fixed sequence without ties, a different one for each name.
    let start = name.bytes().map(u32::from).sum::<u32>();
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut state = start;
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| next(&mut state)).collect();
    onnx::from_f32(name, dims, &values, DType::Float).unwrap()
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(attribute_proto::AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(attribute_proto::AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

/// Conv 3→16, Conv 16→24, mean over the image, Gemm 24→10.
pub fn classifier() -> ModelProto {
    let conv = |inputs: &[&str], output: &str| {
        let mut n = node("Conv", inputs, &[output]);
        n.attribute = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
        n
    };
    let mut gemm = node("Gemm", &["flat", "head.weight", "head.bias"], &["y"]);
    gemm.attribute = vec![int("transB", 1)];
    model(GraphProto {
        name: Some("classifier".into()),
        node: vec![
            conv(&["x", "first.weight", "first.bias"], "a"),
            node("Relu", &["a"], &["b"]),
            conv(&["b", "second.weight"], "c"),
            node("Relu", &["c"], &["d"]),
            node("GlobalAveragePool", &["d"], &["pooled"]),
            node("Flatten", &["pooled"], &["flat"]),
            gemm,
        ],
        initializer: vec![
            weight("first.weight", &[16, 3, 3, 3]),
            weight("first.bias", &[16]),
            weight("second.weight", &[24, 16, 3, 3]),
            weight("head.weight", &[10, 24]),
            weight("head.bias", &[10]),
        ],
        input: vec![value("x", &[1, 3, 8, 8])],
        output: vec![value("y", &[1, 10])],
        ..Default::default()
    })
}
