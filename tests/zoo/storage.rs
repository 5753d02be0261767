//! How weights lie in the file, and what lies beside them.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType};

const SHAPE: [i64; 4] = [8, 3, 3, 3];

fn layers(weight: impl FnOnce(&mut Builder, Vec<f32>) -> String) -> ModelProto {
    let (mut b, x) = start(17);
    let data = b.random(&SHAPE);
    let w = weight(&mut b, data);
    let a = b.conv_with(&x, &[&w], same(3));
    let a = b.relu(&a);
    head(b, &a, 8)
}

fn tensor(data: &[f32], shape: &[i64], dtype: DType) -> TensorProto {
    let shape: Vec<usize> = shape.iter().map(|d| *d as usize).collect();
    onnx::from_f32("stored", &shape, data, dtype).unwrap()
}

pub fn weights_as_constants() -> ModelProto {
    layers(|b, data| b.op("Constant", &[], vec![("value", A::T(tensor(&data, &SHAPE, DType::Float)))]))
}

/// StoredData [3, 3, 3, 8], transposed by a node.
pub fn weights_transposed() -> ModelProto {
    layers(|b, data| {
        let w = b.filled("stored", &[3, 3, 3, 8], &data);
        b.transpose(&w, &[3, 2, 0, 1])
    })
}

pub fn weights_cast_from_half() -> ModelProto {
    layers(|b, data| {
        b.graph.initializer.push(tensor(&data, &SHAPE, DType::Float16));
        b.op("Cast", &["stored"], vec![("to", A::I(DType::Float as i64))])
    })
}

pub fn weights_through_identity() -> ModelProto {
    layers(|b, data| {
        let w = b.filled("stored", &SHAPE, &data);
        let w = b.op("Identity", &[&w], vec![]);
        b.op("Identity", &[&w], vec![])
    })
}

/// 8-bit weights behind DequantizeLinear, and a layer of plain ones.
pub fn dequantized() -> ModelProto {
    let (mut b, x) = start(17);
    let bytes: Vec<u8> = b.random(&SHAPE).iter().map(|v| (v * 100.0) as i8 as u8).collect();
    b.graph.initializer.push(TensorProto {
        name: Some("stored".into()),
        dims: SHAPE.to_vec(),
        data_type: Some(DType::Int8 as i32),
        raw_data: Some(bytes.into()),
        ..Default::default()
    });
    let scale = b.scalar(0.01);
    let w = b.op("DequantizeLinear", &["stored", &scale], vec![]);
    let a = b.conv_with(&x, &[&w], same(3));
    let a = b.relu(&a);
    let c = b.conv("plain", &a, 8, 6, same(3));
    head(b, &c, 6)
}

/// IR version 3: every initializer is declared as an input.
pub fn initializers_as_inputs() -> ModelProto {
    let mut m = super::channels::chain();
    m.ir_version = Some(3);
    m.opset_import[0].version = Some(8);
    let g = m.graph.as_mut().unwrap();
    for t in g.initializer.clone() {
        let dims: Vec<String> = t.dims.iter().map(i64::to_string).collect();
        g.input.push(declared(t.name(), DType::Float, &dims.join(" ")));
    }
    m
}

fn note(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) }
}

/// Everything that a file can carry beside its network.
pub fn decorated() -> ModelProto {
    let mut m = super::channels::residual();
    m.ir_version = Some(9);
    m.producer_name = Some("a producer".into());
    m.producer_version = Some("1.2.3".into());
    m.domain = Some("org.example".into());
    m.model_version = Some(7);
    m.doc_string = Some("what it is".into());
    m.metadata_props = vec![note("labels", "cat,dog"), note("licence", "none")];
    m.opset_import.push(OperatorSetIdProto { domain: Some("ai.onnx.ml".into()), version: Some(3) });
    let g = m.graph.as_mut().unwrap();
    g.doc_string = Some("the graph".into());
    g.node[0].doc_string = Some("the stem".into());
    g.input[0].doc_string = Some("an image".into());
    g.initializer[0].doc_string = Some("a weight".into());
    let of = |g: &GraphProto, op: &str, nth: usize| {
        g.node.iter().filter(|n| n.op_type() == op).nth(nth).unwrap().output[0].clone()
    };
    let declare = |g: &mut GraphProto, op: &str, nth: usize, dims: &str| {
        let name = of(g, op, nth);
        let mut v = declared(&name, DType::Float, dims);
        v.doc_string = Some(format!("{op} {nth}"));
        g.value_info.push(v);
    };
    declare(g, "Conv", 0, "batch 8 8 8");
    declare(g, "Conv", 1, "batch 6 8 8");
    declare(g, "Add", 0, "batch 8 8 8");
    m
}

