//! A model of one part.

use super::parts::{Parts, computes};
use crate::algebra::Kept;
use crate::analysis::{Analysis, TensorId};
use crate::onnx::edit::extract;
use crate::onnx::proto::{GraphProto, ModelProto, ValueInfoProto};
use crate::onnx::{self};
use crate::rewriting;

/// One part of the pruned model as a model, with its activations as inputs; `None` where the size or type of one is
/// not known.
///
/// # Errors
/// When the model cannot be cut to `kept`.
pub fn subgraph(a: &Analysis, parts: &Parts, part: usize, kept: &Kept) -> rewriting::Result<Option<ModelProto>> {
    let mut model = rewriting::prune(a, kept)?;
    let Some(graph) = model.graph.take() else { return Ok(None) };
    let outputs = parts.parts[part].outputs.iter().map(|id| a.graph.name(*id).to_owned()).collect();
    let cut = Cut { a, parts, part, kept };
    model.graph = cut.graph(graph, outputs);
    Ok(model.graph.is_some().then_some(model))
}

struct Cut<'a> {
    a: &'a Analysis,
    parts: &'a Parts,
    part: usize,
    kept: &'a Kept,
}

impl Cut<'_> {
    fn graph(&self, graph: GraphProto, outputs: Vec<String>) -> Option<GraphProto> {
        let foreign = |name: &str| self.a.graph.id(name).is_some_and(|id| self.is_foreign(id));
        let part = extract(graph, &outputs, foreign);
        let mut input: Vec<ValueInfoProto> =
            part.given.iter().map(|name| self.declare(self.a.graph.id(name)?)).collect::<Option<_>>()?;
        // Weights that the model has among its inputs are not prepared ahead: alone as within the model.
        input.extend(part.overridable);
        Some(GraphProto {
            name: Some("part".to_owned()),
            node: part.nodes,
            initializer: part.initializers,
            input,
            output: outputs.iter().map(|name| self.output(name)).collect(),
            ..GraphProto::default()
        })
    }

    /// Whether a tensor is an activation that another part makes.
    fn is_foreign(&self, id: TensorId) -> bool {
        let g = &self.a.graph;
        let maker = g.producer[id];
        maker
            .is_some_and(|p| self.parts.of[p] != Some(self.part) && (computes(self.a, p) || !g.subgraphs[p].is_empty()))
    }

    /// An output, with its shape where that is known, so that its memory can be used again.
    fn output(&self, name: &str) -> ValueInfoProto {
        let id = self.a.graph.id(name);
        id.and_then(|id| self.declare(id)).unwrap_or_else(|| onnx::untyped(name))
    }

    fn declare(&self, id: TensorId) -> Option<ValueInfoProto> {
        let a = self.a;
        let size = |t: &crate::algebra::Term| {
            let size = a.relations.terms.kept_size(*t, self.kept);
            a.facts.symbols.eval(&size, &a.facts.bindings)
        };
        let dims = a.relations.tensors[id].as_ref()?.iter().map(|t| size(t).map(Some)).collect::<Option<Vec<_>>>()?;
        let dtype = a.facts.tensors[id].dtype;
        Some(onnx::value_info(a.graph.name(id), dtype, &dims))
    }
}

#[cfg(all(test, feature = "tract"))]
mod tests {
    use super::*;
    use crate::onnx::Model;
    use crate::planning::{self, Options};
    use crate::runtime::{Runtime, SessionOptions, Tensor, open_model, tract::Tract};

    #[allow(clippy::unwrap_used)] // a helper of tests
    fn run(proto: ModelProto, inputs: &[(String, Tensor)]) -> Vec<(String, Tensor)> {
        let runtime: &dyn Runtime = &Tract;
        let model = Model { proto, ..Model::default() };
        open_model(runtime, model, &SessionOptions::default()).unwrap().run(inputs).unwrap()
    }

    #[test]
    fn weights_that_are_inputs_are_inputs_of_the_subgraph() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fashion_resnet.onnx");
        let plain = Model::load(&path).unwrap();
        let mut listed = Model::load(&path).unwrap();
        let graph = listed.proto.graph.as_mut().unwrap();
        let declared = graph.initializer.iter().map(|t| {
            let dims: Vec<Option<i64>> = t.dims.iter().map(|d| Some(*d)).collect();
            onnx::value_info(t.name(), onnx::dtype_of(t), &dims)
        });
        let declared: Vec<_> = declared.collect();
        graph.input.extend(declared);
        let first = |model: &Model| {
            let a = Analysis::new(model, &Vec::new()).unwrap();
            let scheme = planning::find_scheme("local").unwrap();
            let parts = Parts::of(&a, &planning::may_shrink(&a, scheme, &Options::default()).unwrap());
            subgraph(&a, &parts, 1, &Kept::new()).unwrap().unwrap()
        };
        let (plain, listed) = (first(&plain), first(&listed));
        let inputs = |m: &ModelProto| m.graph.as_ref().unwrap().input.len();
        let weights = listed.graph.as_ref().unwrap().initializer.len();
        assert!(weights > 0);
        assert_eq!(inputs(&listed), inputs(&plain) + weights);
        // Times of one are no times of the other.
        use super::super::signature::signature;
        assert_ne!(signature(&plain), signature(&listed));
    }

    #[test]
    fn a_subgraph_computes_what_the_part_computes_within_the_model() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fashion_resnet.onnx");
        let model = Model::load(&path).unwrap();
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        let scheme = planning::find_scheme("local").unwrap();
        let parts = Parts::of(&a, &planning::may_shrink(&a, scheme, &Options::default()).unwrap());
        assert!(parts.parts.len() > 5);
        let half = |g: &crate::analysis::Group| (g.atom, (0..g.size as u32 / 2).collect::<Vec<_>>().into());
        let kept: Kept = a.groups.iter().map(half).collect();
        // Every activation of the pruned model, as it is within it.
        let mut whole = rewriting::prune(&a, &kept).unwrap();
        let names: Vec<String> =
            parts.parts.iter().flat_map(|p| &p.outputs).map(|id| a.graph.name(*id).to_owned()).collect();
        onnx::add_outputs(whole.graph.as_mut().unwrap(), names.iter().map(|n| onnx::untyped(n))).unwrap();
        let inputs = rewriting::concrete_inputs(&a, 7).unwrap();
        let mut known = run(whole, &inputs);
        known.extend(inputs);
        for part in 0..parts.parts.len() {
            let proto = subgraph(&a, &parts, part, &kept).unwrap().unwrap();
            let graph = proto.graph.as_ref().unwrap();
            let value = |name: &str| known.iter().find(|(n, _)| n == name).unwrap().clone();
            let given: Vec<_> = graph.input.iter().map(|v| value(v.name())).collect();
            for (name, got) in run(proto, &given) {
                let expected = value(&name).1;
                assert_eq!(got.shape(), expected.shape(), "{name}");
                assert!(got.max_abs_diff(&expected).unwrap() <= 1e-5 * expected.max_abs().max(1.0), "{name}");
            }
        }
    }
}
