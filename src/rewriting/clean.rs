//! What surgery leaves behind: declarations to bring up to date, dead nodes and initializers to drop.

use std::collections::{BTreeMap, HashSet};

use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::onnx;
use crate::onnx::edit::{drop_unread, drop_unread_within};
use crate::onnx::proto::tensor_shape_proto::dimension::Value as DimValue;
use crate::onnx::proto::type_proto::Value as TypeValue;
use crate::onnx::proto::{GraphProto, ModelProto, TensorProto, ValueInfoProto};

/// The model as it is, with some initializers replaced and no nodes yet.
pub fn copy_without_weights(a: &Analysis, replaced: &BTreeMap<usize, TensorProto>) -> ModelProto {
    let old = &a.graph.model.proto;
    let g = a.graph.proto();
    let initializer = g.initializer.iter().enumerate().map(|(i, t)| replaced.get(&i).unwrap_or(t).clone()).collect();
    let graph = GraphProto {
        node: Vec::new(),
        initializer,
        name: g.name.clone(),
        sparse_initializer: g.sparse_initializer.clone(),
        doc_string: g.doc_string.clone(),
        input: g.input.clone(),
        output: g.output.clone(),
        value_info: g.value_info.clone(),
        quantization_annotation: g.quantization_annotation.clone(),
        metadata_props: g.metadata_props.clone(),
    };
    ModelProto {
        graph: Some(graph),
        ir_version: old.ir_version,
        opset_import: old.opset_import.clone(),
        producer_name: old.producer_name.clone(),
        producer_version: old.producer_version.clone(),
        domain: old.domain.clone(),
        model_version: old.model_version,
        doc_string: old.doc_string.clone(),
        metadata_props: old.metadata_props.clone(),
        training_info: old.training_info.clone(),
        functions: old.functions.clone(),
        configuration: old.configuration.clone(),
    }
}

/// Brings declared shapes up to date: of intermediate tensors by their axes, of initializers by
/// their contents.
pub fn declare(a: &Analysis, kept: &Kept, graph: &mut GraphProto) {
    declare_axes(a, kept, 0, graph.value_info.iter_mut());
    let contents: BTreeMap<&str, &TensorProto> = graph.initializer.iter().map(|t| (t.name(), t)).collect();
    // Some exporters declare initializers among the intermediate tensors too.
    for v in graph.input.iter_mut().chain(&mut graph.value_info) {
        if let Some(t) = contents.get(v.name()) {
            resize(v, &t.dims.iter().map(|d| Some(Some(DimValue::DimValue(*d)))).collect::<Vec<_>>());
        }
    }
}

/// The same within a subgraph, whose inputs and outputs may shrink too.
pub fn declare_subgraph(a: &Analysis, kept: &Kept, scope: usize, subgraph: &mut GraphProto) {
    declare_axes(a, kept, scope, subgraph.value_info.iter_mut().chain(&mut subgraph.input).chain(&mut subgraph.output));
}

fn declare_axes<'v>(a: &Analysis, kept: &Kept, scope: usize, all: impl Iterator<Item = &'v mut ValueInfoProto>) {
    let terms = &a.relations.terms;
    for v in all {
        let Some(axes) = a.graph.lookup(scope, v.name()).and_then(|id| a.relations.tensors[id].as_ref()) else {
            continue;
        };
        let size = |t| terms.kept_size(t, kept).known().map(DimValue::DimValue);
        let sizes: Vec<_> = axes.iter().map(|t| terms.shrinks(*t, kept).then(|| size(*t))).collect();
        resize(v, &sizes);
    }
}

/// Sets the sizes that change. One that is not known loses its name, too: heads times the batch may be called
/// `8*batch`, as may an axis with other heads, and runtimes share buffers between tensors of equal names.
fn resize(v: &mut ValueInfoProto, sizes: &[Option<Option<DimValue>>]) {
    let Some(TypeValue::TensorType(t)) = v.r#type.as_mut().and_then(|t| t.value.as_mut()) else { return };
    let Some(shape) = t.shape.as_mut().filter(|s| s.dim.len() == sizes.len()) else { return };
    for (d, new) in shape.dim.iter_mut().zip(sizes) {
        if let Some(new) = new {
            d.value.clone_from(new);
        }
    }
}

/// Drops what no output depends on.
pub fn drop_dead(graph: &mut GraphProto, ir_version: i64) {
    graph.node.iter_mut().flat_map(onnx::walk::subgraphs_mut).for_each(drop_unread_within);
    let needed = drop_unread(graph, |_| true);
    let mut gone: HashSet<String> = HashSet::new();
    graph.initializer.retain(|t| {
        let stays = needed.contains(t.name());
        if !stays {
            gone.insert(t.name().to_owned());
        }
        stays
    });
    graph.sparse_initializer.retain(|s| s.values.as_ref().is_none_or(|v| needed.contains(v.name())));
    graph.input.retain(|v| !gone.contains(v.name()));
    // Before IR 4 every initializer is also an input.
    if ir_version < 4 {
        let listed: HashSet<String> = graph.input.iter().map(|v| v.name().to_owned()).collect();
        let missing: Vec<ValueInfoProto> =
            graph.initializer.iter().filter(|t| !listed.contains(t.name())).map(declaration).collect();
        graph.input.extend(missing);
    }
    let made: HashSet<&str> = graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)).collect();
    let held: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
    let known = |name: &str| made.contains(name) || held.contains(name) || needed.contains(name);
    graph.value_info.retain(|v| made.contains(v.name()) || held.contains(v.name()));
    graph.quantization_annotation.retain(|q| known(q.tensor_name()));
}

fn declaration(t: &TensorProto) -> ValueInfoProto {
    use crate::onnx::proto::{TensorShapeProto, TypeProto, tensor_shape_proto, type_proto};
    let dim = |d: &i64| tensor_shape_proto::Dimension { value: Some(DimValue::DimValue(*d)), ..Default::default() };
    let shape = TensorShapeProto { dim: t.dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: t.data_type, shape: Some(shape) };
    ValueInfoProto {
        name: t.name.clone(),
        r#type: Some(TypeProto { value: Some(TypeValue::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}