/// Three convolutions in another element type.
pub fn of_type(dtype: DType) -> ModelProto {
    let mut b = Builder::new(17);
    b.dtype = dtype;
    let x = b.input("x", "batch 3 8 8");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let c = b.conv("conv2", &a, 8, 12, same(3));
    let c = b.relu(&c);
    let v = b.global_pool(&c);
    let y = b.gemm("head", &v, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Fully connected layers in another element type.
pub fn dense_of_type(dtype: DType) -> ModelProto {
    let mut b = Builder::new(17);
    b.dtype = dtype;
    let x = b.input("x", "batch 20");
    let h = b.gemm("fc1", &x, 20, 16);
    let h = b.relu(&h);
    let y = b.gemm("fc2", &h, 16, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// One layer from the input to the output: nothing lies between.
pub fn nothing_prunable() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 20");
    let y = b.gemm("only", &x, 20, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// A layer that is a function of the model, called twice, by a function that is called once; its negative slope is an
/// attribute of the call, or the function's own.
pub fn called_functions() -> ModelProto {
    let (mut b, x) = start(17);
    let mut layer = FunctionProto {
        name: Some("Layer".into()),
        domain: Some("local".into()),
        input: vec!["x".into(), "w".into(), "bias".into()],
        output: vec!["y".into()],
        attribute_proto: vec![attr("alpha", A::F(0.2))],
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(17) }],
        ..Default::default()
    };
    let mut conv = crate::common::node("Conv", &["x", "w", "bias"], &["h"]);
    conv.attribute = vec![attr("pads", A::Is(&[1; 4]))];
    let mut leaky = crate::common::node("LeakyRelu", &["h"], &["y"]);
    leaky.attribute = vec![AttributeProto {
        r#type: Some(attribute_proto::AttributeType::Float as i32),
        ref_attr_name: Some("alpha".into()),
        ..attr("alpha", A::F(0.0))
    }];
    leaky.attribute[0].f = None;
    layer.node = vec![conv, leaky];
    let mut inner = crate::common::node("Layer", &["x", "w1", ""], &["h"]);
    inner.domain = Some("local".into());
    inner.attribute = vec![attr("alpha", A::F(0.5))];
    let mut outer = crate::common::node("Layer", &["h", "w2", "b2"], &["y"]);
    outer.domain = Some("local".into());
    let pair = FunctionProto {
        name: Some("Pair".into()),
        domain: Some("local".into()),
        input: vec!["x".into(), "w1".into(), "w2".into(), "b2".into()],
        output: vec!["y".into()],
        node: vec![inner, outer],
        opset_import: vec![OperatorSetIdProto { domain: Some("local".into()), version: Some(1) }],
        ..Default::default()
    };
    let (w1, w2) = (b.weight("first.weight", &[8, 3, 3, 3]), b.weight("second.weight", &[6, 8, 3, 3]));
    let bias = b.weight("second.bias", &[6]);
    let y = b.op("Pair", &[&x, &w1, &w2, &bias], vec![]);
    b.graph.node.last_mut().unwrap().domain = Some("local".into());
    let mut m = head(b, &y, 6);
    m.opset_import.push(OperatorSetIdProto { domain: Some("local".into()), version: Some(1) });
    m.functions = vec![layer, pair];
    m
}
