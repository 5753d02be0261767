//! Channels that go through sequences of tensors.

use onnx_prune::onnx::{self, DType};

use super::{frozen, groups, load};
use crate::common::builder::declared;
use crate::zoo::sequences;

#[test]
fn what_a_sequence_holds_is_known() {
    let expected = [
        "first.weight 4: first.weight@0 first.bias@0 second.weight@1",
        "first.weight#2 8: first.weight@0 first.bias@0 second.weight@1",
        "second.weight 6: second.weight@0 second.bias@0 head.weight@1",
    ];
    assert_eq!(groups(sequences::parts_by_size()), expected);
    let expected = [
        "first.weight 4: first.weight@0x3 first.bias@0x3 second.weight@1",
        "second.weight 6: second.weight@0 second.bias@0 head.weight@1",
    ];
    assert_eq!(groups(sequences::equal_parts()), expected);
    let expected =
        ["first.weight ffn 8: first.weight@1 first.bias@0 few.weight@0 few.weight@1 few.bias@0 head.weight@1"];
    assert_eq!(groups(sequences::filled_by_rounds()), expected);
}

#[test]
fn nothing_is_left_of_a_sequence_that_is_known() {
    for m in [sequences::parts_by_size(), sequences::equal_parts(), sequences::filled_by_rounds()] {
        let model = load(m);
        let nodes = &model.graph().unwrap().node;
        assert!(nodes.iter().all(|n| n.op_type() != "Loop" && !n.op_type().contains("Sequence")), "{nodes:?}");
        assert!(model.warnings.iter().any(|w| w.contains("on sequences of tensors were written out")));
    }
}

#[test]
fn a_sequence_that_is_read_at_run_time_stays() {
    let m = sequences::read_at_run_time();
    let expected = [
        "3 graph input: first.weight@1",
        "12 sequence of tensors that only a run knows: first.weight@0 first.bias@0",
        "6 sequence of tensors that only a run knows: second.weight@1",
        "10 graph output: head.weight@0 head.bias@0",
    ];
    assert_eq!(frozen(m.clone()), expected);
    let model = load(m);
    assert!(model.graph().unwrap().node.iter().any(|n| n.op_type() == "SplitToSequence"));
}

#[test]
fn a_loop_whose_rounds_are_not_known_or_too_many_stays() {
    let m = sequences::filled_by_rounds();
    let graph = m.graph.as_ref().unwrap();
    let count = graph.node.iter().find(|n| n.op_type() == "Loop").unwrap().input[0].clone();
    let mut given = m.clone();
    let graph = given.graph.as_mut().unwrap();
    graph.initializer.retain(|t| t.name() != count);
    graph.input.push(declared(&count, DType::Int64, ""));
    let mut endless = m;
    let tensors = &mut endless.graph.as_mut().unwrap().initializer;
    tensors.retain(|t| t.name() != count);
    tensors.push(onnx::from_i64(&count, &[], &[i64::MAX]).unwrap());
    for m in [given, endless] {
        assert!(groups(m.clone()).is_empty());
        assert!(load(m).graph().unwrap().node.iter().any(|n| n.op_type() == "Loop"));
    }
}
