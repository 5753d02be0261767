//! Channels of convolutions, and what follows them.

use super::{frozen, groups};
use crate::zoo::{channels, positions};

#[test]
fn a_chain_has_one_group_per_layer() {
    let m = channels::chain();
    let expected = [
        "conv1.weight 8: conv1.weight@0 conv1.bias@0 conv2.weight@1",
        "conv2.weight 12: conv2.weight@0 bn2.weight@0 bn2.bias@0 bn2.mean@0 bn2.var@0 conv3.weight@1",
        "conv3.weight 6: conv3.weight@0 conv3.bias@0 head.weight@1",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"3 graph input: conv1.weight@1".to_owned()));
    assert!(frozen(m.clone()).contains(&"10 graph output: head.weight@0 head.bias@0".to_owned()));
}

#[test]
fn an_addition_couples_both_sides() {
    let expected = [
        "stem.weight 8: stem.weight@0 stem.bias@0 inner.weight@1 outer.weight@0 outer.bias@0 bn.weight@0 bn.bias@0 bn.mean@0 bn.var@0 head.weight@1",
        "inner.weight 6: inner.weight@0 inner.bias@0 outer.weight@1",
    ];
    assert_eq!(groups(channels::residual()), expected);
}

#[test]
fn a_depthwise_convolution_follows_its_channels() {
    let expected = [
        "expand.weight 8: expand.weight@0 expand.bias@0 dw.weight@0 dw.bias@0 bn.weight@0 bn.bias@0 bn.mean@0 bn.var@0 project.weight@1",
        "project.weight 6: project.weight@0 project.bias@0 head.weight@1",
    ];
    assert_eq!(groups(channels::depthwise()), expected);
}

#[test]
fn a_depthwise_multiplier_is_a_factor_of_its_own() {
    let expected = [
        "expand.weight 8: expand.weight@0 expand.bias@0 dw.weight@0x2 dw.bias@0x2 project.weight@1x2",
        "dw.weight 2: dw.weight@0x8 dw.bias@0x8 project.weight@1x8",
        "project.weight 6: project.weight@0 project.bias@0 head.weight@1",
    ];
    assert_eq!(groups(channels::depthwise_doubled()), expected);
}

#[test]
fn a_group_convolution_shrinks_within_its_groups() {
    let m = channels::group_conv();
    let expected = [
        "before.weight 2: before.weight@0x4 before.bias@0x4 grouped.weight@1",
        "grouped.weight 4: grouped.weight@0x4 grouped.bias@0x4 after.weight@1x4",
        "after.weight 6: after.weight@0 after.bias@0 head.weight@1",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"4 number of convolution groups: before.weight@0 before.bias@0 grouped.weight@0 grouped.bias@0 after.weight@1".to_owned()));
}

#[test]
fn a_transposed_convolution_reads_on_its_first_axis() {
    let expected =
        ["down.weight 8: down.weight@0 down.bias@0 up.weight@0", "up.weight 6: up.weight@1 up.bias@0 last.weight@1"];
    assert_eq!(groups(channels::transposed_conv()), expected);
}

#[test]
fn transposed_convolutions_have_groups_too() {
    let expected = [
        "down.weight 4: down.weight@0x2 down.bias@0x2 up.weight@0x2 up.bias@0x2 up2.weight@0x2",
        "up2.weight 3: up2.weight@1 up2.bias@0x2 last.weight@1x2",
    ];
    assert_eq!(groups(channels::transposed_depthwise()), expected);
}

#[test]
fn flattening_gives_each_channel_49_positions() {
    let expected = [
        "conv.weight 8: conv.weight@0 conv.bias@0 fc1.weight@1x49",
        "fc1.weight ffn 12: fc1.weight@0 fc1.bias@0 fc2.weight@1",
    ];
    assert_eq!(groups(channels::flatten_to_gemm()), expected);
}

#[test]
fn squeeze_and_excite_couples_the_scaled_channels() {
    let expected = [
        "conv.weight 8: conv.weight@0 conv.bias@0 reduce.weight@1 expand.weight@0 expand.bias@0 head.weight@1",
        "reduce.weight 4: reduce.weight@0 reduce.bias@0 expand.weight@1",
    ];
    assert_eq!(groups(channels::squeeze_excite()), expected);
}

#[test]
fn divisors_follow_their_channels() {
    assert_eq!(groups(channels::divided()), ["conv.weight 8: conv.weight@0 conv.bias@0 std@0 var@1 head.weight@1"]);
}

