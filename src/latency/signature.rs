//! What decides how long a subgraph runs, as text: operators, attributes, types and shapes, but no names and no
//! weights. Subgraphs with one signature are timed once.

use std::collections::HashMap;
use std::fmt::Write;

use crate::onnx;
use crate::onnx::proto::tensor_shape_proto::dimension::Value as DimValue;
use crate::onnx::proto::type_proto::Value as TypeValue;
use crate::onnx::proto::{AttributeProto, ModelProto, TensorProto, ValueInfoProto};

/// Integers of tensors up to this many are part of a signature: sizes and axes, not weights.
const FEW: usize = 16;

/// The signature of a subgraph.
pub fn signature(model: &ModelProto) -> String {
    let mut out = String::new();
    let Some(graph) = &model.graph else { return out };
    for o in model.opset_import.iter().filter(|o| o.domain().is_empty()) {
        let _ = write!(out, "opset {}", o.version());
    }
    let mut names: HashMap<&str, String> = HashMap::new();
    for t in &graph.initializer {
        names.insert(t.name(), tensor(t));
    }
    for (i, v) in graph.input.iter().enumerate() {
        // A weight that is an input, too, is not prepared ahead.
        let held = if names.contains_key(v.name()) { " held" } else { "" };
        names.insert(v.name(), format!("%{i} {}{held}", declared(v)));
    }
    let mut made = graph.input.len();
    for n in &graph.node {
        let inputs: Vec<&str> = n.input.iter().map(|i| names.get(i.as_str()).map_or("", String::as_str)).collect();
        let _ = write!(out, "; {}{}({})", n.domain(), n.op_type(), inputs.join(", "));
        let mut attributes: Vec<String> = n.attribute.iter().map(attribute).collect();
        attributes.sort_unstable();
        if !attributes.is_empty() {
            let _ = write!(out, " {}", attributes.join(" "));
        }
        for o in &n.output {
            names.insert(o, format!("%{made}"));
            made += 1;
        }
    }
    let outputs: Vec<&str> = graph.output.iter().filter_map(|v| names.get(v.name()).map(String::as_str)).collect();
    let _ = write!(out, " -> {}", outputs.join(", "));
    out
}

fn shape(dims: impl Iterator<Item = i64>) -> String {
    dims.map(|d| d.to_string()).collect::<Vec<_>>().join("x")
}

fn tensor(t: &TensorProto) -> String {
    let dtype = onnx::DType::try_from(t.data_type()).map_or("?", |d| d.name());
    let few = t.dims.iter().product::<i64>() <= FEW as i64;
    match onnx::to_i64(t).ok().filter(|_| few) {
        Some(values) => format!("{dtype} {values:?}"),
        None => format!("{dtype} {}", shape(t.dims.iter().copied())),
    }
}

fn declared(v: &ValueInfoProto) -> String {
    let Some(TypeValue::TensorType(t)) = v.r#type.as_ref().and_then(|t| t.value.as_ref()) else { return String::new() };
    let dtype = onnx::DType::try_from(t.elem_type()).map_or("?", |d| d.name());
    let size = |d: &onnx::proto::tensor_shape_proto::Dimension| match d.value {
        Some(DimValue::DimValue(n)) => n,
        _ => 0,
    };
    format!("{dtype} {}", shape(t.shape.iter().flat_map(|s| &s.dim).map(size)))
}

fn attribute(a: &AttributeProto) -> String {
    let value = if let Some(t) = &a.t {
        tensor(t)
    } else if let Some(i) = a.i {
        i.to_string()
    } else if let Some(f) = a.f {
        f.to_string()
    } else if let Some(s) = &a.s {
        String::from_utf8_lossy(s).into_owned()
    } else if !a.ints.is_empty() {
        shape(a.ints.iter().copied())
    } else {
        format!("{:?}{}", a.floats, a.strings.len())
    };
    format!("{}={value}", a.name())
}
