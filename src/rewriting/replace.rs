//! New contents for weights of a model that is being rewritten.

use std::collections::HashMap;

use super::error::Result;
use crate::onnx::edit::Names;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::{self, DType};

/// The graph's initializers and who reads them: gives weights other values.
pub struct Initializers {
    index: HashMap<String, usize>,
    readers: HashMap<String, usize>,
    /// What copies of tensors are copies of.
    copies: HashMap<String, String>,
    names: Names,
}

impl Initializers {
    /// Those of a graph.
    pub fn of(graph: &GraphProto) -> Initializers {
        let mut readers: HashMap<String, usize> = HashMap::new();
        graph.node.iter().for_each(|n| reads(n, &mut readers));
        graph.output.iter().for_each(|v| *readers.entry(v.name().to_owned()).or_default() += 1);
        let index: HashMap<String, usize> =
            graph.initializer.iter().enumerate().map(|(i, t)| (t.name().to_owned(), i)).collect();
        let mut copies: HashMap<String, String> = HashMap::new();
        for n in graph.node.iter().filter(|n| n.op_type() == "Identity") {
            if let ([from], [to]) = (&n.input[..], &n.output[..]) {
                let from = copies.get(from).unwrap_or(from).clone();
                copies.insert(to.clone(), from);
            }
        }
        Initializers { index, readers, copies, names: Names::of(graph) }
    }

    /// The initializer of that name, or that it is a copy of.
    fn find(&self, name: &str) -> Option<usize> {
        self.index.get(self.copies.get(name).map_or(name, String::as_str)).copied()
    }

    /// Values of input `input` of a node, if that is an initializer or a copy of one.
    pub fn values(&self, graph: &GraphProto, node: &NodeProto, input: usize) -> Option<Vec<f32>> {
        let t = graph.initializer.get(self.find(node.input.get(input)?)?)?;
        Some(onnx::to_f32(t).ok()?.into_owned())
    }

    /// Gives a tensor that these inputs of nodes read other values in the same shape and type: one for all of them.
    /// What others read too keeps its values.
    ///
    /// # Errors
    /// When the values do not fill the shape.
    pub fn replace(&mut self, graph: &mut GraphProto, places: &[(usize, usize)], values: &[f32]) -> Result<bool> {
        let Some(name) = places.first().and_then(|at| self.name(graph, *at)) else { return Ok(false) };
        let Some(i) = self.find(&name) else { return Ok(false) };
        let shared = !self.index.contains_key(&name) || self.readers(&name) > places.len();
        let old = &graph.initializer[i];
        let Ok(dtype) = DType::try_from(old.data_type()) else { return Ok(false) };
        let new_name = if shared { self.names.numbered(&name) } else { name.clone() };
        let mut new = onnx::from_f32(&new_name, &onnx::shape(old)?, values, dtype)?;
        new.doc_string.clone_from(&old.doc_string);
        if !shared {
            graph.initializer[i] = new;
            return Ok(true);
        }
        graph.initializer.push(new);
        if let Some(n) = self.readers.get_mut(&name) {
            *n -= places.len();
        }
        self.index.insert(new_name.clone(), graph.initializer.len() - 1);
        self.readers.insert(new_name.clone(), places.len());
        for (node, input) in places {
            graph.node[*node].input[*input].clone_from(&new_name);
        }
        Ok(true)
    }

    /// Whether an input of a node is an initializer that others read too.
    pub fn is_shared(&self, node: &NodeProto, input: usize) -> bool {
        node.input.get(input).is_some_and(|name| !self.index.contains_key(name) || self.readers(name) > 1)
    }

    /// Gives a node a vector as an input that it leaves out, of the element type that its input `like` has. Answers
    /// whether it could.
    ///
    /// # Errors
    /// When the values cannot be stored.
    pub fn add(
        &mut self,
        graph: &mut GraphProto,
        node: usize,
        input: usize,
        like: usize,
        values: &[f32],
    ) -> Result<bool> {
        let Some(n) = graph.node.get_mut(node) else { return Ok(false) };
        let given = n.input.get(input).is_some_and(|name| !name.is_empty());
        let model = n.input.get(like).and_then(|name| self.find(name)).and_then(|i| graph.initializer.get(i));
        let Some(dtype) = model.and_then(|t| DType::try_from(t.data_type()).ok()).filter(|_| !given) else {
            return Ok(false);
        };
        let base = n.output.first().map_or("", String::as_str);
        let name = self.names.numbered(&format!("{base}_bias"));
        graph.initializer.push(onnx::from_f32(&name, &[values.len()], values, dtype)?);
        if n.input.len() <= input {
            n.input.resize(input + 1, String::new());
        }
        n.input[input].clone_from(&name);
        self.index.insert(name.clone(), graph.initializer.len() - 1);
        self.readers.insert(name, 1);
        Ok(true)
    }

    /// The tensor that an input of a node is.
    pub fn name(&self, graph: &GraphProto, (node, input): (usize, usize)) -> Option<String> {
        graph.node.get(node)?.input.get(input).cloned()
    }

    /// How many inputs read a tensor.
    pub fn readers(&self, name: &str) -> usize {
        self.readers.get(name).copied().unwrap_or(0)
    }
}

fn reads(n: &NodeProto, readers: &mut HashMap<String, usize>) {
    for name in &n.input {
        *readers.entry(name.clone()).or_default() += 1;
    }
    for subgraph in onnx::walk::subgraphs(n) {
        subgraph.node.iter().for_each(|n| reads(n, readers));
        subgraph.output.iter().for_each(|v| *readers.entry(v.name().to_owned()).or_default() += 1);
    }
}
