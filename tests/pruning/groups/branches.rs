//! Channels put together and taken apart, and what stands in the way.

use super::{frozen, groups, groups_of};
use crate::zoo::{branches, settled, shaping};
use onnx_prune::analysis::Sharing;

#[test]
fn a_split_that_crosses_a_concatenation_cuts_at_both_places() {
    let expected = [
        "left.weight 4: left.weight@0 left.bias@0 top.weight@1",
        "right.weight 5: right.weight@0 right.bias@0 bottom.weight@1",
        "top.weight 7: top.weight@0 top.bias@0 bottom.weight@0 bottom.bias@0 head.weight@1",
    ];
    assert_eq!(groups(branches::concat_split()), expected);
}

#[test]
fn a_dense_block_keeps_its_layers_apart() {
    let expected = [
        "stem.weight 8: stem.weight@0 stem.bias@0 bn0.weight@0 bn0.bias@0 bn0.mean@0 bn0.var@0 conv0.weight@1 bn1.weight@0 bn1.bias@0 bn1.mean@0 bn1.var@0 conv1.weight@1 bn2.weight@0 bn2.bias@0 bn2.mean@0 bn2.var@0 conv2.weight@1 head.weight@1",
        "conv0.weight 4: conv0.weight@0 conv0.bias@0 bn1.weight@0 bn1.bias@0 bn1.mean@0 bn1.var@0 conv1.weight@1 bn2.weight@0 bn2.bias@0 bn2.mean@0 bn2.var@0 conv2.weight@1 head.weight@1",
        "conv1.weight 4: conv1.weight@0 conv1.bias@0 bn2.weight@0 bn2.bias@0 bn2.mean@0 bn2.var@0 conv2.weight@1 head.weight@1",
        "conv2.weight 4: conv2.weight@0 conv2.bias@0 head.weight@1",
    ];
    assert_eq!(groups(branches::dense_block()), expected);
}

#[test]
fn a_channel_shuffle_has_two_factors() {
    let expected = [
        "before.weight 3: before.weight@0x4 before.bias@0x4 dw.weight@0x4 dw.bias@0x4 after.weight@1x4",
        "before.weight#2 4: before.weight@0x3 before.bias@0x3 dw.weight@0x3 dw.bias@0x3 after.weight@1x3",
        "after.weight 6: after.weight@0 after.bias@0 head.weight@1",
    ];
    assert_eq!(groups(branches::channel_shuffle()), expected);
}

#[test]
fn a_padded_shortcut_is_coupled_where_it_is_not_padding() {
    let expected = [
        "stem.weight 8: stem.weight@0 stem.bias@0 conv1.weight@1 conv2.weight@0 conv2.bias@0 head.weight@1",
        "conv1.weight 16: conv1.weight@0 conv1.bias@0 conv2.weight@1",
        "conv2.weight 4: conv2.weight@0 conv2.bias@0 head.weight@1",
        "conv2.weight#2 4: conv2.weight@0 conv2.bias@0 head.weight@1",
    ];
    assert_eq!(groups(branches::padded_shortcut()), expected);
}

#[test]
fn a_shared_bias_is_no_coupling() {
    let expected = [
        "conv0.weight 8: conv0.weight@0 zero@0 conv1.weight@1",
        "conv1.weight 8: conv1.weight@0 zero@0 conv2.weight@1",
        "conv2.weight 8: conv2.weight@0 zero@0 head.weight@1",
    ];
    assert_eq!(groups(branches::shared_zero_bias()), expected);
}

#[test]
fn a_slice_cuts_a_part_out() {
    let expected = [
        "wide.weight 2: wide.weight@0 wide.bias@0 whole.weight@1",
        "wide.weight#2 4: wide.weight@0 wide.bias@0 part.weight@1 whole.weight@1",
        "wide.weight#3 2: wide.weight@0 wide.bias@0 whole.weight@1",
        "part.weight 6: part.weight@0 part.bias@0 whole.weight@0 whole.bias@0 head.weight@1",
    ];
    assert_eq!(groups(branches::slice_of_channels()), expected);
}

