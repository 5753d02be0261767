//! Networks pruned in many ways: smaller, equal to the masked original, and otherwise what they were.

mod every;
mod figures;
mod fused;
mod kept;
mod shared;
mod types;

use crate::common;
use crate::zoo;
use std::sync::LazyLock;

use onnx_prune::analysis::{AxisKind, Shapes};
use onnx_prune::onnx::proto::type_proto::Value as Type;
use onnx_prune::onnx::proto::{GraphProto, ModelProto, ValueInfoProto};
use onnx_prune::onnx::{self, Model};
use onnx_prune::planning::{Axes, Options};
use onnx_prune::prune::{Error, PruneRequest};
use onnx_prune::runtime::{self, Choice, Selected, SessionOptions, Tensor};

use crate::common::request::Done;

static RUNTIME: LazyLock<Selected> = LazyLock::new(|| runtime::select(Choice::Auto, None).unwrap());

/// Half of every group by l2, the residual width too, verified.
fn half() -> PruneRequest {
    let axes = Axes::default().with([AxisKind::Residual]);
    let request = common::request::request();
    PruneRequest { verify: true, options: Options { axes, ..request.options.clone() }, ..request }
}

/// The same, and layers that share a weight may keep different channels.
fn untied() -> PruneRequest {
    let request = half();
    PruneRequest { options: Options { untie: true, ..request.options.clone() }, ..request }
}

fn declared(v: &ValueInfoProto) -> (onnx::DType, Vec<onnx::proto::tensor_shape_proto::Dimension>) {
    match v.r#type.as_ref().unwrap().value.clone() {
        Some(Type::TensorType(t)) => (onnx::DType::of(t.elem_type()), t.shape.unwrap().dim),
        _ => panic!("{} is no tensor", v.name()),
    }
}

/// What a caller must give: inputs without contents, with sizes for a batch of `batch`. Images are 8 by 12 where
/// the model leaves that open.
fn given(m: &ModelProto, batch: i64) -> Vec<(&ValueInfoProto, Vec<i64>)> {
    use onnx::proto::tensor_shape_proto::dimension::Value as Dim;
    let g = m.graph.as_ref().unwrap();
    let held = |name: &str| g.initializer.iter().any(|t| t.name() == name);
    let size = |d: onnx::proto::tensor_shape_proto::Dimension| match d.value.unwrap() {
        Dim::DimValue(n) => n,
        Dim::DimParam(p) if p == "batch" => batch,
        Dim::DimParam(p) if p == "height" => 8,
        Dim::DimParam(_) => 12,
    };
    let free = g.input.iter().filter(|v| !held(v.name()));
    free.map(|v| (v, declared(v).1.into_iter().map(size).collect())).collect()
}

fn shapes(m: &ModelProto, batch: i64) -> Shapes {
    given(m, batch).into_iter().map(|(v, dims)| (v.name().to_owned(), dims).into()).collect()
}

fn inputs(m: &ModelProto, batch: i64) -> Vec<(String, Tensor)> {
    let one = |(k, (v, dims)): (usize, (&ValueInfoProto, Vec<i64>))| {
        let dims: Vec<usize> = dims.iter().map(|d| *d as usize).collect();
        (v.name().to_owned(), Tensor::random(declared(v).0, &dims, 7 + k as u64, 0..2).unwrap())
    };
    given(m, batch).into_iter().enumerate().map(one).collect()
}

/// What a model gives at a batch of `batch`; an error where the runtime cannot run it.
fn run(bytes: &[u8], m: &ModelProto, batch: i64) -> Result<Vec<(String, Tensor)>, runtime::Error> {
    RUNTIME.runtime.open_bytes(bytes, None, &SessionOptions::default())?.run(&inputs(m, batch))
}

fn load(bytes: &[u8]) -> Model {
    Model::from_bytes(bytes.to_vec().into()).unwrap()
}

fn try_prune(m: &ModelProto, request: &PruneRequest) -> Result<(Done, Vec<u8>), Error> {
    let request = PruneRequest { shapes: shapes(m, 2), ..request.clone() };
    crate::common::request::pruned(load(&common::bytes(m)), &request)
}

