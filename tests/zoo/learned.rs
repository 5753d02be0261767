//! Networks between operators of `ai.onnx.ml`.

use crate::common::builder::*;
use onnx_prune::onnx::proto::attribute_proto::AttributeType;
use onnx_prune::onnx::proto::{AttributeProto, ModelProto};

/// A list of floats.
fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::Floats as i32),
        floats: values.to_vec(),
        ..Default::default()
    }
}

/// Columns are standardised before the first layer, and once more between two of them.
pub fn standardized() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 5");
    let scaled = |b: &mut Builder, x: &str, n: i64| {
        let (offset, scale) = (b.random(&[n]), b.random(&[n]));
        let y = b.op("ai.onnx.ml.Scaler", &[x], vec![]);
        b.graph.node.last_mut().unwrap().attribute = vec![floats("offset", &offset), floats("scale", &scale)];
        y
    };
    let x = scaled(&mut b, &x, 5);
    let h = b.linear("first", &x, 5, 12);
    let h = b.relu(&h);
    let h = scaled(&mut b, &h, 12);
    let y = b.linear("head", &h, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}
