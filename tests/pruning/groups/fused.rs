//! Attention as one operator, and operators of onnxruntime's own.

use super::{frozen, groups};
use crate::zoo::{attention, fused, heads};

/// The same groups, whichever weights carry their biases.
fn without_biases(groups: Vec<String>) -> Vec<String> {
    let keep = |g: &String| g.split(' ').filter(|p| !p.contains("bias@")).collect::<Vec<_>>().join(" ");
    groups.iter().map(keep).collect()
}

#[test]
fn one_head_of_keys_for_all_queries_leaves_the_queries_heads() {
    let expected = [
        "q.weight heads 4: q.weight@1x4 q.bias@0x4 proj.weight@0x4",
        "q.weight#2 head-dim 4: q.weight@1x4 q.bias@0x4 k.weight@1 k.bias@0",
        "v.weight head-dim 4: v.weight@1 v.bias@0 proj.weight@0x4",
    ];
    assert_eq!(groups(heads::one_key_for_all())[1..], expected);
}

#[test]
fn the_other_sequence_of_cross_attention_has_a_width_of_its_own() {
    let found = groups(heads::cross_attention());
    let memory = "memory.weight ffn 12: memory.weight@1 memory.bias@0 k.weight@0 v.weight@0";
    assert!(found.contains(&memory.to_owned()), "{found:#?}");
}

#[test]
fn talking_heads_are_two_groups() {
    let expected = [
        "q.weight heads 4: q.weight@1x4 q.bias@0x4 k.weight@1x4 k.bias@0x4 talk@0",
        "q.weight#2 head-dim 4: q.weight@1x4 q.bias@0x4 k.weight@1x4 k.bias@0x4",
        "v.weight head-dim 4: v.weight@1x6 v.bias@0x6 proj.weight@0x6",
        "v.weight#2 heads 6: v.weight@1x4 v.bias@0x4 talk@1 proj.weight@0x4",
    ];
    assert_eq!(groups(heads::talking_heads())[1..], expected);
}

#[test]
fn windows_change_nothing() {
    assert_eq!(groups(heads::window_attention())[1..], groups(attention::scale_from_shape())[1..]);
}

#[test]
fn a_bias_by_distance_has_a_column_for_each_head() {
    let heads = "q.weight heads 4: q.weight@1x4 q.bias@0x4 k.weight@1x4 k.bias@0x4 v.weight@1x4 v.bias@0x4 table@1 proj.weight@0x4";
    assert_eq!(groups(heads::relative_bias())[1], heads);
}

#[test]
fn attention_in_one_operator_has_the_axes_of_its_parts() {
    let expected = [
        "q.weight heads 2: q.weight@1x8 q.bias@0x8 k.weight@1x8 k.bias@0x8 v.weight@1x6 v.bias@0x6 bias@1 proj.weight@0x6",
        "q.weight#2 head-dim 8: q.weight@1x2 q.bias@0x2 k.weight@1x2 k.bias@0x2",
        "v.weight head-dim 6: v.weight@1x2 v.bias@0x2 proj.weight@0x2",
    ];
    assert_eq!(groups(heads::attention_op())[1..], expected);
    assert_eq!(groups(heads::attention_op_grouped()), groups(attention::grouped_query()));
}

#[test]
fn biases_within_the_operator_change_no_group() {
    assert_eq!(without_biases(groups(fused::multi_head())), without_biases(groups(heads::attention_op())));
}

#[test]
fn rotation_ties_channels_to_the_columns_of_its_tables() {
    let pairs =
        "q.weight head-dim 4: q.weight@1x4 q.bias@0x4 k.weight@1x4 k.bias@0x4 cos@1 sin@1 cos@1 sin@1".to_owned();
    let found = groups(heads::rotary_op());
    assert!(found.contains(&pairs), "{found:#?}");
    let found = groups(heads::rotary_op_in_part());
    assert!(found.contains(&pairs), "{found:#?}");
    let rest = "q.weight#2 head-dim 4: q.weight@1x2 q.bias@0x2 k.weight@1x2 k.bias@0x2".to_owned();
    assert!(found.contains(&rest), "{found:#?}");
    let two = "2 two channels turned together: q.weight@1 q.bias@0 k.weight@1 k.bias@0".to_owned();
    assert!(frozen(heads::rotary_op_in_part()).contains(&two));
}

