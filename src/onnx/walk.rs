//! Visits everything of a model, subgraphs of control flow included.

use super::Result;
use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto};

/// Where a tensor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorPlace {
    /// An initializer, of the main graph or of a subgraph.
    Initializer,
    /// Part of a sparse tensor.
    Sparse,
    /// Inside of a node's attribute.
    Attribute,
}

/// Calls `f` for every tensor of the model: initializers, sparse parts, attributes, subgraphs, functions, training.
pub fn tensors(model: &ModelProto, f: &mut dyn FnMut(&TensorProto, TensorPlace) -> Result<()>) -> Result<()> {
    graphs(model).try_for_each(|g| graph_tensors(g, f))?;
    for function in &model.functions {
        function.attribute_proto.iter().try_for_each(|a| attribute_tensors(a, f))?;
        node_tensors(&function.node, f)?;
    }
    Ok(())
}

/// Like [`tensors`], with the tensors open to change.
pub fn tensors_mut(
    model: &mut ModelProto,
    f: &mut dyn FnMut(&mut TensorProto, TensorPlace) -> Result<()>,
) -> Result<()> {
    let training = model.training_info.iter_mut().flat_map(|t| [t.initialization.as_mut(), t.algorithm.as_mut()]);
    let mut all = model.graph.iter_mut().chain(training.flatten());
    all.try_for_each(|g| graph_tensors_mut(g, f))?;
    for function in &mut model.functions {
        function.attribute_proto.iter_mut().try_for_each(|a| attribute_tensors_mut(a, f))?;
        node_tensors_mut(&mut function.node, f)?;
    }
    Ok(())
}

/// The main graph and those of training; not the subgraphs inside of them.
pub fn graphs(model: &ModelProto) -> impl Iterator<Item = &GraphProto> {
    let training = model.training_info.iter().flat_map(|t| [t.initialization.as_ref(), t.algorithm.as_ref()]);
    model.graph.iter().chain(training.flatten())
}

/// The subgraphs of a node.
pub fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs))
}

/// The subgraphs of a node, in the same order, with the names of their attributes.
pub fn named_subgraphs(node: &NodeProto) -> impl Iterator<Item = (&str, &GraphProto)> {
    node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs).map(move |g| (a.name(), g)))
}

/// The subgraphs of a node, open to change.
pub fn subgraphs_mut(node: &mut NodeProto) -> impl Iterator<Item = &mut GraphProto> {
    node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs))
}

fn graph_tensors(g: &GraphProto, f: &mut dyn FnMut(&TensorProto, TensorPlace) -> Result<()>) -> Result<()> {
    g.initializer.iter().try_for_each(|t| f(t, TensorPlace::Initializer))?;
    g.sparse_initializer.iter().flat_map(parts).try_for_each(|t| f(t, TensorPlace::Sparse))?;
    node_tensors(&g.node, f)
}

fn node_tensors(nodes: &[NodeProto], f: &mut dyn FnMut(&TensorProto, TensorPlace) -> Result<()>) -> Result<()> {
    nodes.iter().flat_map(|n| &n.attribute).try_for_each(|a| attribute_tensors(a, f))
}

fn attribute_tensors(a: &AttributeProto, f: &mut dyn FnMut(&TensorProto, TensorPlace) -> Result<()>) -> Result<()> {
    a.t.iter().chain(&a.tensors).try_for_each(|t| f(t, TensorPlace::Attribute))?;
    a.sparse_tensor.iter().chain(&a.sparse_tensors).flat_map(parts).try_for_each(|t| f(t, TensorPlace::Sparse))?;
    a.g.iter().chain(&a.graphs).try_for_each(|g| graph_tensors(g, f))
}

fn parts(s: &SparseTensorProto) -> impl Iterator<Item = &TensorProto> {
    s.values.iter().chain(&s.indices)
}

fn graph_tensors_mut(g: &mut GraphProto, f: &mut dyn FnMut(&mut TensorProto, TensorPlace) -> Result<()>) -> Result<()> {
    g.initializer.iter_mut().try_for_each(|t| f(t, TensorPlace::Initializer))?;
    g.sparse_initializer.iter_mut().flat_map(parts_mut).try_for_each(|t| f(t, TensorPlace::Sparse))?;
    node_tensors_mut(&mut g.node, f)
}

fn node_tensors_mut(
    nodes: &mut [NodeProto],
    f: &mut dyn FnMut(&mut TensorProto, TensorPlace) -> Result<()>,
) -> Result<()> {
    nodes.iter_mut().flat_map(|n| &mut n.attribute).try_for_each(|a| attribute_tensors_mut(a, f))
}

fn attribute_tensors_mut(
    a: &mut AttributeProto,
    f: &mut dyn FnMut(&mut TensorProto, TensorPlace) -> Result<()>,
) -> Result<()> {
    a.t.iter_mut().chain(&mut a.tensors).try_for_each(|t| f(t, TensorPlace::Attribute))?;
    let mut sparse = a.sparse_tensor.iter_mut().chain(&mut a.sparse_tensors).flat_map(parts_mut);
    sparse.try_for_each(|t| f(t, TensorPlace::Sparse))?;
    a.g.iter_mut().chain(&mut a.graphs).try_for_each(|g| graph_tensors_mut(g, f))
}

fn parts_mut(s: &mut SparseTensorProto) -> impl Iterator<Item = &mut TensorProto> {
    s.values.iter_mut().chain(&mut s.indices)
}

/// All sparse tensors of a model.
pub(crate) fn sparse_tensors(model: &ModelProto, f: &mut dyn FnMut(&SparseTensorProto) -> Result<()>) -> Result<()> {
    fn in_nodes(nodes: &[NodeProto], f: &mut dyn FnMut(&SparseTensorProto) -> Result<()>) -> Result<()> {
        for node in nodes {
            node.attribute
                .iter()
                .flat_map(|a| a.sparse_tensor.iter().chain(&a.sparse_tensors))
                .try_for_each(&mut *f)?;
            subgraphs(node).try_for_each(|g| in_graph(g, f))?;
        }
        Ok(())
    }
    fn in_graph(g: &GraphProto, f: &mut dyn FnMut(&SparseTensorProto) -> Result<()>) -> Result<()> {
        g.sparse_initializer.iter().try_for_each(&mut *f)?;
        in_nodes(&g.node, f)
    }
    graphs(model).try_for_each(|g| in_graph(g, f))?;
    model.functions.iter().try_for_each(|function| in_nodes(&function.node, f))
}
