//! What has to be changed in a model, in memory, before tract reads it rightly, and what tract would misread.
//!
//! | what | why |
//! | --- | --- |
//! | `ConstantOfShape` without `value` | the standard says f32 zero, tract makes it f64 and then fails |
//! | UINT32, UINT64 tensors in typed fields | tract reads them as signed, or from the wrong field |
//! | operators of other domains | tract looks at the name only, so another vendor's `Gelu` would run as the standard one |
//! | `MultiHeadAttention` | tract takes values to be as wide as queries, and fails where they are not |
//! | a branch of `If` that gives a constant | tract takes the constant of the first branch for what comes out |
//! | a graph output that nothing produces | tract panics |

use super::tract_branches;
use std::collections::HashSet;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, attribute_proto};

/// Patches `model` in place.
///
/// # Errors
/// Names what tract would misread and no patch can help.
pub(super) fn apply(model: &mut ModelProto) -> Result<(), String> {
    let Some(graph) = model.graph.as_mut() else { return Err("the model has no graph".to_owned()) };
    let mut names: HashSet<&str> = HashSet::new();
    names.extend(graph.input.iter().map(|value| value.name.as_str()));
    names.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    names.extend(graph.node.iter().flat_map(|node| &node.output).map(String::as_str));
    if let Some(output) = graph.output.iter().find(|output| !names.contains(output.name.as_str())) {
        return Err(format!("nothing produces the graph output `{}`", output.name));
    }
    patch_graph(graph, &HashSet::new())
}

// Recursion is as deep as the protobuf decoder allowed when it read the model.
fn patch_graph(graph: &mut GraphProto, outer: &HashSet<String>) -> Result<(), String> {
    graph.initializer.iter_mut().for_each(unsigned_to_raw);
    let constant = tract_branches::constants(graph, outer);
    for node in &mut graph.node {
        tract_branches::open(node, &constant);
        if !is_read_rightly(node) {
            return Err(format!("operator {}.{} (node `{}`) is unknown", node.domain, node.op_type, node.name));
        }
        for attribute in &mut node.attribute {
            attribute.t.iter_mut().for_each(unsigned_to_raw);
            attribute.tensors.iter_mut().for_each(unsigned_to_raw);
            attribute.g.iter_mut().chain(&mut attribute.graphs).try_for_each(|g| patch_graph(g, &constant))?;
        }
        if node.op_type == "ConstantOfShape" && node.attribute.iter().all(|a| a.name != "value") {
            node.attribute.push(zero_value());
        }
    }
    Ok(())
}

fn is_read_rightly(node: &NodeProto) -> bool {
    match node.domain.as_str() {
        "" | "ai.onnx" | "ai.onnx.ml" => true,
        "com.microsoft" => MICROSOFT.contains(&node.op_type.as_str()),
        _ => false,
    }
}

/// The operators from onnxruntime's own domain that tract reads rightly.
const MICROSOFT: &[&str] =
    &["BiasGelu", "FastGelu", "GroupQueryAttention", "MatMulNBits", "QuickGelu", "SkipLayerNormalization"];

fn zero_value() -> AttributeProto {
    let zero = TensorProto {
        data_type: DataType::Float as i32,
        dims: vec![1],
        raw_data: 0f32.to_le_bytes().to_vec(),
        ..Default::default()
    };
    AttributeProto {
        name: "value".to_owned(),
        r#type: attribute_proto::AttributeType::Tensor as i32,
        t: Some(zero),
        ..Default::default()
    }
}

fn unsigned_to_raw(tensor: &mut TensorProto) {
    if tensor.uint64_data.is_empty() {
        return;
    }
    let values = std::mem::take(&mut tensor.uint64_data);
    if tensor.data_type == DataType::Uint32 as i32 {
        // Wider values are invalid; cutting them is what every reader does.
        tensor.raw_data = values.iter().flat_map(|&x| (x as u32).to_le_bytes()).collect();
    } else if tensor.data_type == DataType::Uint64 as i32 {
        tensor.raw_data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    }
}

/// Operators that tract's parser met without knowing them, each once.
pub(super) fn unknown_operators(model: &ModelProto, known: impl Fn(&str) -> bool) -> Vec<String> {
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    let unknown = nodes.filter(|node: &&NodeProto| !known(&node.op_type)).map(|node| node.op_type.clone());
    let mut names: Vec<String> = unknown.collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_node(node: NodeProto) -> ModelProto {
        ModelProto { graph: Some(GraphProto { node: vec![node], ..Default::default() }), ..Default::default() }
    }

    #[test]
    fn a_missing_fill_value_becomes_the_standard_one() {
        let mut model = with_node(NodeProto { op_type: "ConstantOfShape".to_owned(), ..Default::default() });
        apply(&mut model).unwrap();
        let attribute = model.graph.unwrap().node[0].attribute[0].clone();
        assert_eq!(attribute.name, "value");
        assert_eq!(attribute.t.unwrap().data_type, DataType::Float as i32);
    }

    #[test]
    fn unsigned_values_move_to_raw_data() {
        let mut tensor = TensorProto { data_type: DataType::Uint32 as i32, ..Default::default() };
        tensor.uint64_data = vec![1, u64::from(u32::MAX)];
        unsigned_to_raw(&mut tensor);
        assert_eq!(tensor.raw_data, [1, 0, 0, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn other_domains_are_refused_by_name() {
        let node = NodeProto { op_type: "Gelu".to_owned(), domain: "com.acme".to_owned(), ..Default::default() };
        assert!(apply(&mut with_node(node)).unwrap_err().contains("com.acme.Gelu"));
        let node = NodeProto {
            op_type: "MultiHeadAttention".to_owned(),
            domain: "com.microsoft".to_owned(),
            ..Default::default()
        };
        assert!(apply(&mut with_node(node)).unwrap_err().contains("MultiHeadAttention"));
    }
}