#[test]
fn keys_and_values_by_head_have_heads_of_one_width() {
    let coupled = "q.weight#2 head-dim 8: q.weight@1x2 q.bias@0x2 k.weight@1x2 k.bias@0x2 v.weight@1x2 v.bias@0x2 proj.weight@0x2";
    assert_eq!(groups(fused::multi_head_cross())[2], coupled);
}

#[test]
fn grouped_query_heads_shrink_in_steps_of_eight() {
    let expected = [
        "q.weight heads 2: q.weight@1x64 k.weight@1x32 v.weight@1x32 proj.weight@0x64",
        "q.weight#2 query-heads 2: q.weight@1x64 proj.weight@0x64",
        "q.weight#3 head-dim 2: q.weight@1x64 k.weight@1x32 v.weight@1x32 cos@1x8 sin@1x8 proj.weight@0x64",
    ];
    assert_eq!(groups(fused::group_query())[1..], expected);
    let expected = [
        "qkv.weight heads 2: qkv.weight@1x64 qkv.bias@0x64 proj.weight@0x32",
        "qkv.weight#2 query-heads 2: qkv.weight@1x32 qkv.bias@0x32 proj.weight@0x32",
        "qkv.weight#3 head-dim 2: qkv.weight@1x64 qkv.bias@0x64 proj.weight@0x32",
    ];
    assert_eq!(groups(fused::group_query_packed())[1..], expected);
    let step = "8 width of a head in steps of 8: qkv.weight@1 qkv.bias@0 proj.weight@0".to_owned();
    assert!(frozen(fused::group_query_packed()).contains(&step));
}

#[test]
fn a_packed_weight_has_three_parts() {
    let expected = [
        "qkv.weight heads 2: qkv.weight@1x24 qkv.bias@0x24 proj.weight@0x8",
        "qkv.weight#2 head-dim 8: qkv.weight@1x4 qkv.bias@0x4",
        "qkv.weight#3 head-dim 8: qkv.weight@1x2 qkv.bias@0x2 proj.weight@0x2",
    ];
    assert_eq!(groups(fused::packed_attention())[1..], expected);
}

#[test]
fn a_normalised_sum_couples_what_it_adds() {
    let width = "embed.weight residual 16 mixed: embed.weight@1 embed.bias@0 a.weight@0 a.weight@1 a.bias@0 norm.weight@0 norm.bias@0 bias@0 up.weight@0 down.weight@1 down.bias@0 positions@1 last.weight@0 last.bias@0 head.weight@0";
    let inner = "up.weight ffn 24: up.weight@1 up.bias@0 down.weight@0";
    assert_eq!(groups(fused::skip_norm()), [width, inner]);
    let words = "words residual 16 mixed: words@1 positions@1 kinds@1 norm.weight@0 norm.bias@0 up.weight@0 down.weight@1 down.bias@0 head.weight@0";
    assert_eq!(groups(fused::embed_norm()), [words, inner]);
    assert_eq!(groups(fused::skip_simplified_norm())[1], inner);
}

#[test]
fn activations_and_sums_within_a_layer_change_nothing() {
    let expected = [
        "stem.weight 8: stem.weight@0 stem.bias@0 inner.weight@1 outer.weight@0 outer.bias@0 head.weight@1",
        "inner.weight 12: inner.weight@0 inner.bias@0 outer.weight@1",
    ];
    assert_eq!(groups(fused::fused_conv()), expected);
    let expected = [
        "a.weight ffn 16: a.weight@0 a.bias@0 b.weight@0",
        "b.weight ffn 24: b.weight@1 b.bias@0 c.weight@0",
        "c.weight ffn 20: c.weight@1 c.bias@0 d.weight@1",
    ];
    assert_eq!(groups(fused::fused_dense()), expected);
}

#[test]
fn experts_are_a_group_and_so_is_their_inside() {
    let expected = [
        "router.weight experts 4 mixed: router.weight@1 router.bias@0 first.weight@0 first.bias@0 second.weight@0 second.bias@0",
        "first.weight ffn 12: first.weight@1 first.bias@1 second.weight@2",
    ];
    assert_eq!(groups(fused::experts())[1..], expected);
    let gated = "first.weight ffn 12: first.weight@1x2 first.bias@1x2 second.weight@2";
    assert_eq!(groups(fused::experts_interleaved())[2], gated);
}