#[test]
fn a_shared_convolution_is_one_layer_unless_it_is_untied() {
    let expected = [
        "left.weight 8: left.weight@0 left.bias@0 right.weight@0 right.bias@0 shared.weight@1",
        "shared.weight 6: shared.weight@0 head.weight@1x2",
    ];
    assert_eq!(groups(branches::shared_conv()), expected);
    let expected = [
        "left.weight 8: left.weight@0 left.bias@0 shared.weight@1",
        "right.weight 8: right.weight@0 right.bias@0 shared.weight@1",
        "shared.weight 6: shared.weight@0 head.weight@1",
        "shared.weight#2 6: shared.weight@0 head.weight@1",
    ];
    assert_eq!(groups_of(branches::shared_conv(), Sharing::Apart), expected);
}

#[test]
fn unequal_parts_of_convolution_groups_shrink_by_the_common_divisor() {
    let m = branches::grouped_after_concat();
    let expected = [
        "left.weight 2: left.weight@0x4 left.bias@0x4 right.weight@0x2 right.bias@0x2 grouped.weight@1x3",
        "grouped.weight 4: grouped.weight@0x2 grouped.bias@0x2 last.weight@1x2",
        "last.weight 6: last.weight@0 last.bias@0 head.weight@1",
    ];
    assert_eq!(groups(m), expected);
}

#[test]
fn copies_lose_the_same_channels() {
    let m = shaping::tiled();
    let expected = [
        "conv.weight 8: conv.weight@0 conv.bias@0 after.weight@1x2",
        "after.weight 8: after.weight@0 after.bias@0 head.weight@1",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"2 number of copies: after.weight@1".to_owned()));
}

#[test]
fn a_range_of_indices_is_a_part() {
    let expected = [
        "conv.weight 3: conv.weight@0 conv.bias@0 whole.weight@1",
        "conv.weight#2 4: conv.weight@0 conv.bias@0 part.weight@1 whole.weight@1",
        "part.weight 6: part.weight@0 part.bias@0 whole.weight@0 whole.bias@0 head.weight@1",
    ];
    assert_eq!(groups(shaping::gathered_range()), expected);
}

#[test]
fn what_a_subgraph_only_passes_on_shrinks() {
    let expected = [
        "captured.weight 8: captured.weight@0 captured.bias@0 free.weight@1",
        "free.weight 12: free.weight@0 free.bias@0 head.weight@1",
    ];
    assert_eq!(groups(shaping::if_captures()), expected);
}

#[test]
fn an_unknown_operator_freezes_what_it_touches_only() {
    let m = shaping::custom_operator();
    let expected = [
        "first.weight 8: first.weight@0 first.bias@0 touched.weight@1",
        "after.weight 6: after.weight@0 after.bias@0 head.weight@1",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"12 operator without a rule: touched.weight@0 touched.bias@0".to_owned()));
    assert!(frozen(m.clone()).contains(&"12 operator without a rule: after.weight@1".to_owned()));
}

#[test]
fn what_no_input_decides_freezes_nothing() {
    let expected = [
        "patch.weight 8: patch.weight@0 patch.bias@0 inner.weight@0",
        "inner.weight ffn 12: inner.weight@1 inner.bias@0 head.weight@1",
    ];
    assert_eq!(groups(settled::counted_positions()), expected);
    assert_eq!(groups(settled::counted_to_a_size()), expected);
}

#[test]
fn a_group_normalisation_in_other_words_is_mixed_across() {
    let expected = [
        "conv1.weight 8 mixed: conv1.weight@0 conv1.bias@0 scale@0 shift@0 conv2.weight@1",
        "conv2.weight 6: conv2.weight@0 conv2.bias@0 head.weight@1",
    ];
    assert_eq!(groups(settled::one_group_norm()), expected);
}

#[test]
fn sizes_are_followed_through_real_numbers_and_branches() {
    let second = "conv2.weight 6: conv2.weight@0 conv2.bias@0 head.weight@1";
    let first = "conv1.weight 8: conv1.weight@0 conv1.bias@0 conv2.weight@1";
    assert_eq!(groups(settled::padded_by_arithmetic()), [first, second]);
    assert_eq!(groups(settled::copies_by_one_hot()), [first, second]);
}

#[test]
fn axes_that_an_index_only_counts_along_are_the_same_ones() {
    let expected = [
        "a.weight 8: a.weight@0 a.bias@0 z.weight@0 z.bias@0 last.weight@1",
        "last.weight 6: last.weight@0 last.bias@0 head.weight@1",
    ];
    assert_eq!(groups(settled::assigned_rows()), expected);
    assert_eq!(groups(settled::counted_channels()), ["conv.weight 8: conv.weight@0 conv.bias@0 head.weight@1"]);
}
