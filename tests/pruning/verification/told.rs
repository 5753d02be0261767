//! Outputs that say something, and outputs that say nothing.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

use super::{CheckOptions, RUNTIME, TRACT};
use super::{check, check_changed, nothing, pruned, refused, request, verdict, wrong};
use crate::common::builder::{A, Builder, declared, same};

/// Two convolutions, and what `end` makes of them.
fn network(dims: &str, end: impl FnOnce(&mut Builder, String) -> String) -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let y = b.conv("conv2", &a, 8, 4, same(1));
    let y = end(&mut b, y);
    b.output(&y, dims);
    b.model()
}

fn masked(fill: f32) -> ModelProto {
    network("batch 4 4 4", |b, y| {
        let mask = b.codes("mask", &[1, 4, 1, 1], DType::Bool, &[0, 1, 0, 0]);
        let fill = b.scalar(fill);
        b.op("Where", &[&mask, &fill, &y], vec![])
    })
}

#[test]
fn a_masked_position_hides_nothing() {
    for fill in [-1e9, f32::NEG_INFINITY, f32::NAN, 1e4, 0.0] {
        let m = masked(fill);
        assert!(verdict(check(&m)).difference < 1e-4, "{fill}");
        assert!(refused(wrong(&m)).contains("differs from the masked original"), "{fill}");
    }
}

/// Pixels stand beside probabilities.
#[test]
fn small_outputs_are_not_measured_by_large_ones() {
    let m = network("batch 8 4 4", |b, y| {
        let small = b.sigmoid(&y);
        let factor = b.scalar(1e4);
        let far = b.input("far", "batch 4 4 4");
        let large = b.mul(&far, &factor);
        b.concat(1, &[&large, &small])
    });
    assert!(verdict(check(&m)).difference < 1e-3);
    assert!(refused(wrong(&m)).contains("differs"));
}

#[test]
fn an_output_without_elements_says_nothing() {
    let above = |limit: f32| {
        let mut m = network("rank found", move |b, y| {
            let limit = b.scalar(limit);
            let found = b.op("Greater", &[&y, &limit], vec![]);
            b.op("NonZero", &[&found], vec![])
        });
        let y = &mut m.graph.as_mut().unwrap().output[0];
        *y = declared(y.name(), DType::Int64, "rank found");
        m
    };
    let never = nothing(check(&above(1e20)));
    assert!(never.contains("is empty on any input"), "{never}");
    assert_eq!(verdict(check(&above(0.0))).outputs, 1);
    let (outcome, bytes) = pruned(&above(1e20), &request()).unwrap();
    assert!(outcome.report.verification.is_none() && outcome.report.not_verified.is_some());
    assert!(outcome.written && !bytes.is_empty());
    let strict = onnx_prune::prune::PruneRequest { strict: true, ..request() };
    let (outcome, bytes) = pruned(&above(1e20), &strict).unwrap();
    assert!(outcome.unverified.unwrap().contains("is empty") && !outcome.written && bytes.is_empty());
    let forced = onnx_prune::prune::PruneRequest { force: true, ..strict };
    let (outcome, bytes) = pruned(&above(1e20), &forced).unwrap();
    assert!(outcome.unverified.is_some() && outcome.written && !bytes.is_empty());
}

#[test]
fn an_output_of_zeros_says_nothing() {
    let m = network("batch 4 4 4", |b, y| {
        let zero = b.scalar(0.0);
        b.mul(&y, &zero)
    });
    let why = nothing(check(&m));
    assert!(why.contains("does not depend on"), "{why}");
}

/// The output follows the input, but by another way than through what is pruned.
#[test]
fn an_output_that_the_channels_do_not_reach_says_nothing() {
    let m = network("batch 4 4 4", |b, y| {
        let zero = b.scalar(0.0);
        let nothing = b.mul(&y, &zero);
        let other = b.input("other", "batch 4 4 4");
        b.add(&nothing, &other)
    });
    let why = nothing(check(&m));
    assert!(why.contains("does not depend on the channels that are pruned"), "{why}");
}

/// A second output that tells nothing is named; the first one is verified.
#[test]
fn what_is_not_told_is_named() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let y = b.conv("conv2", &a, 8, 4, same(1));
    let limit = b.scalar(1e20);
    let found = b.op("Greater", &[&y, &limit], vec![]);
    let places = b.op("NonZero", &[&found], vec![]);
    b.output(&y, "batch 4 4 4");
    b.output_of(&places, DType::Int64, "rank found");
    let v = verdict(check(&b.model()));
    assert_eq!((v.outputs, v.unchecked_outputs.into_iter().collect::<Vec<_>>()), (1, vec![(places, "is empty")]));
}

fn logarithm() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 8");
    let l = b.op("Log", &[&x], vec![]);
    let h = b.linear("f1", &l, 8, 64);
    let h = b.relu(&h);
    let y = b.linear("f2", &h, 64, 4);
    b.output(&y, "batch 4");
    b.model()
}

