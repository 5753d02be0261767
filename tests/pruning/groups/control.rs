//! Channels that subgraphs of control flow read, carry and give.

use super::{groups, load};
use crate::zoo::control;

#[test]
fn weights_in_branches_go_with_those_outside() {
    let expected = [
        "captured.weight 8: captured.weight@0 captured.bias@0 yesown.weight@1 outer.weight@1",
        "yesown.weight 12: yesown.weight@0 yesown.bias@0 outer.weight@0 head.weight@1",
    ];
    assert_eq!(groups(control::branches()), expected);
}

#[test]
fn reshapes_in_branches_refine_what_they_read() {
    let expected = [
        "captured.weight 2: captured.weight@0x4 captured.bias@0x4 head.weight@1x4",
        "captured.weight#2 4: captured.weight@0x2 captured.bias@0x2 head.weight@1x2",
    ];
    assert_eq!(groups(control::branch_with_shapes()), expected);
}

#[test]
fn what_goes_from_round_to_round_is_one() {
    let expected = [
        "stem.weight 8: stem.weight@0 stem.bias@0 roundinner.weight@1 outer.weight@0 head.weight@1",
        "roundinner.weight 6: roundinner.weight@0 roundinner.bias@0 outer.weight@1",
    ];
    assert_eq!(groups(control::rounds()), expected);
    let expected = [
        "stepinput.weight 8: h0@1 stepinput.weight@1 stepstate.weight@0 stepinput.bias@0 stepstate.weight@1 stepstate.bias@0 h0@1 head.weight@0",
    ];
    assert_eq!(groups(control::scanned()).len(), expected.len());
}

#[test]
fn sizes_that_grow_are_not_taken_for_fixed() {
    let expected = ["first.weight ffn 8: first.weight@1 first.bias@0 roundrow.weight@1 roundrow.bias@0 head.weight@1"];
    assert_eq!(groups(control::growing()), expected);
}

#[test]
fn branches_are_known_by_their_names() {
    for taken in [true, false] {
        let with = |swapped: bool| {
            let mut m = control::branches();
            let g = m.graph.as_mut().unwrap();
            g.input.retain(|v| v.name() != "flag");
            g.initializer.push(onnx_prune::onnx::proto::TensorProto {
                name: Some("flag".into()),
                data_type: Some(onnx_prune::onnx::DType::Bool as i32),
                int32_data: vec![taken.into()],
                ..Default::default()
            });
            let branch = g.node.iter_mut().find(|n| n.op_type() == "If").unwrap();
            if swapped {
                branch.attribute.reverse();
            }
            let mut all = groups(m);
            all.iter_mut().for_each(|g| {
                let mut words: Vec<&str> = g.split(' ').collect();
                words[2..].sort_unstable();
                *g = words[1..].join(" "); // the name is that of the first subgraph
            });
            all.sort();
            all
        };
        // Runtimes compare the shapes of both branches, so the one that is not taken shrinks with the other.
        let behind = |all: &[String]| all.iter().find(|g| g.contains("head.weight@1")).cloned().unwrap();
        for all in [with(false), with(true)] {
            let group = behind(&all);
            assert!(group.contains("yesown.weight@0") && group.contains("outer.weight@0"), "{taken}: {group}");
        }
        assert_eq!(with(false), with(true));
    }
}

#[test]
fn weights_that_loops_hand_on_are_read_from_outside() {
    let expected = ["input.weight ffn 8: h0@1 input.weight@1 state.weight@0 state.weight@1 head.weight@1"];
    assert_eq!(groups(control::handed_on()), expected);
    assert_eq!(groups(control::scanned_with_weights()), expected);
    let model = load(control::handed_on());
    assert_eq!(model.warnings, ["2 states that loops hand on unchanged are read from outside of them"]);
    let node = model.graph().unwrap().node.iter().find(|n| n.op_type() == "Loop").unwrap();
    assert_eq!((node.input.len(), node.output.len()), (3, 2));
}
