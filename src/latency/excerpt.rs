//! A model of one part.

use std::collections::{HashMap, HashSet};

use super::parts::{Parts, computes};
use crate::algebra::Kept;
use crate::analysis::{Analysis, TensorId};
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, ValueInfoProto};
use crate::onnx::{self, DType};
use crate::rewriting;

/// One part of the pruned model as a model, with its activations as inputs; `None` where the size or type of one is
/// not known.
///
/// # Errors
/// When the model cannot be cut to `kept`.
pub fn excerpt(a: &Analysis, parts: &Parts, part: usize, kept: &Kept) -> rewriting::Result<Option<ModelProto>> {
    let mut model = rewriting::prune(a, kept)?;
    let Some(graph) = model.graph.take() else { return Ok(None) };
    let outputs = parts.parts[part].outputs.iter().map(|id| a.graph.names[*id].to_owned()).collect();
    let cut = Cut { a, parts, part, kept };
    model.graph = cut.graph(graph, outputs);
    Ok(model.graph.is_some().then_some(model))
}

struct Cut<'a, 'm> {
    a: &'a Analysis<'m>,
    parts: &'a Parts,
    part: usize,
    kept: &'a Kept,
}

impl Cut<'_, '_> {
    fn graph(&self, graph: GraphProto, outputs: Vec<String>) -> Option<GraphProto> {
        let made = |(i, n): (usize, &NodeProto)| n.output.iter().map(move |o| (o.clone(), i)).collect::<Vec<_>>();
        let makers: HashMap<String, usize> = graph.node.iter().enumerate().flat_map(made).collect();
        let weights: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
        let mut needed = HashSet::new();
        let mut nodes = vec![false; graph.node.len()];
        let mut input = Vec::new();
        let mut open = outputs.clone();
        while let Some(name) = open.pop() {
            if name.is_empty() || !needed.insert(name.clone()) || weights.contains(name.as_str()) {
                continue;
            }
            let old = self.a.graph.id(&name);
            match makers.get(&name) {
                Some(i) if !old.is_some_and(|id| self.is_foreign(id)) => {
                    if !std::mem::replace(&mut nodes[*i], true) {
                        open.extend(graph.node[*i].input.iter().cloned());
                    }
                }
                _ => input.push(self.declare(old?)?),
            }
        }
        input.sort_by(|a, b| a.name().cmp(b.name()));
        Some(GraphProto {
            name: Some("part".to_owned()),
            node: graph.node.into_iter().zip(nodes).filter(|(_, needed)| *needed).map(|(n, _)| n).collect(),
            initializer: graph.initializer.into_iter().filter(|t| needed.contains(t.name())).collect(),
            input,
            output: outputs.iter().map(|name| onnx::untyped(name)).collect(),
            ..GraphProto::default()
        })
    }

    /// Whether a tensor is an activation that another part makes.
    fn is_foreign(&self, id: TensorId) -> bool {
        let g = &self.a.graph;
        let maker = g.producer[id];
        maker.is_some_and(|p| self.parts.of[p] != Some(self.part) && (computes(self.a, p) || !g.bodies[p].is_empty()))
    }

    fn declare(&self, id: TensorId) -> Option<ValueInfoProto> {
        let a = self.a;
        let size = |t: &crate::algebra::Term| {
            let size = a.relations.terms.kept_size(*t, self.kept);
            a.facts.symbols.eval(&size, &a.facts.bindings)
        };
        let dims = a.relations.tensors[id].as_ref()?.iter().map(|t| size(t).map(Some)).collect::<Option<Vec<_>>>()?;
        let dtype = DType::try_from(a.facts.tensors[id].dtype).ok()?;
        Some(onnx::value_info(a.graph.names[id], dtype, &dims))
    }
}