/// Of normal numbers a logarithm makes some that are none; onnxruntime hands them on, tract's Relu swallows them.
#[test]
fn a_logarithm_is_told_by_positive_numbers() {
    for runtime in [&*RUNTIME, &*TRACT] {
        let v = verdict(check_changed(&logarithm(), &CheckOptions::default(), runtime, |_| {}));
        assert!(v.inputs.contains(&"positive") && v.difference < 1e-4, "{v:?}");
    }
    assert!(refused(wrong(&logarithm())).contains("differs"));
}

fn branch(condition: impl FnOnce(&mut Builder, &str) -> String) -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let a = b.conv("conv0", &x, 3, 6, same(3));
    let a = b.conv("conv1", &a, 6, 8, same(3));
    let condition = condition(&mut b, &x);
    b.weight("then.weight", &[8, 8, 1, 1]);
    b.weight("then.after", &[8, 8, 1, 1]);
    let subgraph = |nodes: Vec<(&str, [&str; 2], &str)>| onnx_prune::onnx::proto::GraphProto {
        name: Some("body".into()),
        output: vec![declared(nodes.last().unwrap().2, DType::Float, "batch 8 4 4")],
        node: nodes
            .iter()
            .map(|(op, inputs, out)| crate::common::node(op, &inputs[..usize::from(*op == "Conv") + 1], &[out]))
            .collect(),
        ..Default::default()
    };
    let one = subgraph(vec![("Conv", [&a, "then.weight"], "t1"), ("Conv", ["t1", "then.after"], "t2")]);
    let other = subgraph(vec![("Neg", [&a, ""], "e1")]);
    let y = b.op("If", &[&condition], vec![("then_branch", A::G(one)), ("else_branch", A::G(other))]);
    let y = b.conv("conv2", &y, 8, 4, same(1));
    b.output(&y, "batch 4 4 4");
    b.model()
}

#[test]
fn both_branches_are_tried() {
    let mean = |limit: f32| {
        move |b: &mut Builder, x: &str| {
            let mean = b.mean(x, &[0, 1, 2, 3], false);
            let limit = b.scalar(limit);
            b.op("Greater", &[&mean, &limit], vec![])
        }
    };
    let given = |b: &mut Builder, _: &str| b.input_of("flag", DType::Bool, "");
    for m in [branch(mean(0.5)), branch(given)] {
        let v = verdict(check(&m));
        assert!(v.unchecked_groups.is_empty() && v.compared >= 2, "{v:?}");
    }
    let v = verdict(check(&branch(mean(1e9))));
    assert!(v.unchecked_groups.iter().any(|g| g.starts_with("then.")), "{v:?}");
    let whole = verdict(check(&branch(given))).compared;
    assert!(v.compared > 0);
    assert_eq!(v.compared + v.unchecked_groups.len(), whole);
}

/// Two convolutions divide one another: where both are silent nothing is defined, though nothing is wrong either.
#[test]
fn what_silence_cannot_tell_another_order_tells() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let (p, q) = (b.conv("over", &x, 3, 8, same(3)), b.conv("under", &x, 3, 8, same(3)));
    let r = b.op("Div", &[&p, &q], vec![]);
    let y = b.conv("last", &r, 8, 4, same(1));
    b.output(&y, "batch 4 4 4");
    let v = verdict(check(&b.model()));
    assert_eq!((v.compared, v.mixed), (0, 1));
}

/// Operators that need two operands have one.
#[test]
fn a_model_without_operands_is_refused() {
    let mut m = network("batch 4 4 4", |b, y| b.op("Add", &[&y, &y], vec![]));
    m.graph.as_mut().unwrap().node.last_mut().unwrap().input.pop();
    let error = onnx_prune::onnx::Model::from_bytes(crate::common::bytes(&m)).unwrap_err();
    assert!(error.to_string().contains("Add has 1 inputs, and needs 2"), "{error}");
}

/// A branch that nothing reads is gone from both models, and with it what decides on it.
#[test]
fn a_choice_that_nothing_reads_is_not_asked_for() {
    let m = network("batch 4 4 4", |b, y| {
        let limit = b.scalar(0.5);
        let flag = b.op("ReduceMax", &[&y], vec![("keepdims", A::I(0))]);
        let flag = b.op("Greater", &[&flag, &limit], vec![]);
        let branch = |b: &mut Builder, name: &str| {
            let mut inner = crate::zoo::control::inside(b, name);
            let c = inner.conv("own", &y, 4, 6, same(1));
            let c = inner.conv("next", &c, 6, 4, same(1));
            inner.output(&c, "batch 4 4 4");
            crate::zoo::control::subgraph(inner, name)
        };
        let (yes, no) = (branch(b, "yes"), branch(b, "no"));
        b.op("If", &[&flag], vec![("then_branch", A::G(yes)), ("else_branch", A::G(no))]);
        b.relu(&y)
    });
    assert_eq!(verdict(check(&m)).outputs, 1);
}