#[test]
fn instance_normalisation_acts_on_each_channel() {
    let expected = ["conv.weight 8: conv.weight@0 conv.bias@0 norm.weight@0 norm.bias@0 head.weight@1"];
    assert_eq!(groups(channels::instance_norm()), expected);
}

#[test]
fn reshaped_group_normalisation_loses_whole_groups_or_the_same_of_each() {
    let expected = [
        "conv.weight 4: conv.weight@0x2 conv.bias@0x2 ones@0 zeros@0 norm.weight@0x2 norm.bias@0x2 head.weight@1x2",
        "conv.weight#2 2 mixed: conv.weight@0x4 conv.bias@0x4 norm.weight@0x4 norm.bias@0x4 head.weight@1x4",
    ];
    assert_eq!(groups(channels::group_norm()), expected);
}

#[test]
fn pixel_shuffle_keeps_its_blocks() {
    let m = channels::pixel_shuffle();
    let expected = [
        "conv.weight 4: conv.weight@0x4 conv.bias@0x4 middle.weight@1",
        "middle.weight 3: middle.weight@0x4 middle.bias@0x4 last.weight@1",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"4 block of pixels: conv.weight@0 conv.bias@0".to_owned()));
}

#[test]
fn space_to_depth_repeats_channels_by_block() {
    let expected = [
        "conv.weight 6: conv.weight@0 conv.bias@0 after.weight@1x4",
        "after.weight 8: after.weight@0 after.bias@0 head.weight@1",
    ];
    assert_eq!(groups(channels::space_to_depth()), expected);
}

#[test]
fn channels_pass_what_works_along_other_axes() {
    use crate::zoo::positions::*;
    let chain = "conv1.weight 8: conv1.weight@0 conv1.bias@0 conv2.weight@1";
    let all = [running_sum, triangle, largest, backwards, masked, middle, sampled, regions];
    for (k, build) in all.into_iter().enumerate() {
        assert_eq!(groups(build())[0], chain, "network {k}");
    }
    assert_eq!(groups(picked_rows())[0], chain.replace(" 8:", " 8 mixed:"));
    assert_eq!(groups(columns_to_image())[0], "conv1.weight 8: conv1.weight@0x4 conv1.bias@0x4 conv2.weight@1");
    let expected = [
        "conv1.weight 8: conv1.weight@0 conv1.bias@0 offsets.weight@1 deform.weight@1",
        "deform.weight 8: deform.weight@0 deform.bias@0 conv2.weight@1",
    ];
    assert_eq!(groups(deformed())[..2], expected);
}

#[test]
fn indices_of_a_pooled_maximum_follow_its_channels() {
    let expected = [
        "conv1.weight 8: conv1.weight@0 conv1.bias@0 conv2.weight@1 conv3.weight@0 conv3.bias@0 head.weight@1",
        "conv2.weight 6: conv2.weight@0 conv2.bias@0 conv3.weight@1",
    ];
    for m in [positions::unpooled(), positions::unpooled_to_a_size(), positions::unpooled_to_open_sizes()] {
        assert_eq!(groups(m), expected);
    }
}

#[test]
fn indices_that_are_read_as_numbers_or_lead_elsewhere_stay() {
    for (elsewhere, kind) in [(true, "indices of a pooled maximum"), (false, "form of an operator without a rule")] {
        assert_eq!(
            groups(positions::read_indices(elsewhere)),
            ["conv2.weight 6: conv2.weight@0 conv2.bias@0 head.weight@1"]
        );
        let (stays, found) =
            (format!("8 {kind}: conv1.weight@0 conv1.bias@0"), frozen(positions::read_indices(elsewhere)));
        assert!(found.iter().any(|f| f.starts_with(&stays)), "{found:?}");
    }
}

/// 4 + 12 channels in 2 groups of 8: of every block of 4 the same ones go.
#[test]
fn groups_across_parts_shrink_by_the_common_divisor() {
    let first = "left.weight 4 mixed: left.weight@0 left.bias@0 right.weight@0x3 right.bias@0x3";
    let norm = " norm.weight@0x4 norm.bias@0x4 next.weight@1x4";
    assert_eq!(groups(channels::group_norm_across_parts())[0], format!("{first}{norm}"));
    assert_eq!(groups(channels::spelled_norm_across_parts())[0], format!("{first} next.weight@1x4"));
}
