//! What must hold for every network and every way to prune it.

use std::sync::LazyLock;

use onnx_prune::analysis::AxisKind;
use onnx_prune::criteria;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::onnx::{DType, Model};
use onnx_prune::planning::targets::{Params, Ratio, Targets};
use onnx_prune::planning::{self, Axes, Options};
use onnx_prune::prune::{Error, PruneRequest};
use onnx_prune::report;
use onnx_prune::runtime::{self, Choice, Selected, SessionOptions, Tensor};
use proptest::prelude::*;

use super::network::network;
use crate::common;
use crate::common::request::Done;

/// The runtimes that are here: tract, and onnxruntime where a library is found.
static RUNTIMES: LazyLock<Vec<(Choice, Selected)>> = LazyLock::new(|| {
    let auto = runtime::select(Choice::Auto, None).unwrap();
    let mut all = vec![(Choice::Auto, auto)];
    if all[0].1.runtime.name() == "onnxruntime" {
        all.push((Choice::Tract, runtime::select(Choice::Tract, None).unwrap()));
    }
    all
});

/// What one network showed.
pub struct Found {
    /// The pruned network gives something else than the whole one.
    pub changed: bool,
    /// Runtimes that could run the original, and found masked to equal removed.
    pub verified: usize,
}

fn request(m: &ModelProto, how: u16, ratio: f64, seed: u64) -> PruneRequest {
    let pick = |n: u16, list: &[&'static str]| list[usize::from(how / n) % list.len()];
    let axes = [
        Axes::default(),
        Axes::all(),
        Axes::whole_heads(),
        Axes::default().with([AxisKind::Residual]),
        "residual,heads,query-heads,experts".parse().unwrap(),
    ];
    PruneRequest {
        criterion: criteria::find(pick(1, &["random", "l2", "fpgm", "lamp"])).unwrap(),
        scheme: planning::find_scheme(pick(4, &["local", "global", "protected-global", "isomorphic"])).unwrap(),
        score: criteria::ScoreOptions { seed, ..Default::default() },
        targets: if how.is_multiple_of(7) {
            Targets::one(&Params, 1.0 - 0.6 * ratio)
        } else {
            Targets::one(&Ratio, ratio)
        },
        options: Options {
            steps: 1 + usize::from(how / 16) % 3,
            round_to: [1, 1, 2, 4][usize::from(how / 48) % 4],
            axes: axes[usize::from(how / 192) % axes.len()].clone(),
            ..Default::default()
        },
        kinds: Vec::new(),
        shapes: vec![("x".to_owned(), input(m, 2).1.iter().map(|d| *d as i64).collect()).into()],
        verify: true,
        ..common::request::request()
    }
}

/// Type and shape of the input at a batch of `batch`.
fn input(m: &ModelProto, batch: usize) -> (DType, Vec<usize>) {
    use onnx_prune::onnx::proto::tensor_shape_proto::dimension::Value as Dim;
    use onnx_prune::onnx::proto::type_proto::Value as Type;
    let declared = m.graph.as_ref().unwrap().input[0].r#type.as_ref().unwrap();
    let Some(Type::TensorType(t)) = &declared.value else { panic!("the input is no tensor") };
    let size = |d: &onnx_prune::onnx::proto::tensor_shape_proto::Dimension| match d.value.clone() {
        Some(Dim::DimValue(n)) => n as usize,
        Some(Dim::DimParam(name)) if name == "batch" => batch,
        _ => batch + 4,
    };
    (DType::of(t.elem_type()), t.shape.as_ref().unwrap().dim.iter().map(size).collect())
}

/// What a model gives at each of these batches.
fn run(runtime: &Selected, bytes: &[u8], m: &ModelProto, batches: &[usize]) -> Result<Vec<Tensor>, runtime::Error> {
    let options = SessionOptions { threads: Some(1), ..Default::default() };
    let mut session = runtime.runtime.open_bytes(bytes, None, &options)?;
    let one = |batch: &usize| {
        let (dtype, shape) = input(m, *batch);
        let range = if dtype == DType::Int64 { 0..7 } else { 0..1 };
        let x = Tensor::random(dtype, &shape, 1, range)?;
        Ok(session.run(&[("x".into(), x)])?.remove(0).1)
    };
    batches.iter().map(one).collect()
}

fn pruned(m: &ModelProto, request: &PruneRequest) -> Result<(Done, Vec<u8>), Error> {
    crate::common::request::pruned(Model::from_bytes(common::bytes(m)).unwrap(), request)
}

/// Whether no runtime could tell anything of the network, by its own fault.
fn says_nothing(why: &str) -> bool {
    ["does not depend on", "did not run on any input"].iter().any(|w| why.contains(w))
}

/// Prunes the network of `dice` with every runtime there is, and again by the recipe of its report.
pub fn check(dice: &[u16], how: u16, ratio: f64, seed: u64) -> Result<Found, TestCaseError> {
    let m = network(dice, seed);
    let own = m.graph.iter().flat_map(|g| &g.node).any(|n| !n.domain().is_empty());
    if own && RUNTIMES[0].1.runtime.name() != "onnxruntime" {
        return Err(TestCaseError::reject("no runtime knows its operators"));
    }
    let original = common::bytes(&m);
    let asked = request(&m, how, ratio, seed);
    let (mut verified, mut vacuous) = (0, false);
    let mut first: Option<(Done, Vec<u8>)> = None;
    for (choice, runtime) in RUNTIMES.iter() {
        let name = runtime.runtime.name();
        let (outcome, bytes) = match pruned(&m, &PruneRequest { runtime: *choice, ..asked.clone() }) {
            Ok(done) => done,
            // Rounding may leave nothing to remove, and a network may have nothing of the kinds that may shrink.
            Err(Error::Planning(planning::Error::NothingPrunable { .. })) => {
                return Err(TestCaseError::reject("nothing"));
            }
            // tract 0.23 fails on a GRU that reads a single channel.
            Err(e) if name == "tract" && e.to_string().contains("GruSeq: xw not contiguous") => continue,
            Err(e) => return Err(TestCaseError::fail(format!("{name}: {e}"))),
        };
        let r = &outcome.report;
        prop_assert!(r.warnings.iter().all(|w| !w.contains("no rule")), "{:?}", r.warnings);
        match &r.verification {
            Some(v) => {
                prop_assert!(v.difference < 1e-3, "{name}: {v:?}");
                verified += 1;
            }
            // What is left of a small network may give the same whatever it is given, and a branch may never run.
            None if r.not_verified.as_ref().is_some_and(|why| says_nothing(why)) => vacuous = true,
            None => prop_assert!(run(runtime, &original, &m, &[2]).is_err(), "{name}: {:?}", r.not_verified),
        }
        match &first {
            None => first = Some((outcome, bytes)),
            Some((_, same)) => prop_assert!(bytes == *same, "{name}: other bytes on the second run"),
        }
    }
    let Some((outcome, bytes)) = first else { return Err(TestCaseError::reject("no runtime takes it")) };

    let json = serde_json::to_string(&outcome.report).unwrap();
    let recipe = Some(report::recipe(&json).unwrap());
    let (_, again) = pruned(&m, &PruneRequest { recipe, verify: false, ..asked }).unwrap();
    prop_assert!(bytes == again, "other bytes by the recipe");

    let small = Model::from_bytes(bytes.clone().into());
    prop_assert!(small.is_ok_and(|m| m.warnings.is_empty()));
    let (mut changed, mut ran) = (verified == 0, false);
    for (_, runtime) in RUNTIMES.iter() {
        let Ok(whole) = run(runtime, &original, &m, &[1, 3]) else { continue };
        let small = match run(runtime, &bytes, &m, &[1, 3]) {
            Err(e) if e.to_string().contains("GruSeq: xw not contiguous") => continue,
            done => done.map_err(|e| TestCaseError::fail(e.to_string()))?,
        };
        ran = true;
        for (x, y) in whole.iter().zip(&small) {
            prop_assert_eq!(x.shape(), y.shape());
            prop_assert!(y.first_non_finite().is_none() || x.first_non_finite().is_some());
            changed |= x.max_abs_diff(y).unwrap() > 1e-3 * x.max_abs();
        }
    }
    // Of some only the part before an operator that no runtime knows was looked at.
    changed |= !ran;
    if vacuous && verified == 0 {
        return Err(TestCaseError::reject("nothing can be told of it"));
    }
    Ok(Found { changed, verified })
}
