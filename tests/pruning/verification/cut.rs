//! Operators that the runtime does not know, and runs that do not end.

use std::time::Duration;

use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::prune::PruneRequest;
use onnx_prune::report::text;
use onnx_prune::rewriting::CheckOptions;
use onnx_prune::runtime::{Choice, SessionOptions};

use super::{TRACT, check_changed, pruned, refused, request, verdict, wrong, wrong_on};
use crate::common::builder::{Builder, same};
use crate::zoo::control;

/// Two convolutions and an operator that nobody knows.
fn strange() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let y = b.conv("conv2", &a, 8, 4, same(1));
    let y = b.op("Strange", &[&y], vec![]);
    b.output(&y, "batch 4 4 4");
    let mut m = b.model();
    let strange = m.graph.as_mut().unwrap().node.last_mut().unwrap();
    strange.domain = Some("com.example".into());
    m.opset_import
        .push(onnx_prune::onnx::proto::OperatorSetIdProto { domain: Some("com.example".into()), version: Some(1) });
    m
}

#[test]
fn a_model_is_checked_up_to_what_the_runtime_does_not_know() {
    let v = verdict(super::check(&strange()));
    assert_eq!((v.before_operators, v.compared, v.outputs), (vec!["Strange".to_owned()], 1, 1));
    assert!(super::refused(wrong(&strange())).contains("differs from the masked original"));
    let (outcome, _) =
        pruned(&strange(), &PruneRequest { latency: Some(Duration::from_millis(1)), ..request() }).unwrap();
    let said = text::verification(&outcome.report);
    assert!(said.starts_with("verified: ") && said.contains("up to Strange only"), "{said}");
    assert!(outcome.report.latency.is_none());
    let strict = PruneRequest { strict: true, ..request() };
    assert!(!pruned(&strange(), &strict).unwrap().0.written);
}

#[test]
fn of_what_an_unknown_operator_reads_the_kept_channels_are_compared() {
    let m = control::rounds();
    let v = verdict(check_changed(&m, &CheckOptions::default(), &TRACT, |_| {}));
    assert_eq!((v.before_operators, v.outputs), (vec!["Loop".to_owned()], 1));
    assert!(refused(wrong_on(&m, &TRACT)).contains("differs from the masked original"));
}

/// tract's optimizer never returns from this subgraph of a Scan.
fn endless() -> ModelProto {
    control::scanned_matrices()
}

#[test]
fn a_run_that_does_not_end_is_left_behind() {
    let session = SessionOptions { threads: Some(1), limit: Some(Duration::from_secs(2)), ..Default::default() };
    let asked = PruneRequest { runtime: Choice::Tract, session, ..request() };
    let (outcome, bytes) = pruned(&endless(), &asked).unwrap();
    let why = outcome.report.not_verified.unwrap();
    assert!(why.contains("tract did not finish within 2 s") && !bytes.is_empty(), "{why}");
    let (outcome, _) = pruned(&endless(), &PruneRequest { strict: true, ..asked }).unwrap();
    assert!(!outcome.written && outcome.unverified.is_some());
}