/// Prunes, and checks what must hold for every model and every request.
fn pruned(name: &str, m: &ModelProto, request: &PruneRequest) -> (Done, ModelProto) {
    let (outcome, bytes) = try_prune(m, request).unwrap_or_else(|e| panic!("{name}: {e}"));
    let small = load(&bytes);
    assert!(small.warnings.is_empty(), "{name}: {:?}", small.warnings);
    let small = small.proto;
    let r = &outcome.report;
    assert!(r.after.params < r.before.params, "{name}: as many parameters as before");
    // A weight that is read twice may part in two.
    assert!(elements(&small) < elements(m) || request.options.untie, "{name}: as many elements as before");
    assert_eq!(r.after.bytes, bytes.len() as u64, "{name}");
    no_dead_weights(name, &small);
    declarations_hold(name, &small);
    let original = common::bytes(m);
    let Ok(before) = run(&original, m, 2) else {
        // Then the check must have said so, and the runtime be the one that knows fewer operators, unless what it does
        // not know was written out.
        assert_ne!(RUNTIME.runtime.name(), "onnxruntime", "{name}");
        let rewritten = ["written out", "read from outside", "are computed from other constants"];
        let notes = load(&original).warnings.into_iter().chain(r.warnings.iter().cloned());
        if notes.into_iter().any(|w| rewritten.iter().any(|r| w.contains(r))) {
            return (outcome, small);
        }
        // The part before an operator that it does not know may have been checked.
        if r.verification.as_ref().is_some_and(|v| !v.before_operators.is_empty()) {
            return (outcome, small);
        }
        let why = r.not_verified.as_deref().unwrap_or_default();
        assert!(
            r.verification.is_none()
                && ["cannot run the original", "does not know", "does not depend on"].iter().any(|w| why.contains(w)),
            "{name}: {:?} {why}",
            r.verification
        );
        return (outcome, small);
    };
    // What is left at random of a small network may give the same whatever it is given.
    if request.criterion.name() == "random"
        && r.not_verified.as_ref().is_some_and(|why| why.contains("does not depend"))
    {
        return (outcome, small);
    }
    let verdict = r.verification.as_ref().unwrap_or_else(|| panic!("{name}: {:?} {:?}", r.not_verified, r.warnings));
    let shrunk = r.groups.iter().filter(|g| g.after < g.before);
    assert_eq!(verdict.compared + verdict.mixed, shrunk.count(), "{name}");
    assert!(verdict.difference < tolerance(m), "{name}: {verdict:?}");
    let after = run(&bytes, m, 2).unwrap_or_else(|e| panic!("{name}: {e}"));
    let far = before.iter().zip(&after).any(|(b, a)| b.1.max_abs_diff(&a.1).unwrap() > 1e-3 * b.1.max_abs());
    // Least squares may make up for all of it.
    assert!(far || r.recovery.is_some(), "{name}: what was removed had no effect, so the comparison says nothing");
    for batch in [1, 3] {
        let (b, a) = (run(&original, m, batch).unwrap(), run(&bytes, m, batch).unwrap());
        let shapes = |v: &[(String, Tensor)]| {
            v.iter().map(|(n, t)| (n.clone(), t.shape().to_vec(), t.dtype())).collect::<Vec<_>>()
        };
        assert_eq!(shapes(&a), shapes(&b), "{name} at batch {batch}");
        assert!(a.iter().all(|(_, t)| t.first_non_finite().is_none()), "{name}");
    }
    (outcome, small)
}

/// Half precision has three digits.
fn tolerance(m: &ModelProto) -> f64 {
    let half = onnx::DType::Float16;
    if declared(&m.graph.as_ref().unwrap().output[0]).0 == half { 1e-2 } else { 1e-4 }
}

fn elements(m: &ModelProto) -> i64 {
    let graphs = subgraphs(m.graph.as_ref().unwrap());
    let inline = graphs.iter().flat_map(|g| &g.node).flat_map(|n| n.attribute.iter().filter_map(|a| a.t.as_ref()));
    // Positions and sizes are 64-bit integers.
    let weights = |t: &&onnx::proto::TensorProto| t.data_type() != onnx::DType::Int64 as i32;
    let held = graphs.iter().flat_map(|g| &g.initializer);
    held.chain(inline).filter(weights).map(|t| t.dims.iter().product::<i64>()).sum()
}

/// A graph and all subgraphs in it.
fn subgraphs(g: &GraphProto) -> Vec<&GraphProto> {
    let inner = g.node.iter().flat_map(onnx::walk::subgraphs).flat_map(subgraphs);
    std::iter::once(g).chain(inner).collect()
}

/// Every initializer is read by a node, a subgraph, or is an output; every name that is read is written.
fn no_dead_weights(name: &str, m: &ModelProto) {
    let g = m.graph.as_ref().unwrap();
    let reads: Vec<&str> =
        subgraphs(g).iter().flat_map(|g| &g.node).flat_map(|n| &n.input).map(String::as_str).collect();
    for t in &g.initializer {
        let used = reads.contains(&t.name()) || g.output.iter().any(|v| v.name() == t.name());
        assert!(used, "{name}: nobody reads {}", t.name());
    }
    for n in &g.node {
        let used = n.output.iter().any(|o| reads.contains(&o.as_str()) || g.output.iter().any(|v| v.name() == o));
        assert!(used, "{name}: nobody reads what {} writes", n.name());
    }
}

/// What the file declares of its tensors is what follows from its inputs.
fn declarations_hold(name: &str, m: &ModelProto) {
    let mut bare = m.clone();
    bare.graph.as_mut().unwrap().value_info.clear();
    let (with, without) = (Model::new(m.clone()), Model::new(bare));
    let shapes = shapes(m, 2);
    let said = onnx_prune::analysis::Analysis::new(&with, &shapes).unwrap();
    let inferred = onnx_prune::analysis::Analysis::new(&without, &shapes).unwrap();
    for v in &m.graph.as_ref().unwrap().value_info {
        let (s, i) = (said.graph.id(v.name()).unwrap(), inferred.graph.id(v.name()).unwrap());
        let sizes: Vec<Option<i64>> = declared(v).1.iter().map(|d| d.dim_value_known()).collect();
        let Some(follows) = &inferred.facts.tensors[i].shape else { continue };
        assert_eq!(said.facts.tensors[s].shape.as_ref().map(Vec::len), Some(follows.len()), "{name}: {}", v.name());
        for (k, (d, f)) in sizes.iter().zip(follows).enumerate() {
            assert!(d.is_none() || *d == f.known(), "{name}: axis {k} of {} is declared {d:?}", v.name());
        }
    }
}

trait Known {
    fn dim_value_known(&self) -> Option<i64>;
}

impl Known for onnx::proto::tensor_shape_proto::Dimension {
    fn dim_value_known(&self) -> Option<i64> {
        match self.value {
            Some(onnx::proto::tensor_shape_proto::dimension::Value::DimValue(n)) => Some(n),
            _ => None,
        }
    }
}
