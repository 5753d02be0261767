//! Ways to store weights, to spell sizes, and what is said of groups.

use super::{groups, load};
use crate::zoo::{branches, channels, shaping, storage};
use onnx_prune::analysis::Analysis;
use onnx_prune::job::Job;
use onnx_prune::ops::Role;
use onnx_prune::{criteria, planning};

#[test]
fn channels_pass_through_shape_arithmetic() {
    let expected = [
        "patch.weight 8: patch.weight@0 patch.bias@0 inner.weight@0 outer.weight@1 outer.bias@0 last.weight@1",
        "inner.weight ffn 12: inner.weight@1 inner.bias@0 outer.weight@0",
    ];
    assert_eq!(groups(shaping::run_time_sizes()), expected);
}

#[test]
fn a_width_computed_from_channels_is_known() {
    let expected = ["conv.weight 8: conv.weight@0 conv.bias@0 head.weight@1x64"];
    assert_eq!(groups(shaping::shape_from_channels()), expected);
}

#[test]
fn sizes_as_attributes_and_as_operands_say_the_same() {
    let expected = [
        "conv.weight 4: conv.weight@0x2 conv.bias@0x2 added.weight@1 sliced.weight@1",
        "conv.weight#2 2: conv.weight@0 conv.bias@0 added.weight@1 sliced.weight@1",
        "conv.weight#3 2: conv.weight@0 conv.bias@0 added.weight@1",
        "added.weight 8: added.weight@0 added.bias@0 sliced.weight@0 sliced.bias@0 head.weight@1",
    ];
    assert_eq!(groups(shaping::old_attributes()), expected);
    assert_eq!(groups(shaping::new_operands()), expected);
}

#[test]
fn layers_without_images() {
    let expected = [
        "fc1.weight ffn 16: fc1.weight@0 fc1.bias@0 fc2.weight@0",
        "fc2.weight ffn 12: fc2.weight@1 fc2.bias@0 fc3.weight@1",
    ];
    assert_eq!(groups(shaping::dense_input()), expected);
}

#[test]
fn axes_of_one_come_and_go() {
    let expected = ["conv.weight 8: conv.weight@0 head.weight@0"];
    assert_eq!(groups(shaping::squeezed()), expected);
}

#[test]
fn weights_may_be_constant_nodes() {
    let expected = ["Constant_1.out 8: Constant_1.out@0 head.weight@1"];
    assert_eq!(groups(storage::weights_as_constants()), expected);
}

#[test]
fn a_transposed_weight_shrinks_on_its_last_axis() {
    let expected = ["stored 8: stored@3 head.weight@1"];
    assert_eq!(groups(storage::weights_transposed()), expected);
}

#[test]
fn a_cast_weight_shrinks_as_it_is_stored() {
    let expected = ["stored 8: stored@0 head.weight@1"];
    assert_eq!(groups(storage::weights_cast_from_half()), expected);
}

#[test]
fn identity_is_looked_through() {
    let expected = ["stored 8: stored@0 head.weight@1"];
    assert_eq!(groups(storage::weights_through_identity()), expected);
}

#[test]
fn quantized_weights_are_weights() {
    let expected = ["stored 8: stored@0 plain.weight@1", "plain.weight 6: plain.weight@0 plain.bias@0 head.weight@1"];
    assert_eq!(groups(storage::dequantized()), expected);
}

#[test]
fn initializers_that_are_inputs_are_still_weights() {
    assert_eq!(groups(storage::initializers_as_inputs()), groups(channels::chain()));
}

/// However a weight is stored, a criterion must see what the operator does with it.
#[test]
fn weights_have_the_role_of_their_use() {
    let stored = [
        storage::weights_as_constants,
        storage::weights_transposed,
        storage::weights_cast_from_half,
        storage::weights_through_identity,
    ];
    for build in stored {
        let model = load(build());
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        let roles: Vec<Role> = a.groups[0].items.iter().map(|i| i.role).collect();
        assert_eq!(roles, [Role::Out, Role::In], "{}", a.groups[0].name);
    }
}

#[test]
fn groups_of_one_structure_say_so() {
    let model = load(branches::shared_zero_bias());
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    assert_eq!(a.groups[0].structure, a.groups[1].structure);
    assert_ne!(a.groups[0].structure, a.groups[2].structure, "the last one meets a fully connected layer");
}

#[test]
fn a_model_without_groups_is_an_error_of_planning() {
    let model = load(storage::nothing_prunable());
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    assert!(a.groups.is_empty());
    let options = planning::Options::default();
    let targets = planning::targets::Targets::one(&planning::targets::Ratio, 0.5);
    let aim = planning::PlanRequest::new(
        criteria::find("l2").unwrap(),
        planning::find_scheme("local").unwrap(),
        &targets,
        &options,
    );
    let Err(planning::Error::NothingPrunable { why }) = planning::plan(&a, &aim, Job::default()) else {
        panic!("a plan for nothing")
    };
    assert!(why.contains("graph input"), "{why}");
}

#[test]
fn functions_of_the_model_are_written_out() {
    let expected = [
        "first.weight 8: first.weight@0 second.weight@1",
        "second.weight 6: second.weight@0 second.bias@0 head.weight@1",
    ];
    let m = storage::called_functions();
    assert_eq!(groups(m.clone()), expected);
    let model = load(m);
    assert!(model.proto.functions.is_empty());
    assert!(model.warnings.iter().any(|w| w.contains("3 calls of functions")), "{:?}", model.warnings);
    let slopes: Vec<f32> =
        model.graph().unwrap().node.iter().filter_map(|n| onnx_prune::onnx::attr_f(n, "alpha")).collect();
    assert_eq!(slopes, [0.5, 0.2]);
}

#[test]
fn truth_of_a_size_is_one() {
    let expected = ["embed.weight ffn 15: embed.weight@1 embed.bias@0 head.weight@0"];
    assert_eq!(groups(shaping::truth_of_a_size()), expected);
}
