//! Heads, embeddings and normalisation over channels.

use super::{frozen, groups};
use crate::zoo::attention;

#[test]
fn fused_attention_has_heads_and_their_insides() {
    let m = attention::fused_qkv();
    let expected = [
        "embed.weight residual 16 mixed: embed.weight@1 embed.bias@0 norm.weight@0 norm.bias@0 qkv.weight@0 proj.weight@1 proj.bias@0 head.weight@0",
        "qkv.weight heads 2: qkv.weight@1x24 qkv.bias@0x24 proj.weight@0x8",
        "qkv.weight#2 head-dim 8: qkv.weight@1x6 qkv.bias@0x6 proj.weight@0x2",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"3 picked by index: qkv.weight@1 qkv.bias@0".to_owned()));
}

#[test]
fn queries_and_keys_share_an_inside_that_values_do_not() {
    let expected = [
        "embed.weight residual 16: embed.weight@1 embed.bias@0 q.weight@0 k.weight@0 v.weight@0 proj.weight@1 proj.bias@0 head.weight@0",
        "q.weight heads 2: q.weight@1x4 q.bias@0x4 k.weight@1x4 k.bias@0x4 v.weight@1x4 v.bias@0x4 proj.weight@0x4",
        "q.weight#2 head-dim 4: q.weight@1x2 q.bias@0x2 k.weight@1x2 k.bias@0x2",
        "v.weight head-dim 4: v.weight@1x2 v.bias@0x2 proj.weight@0x2",
    ];
    assert_eq!(groups(attention::separate_qkv()), expected);
}

#[test]
fn grouped_query_attention_has_three_factors() {
    let expected = [
        "embed.weight residual 16: embed.weight@1 embed.bias@0 q.weight@0 k.weight@0 v.weight@0 proj.weight@1 proj.bias@0 head.weight@0",
        "q.weight head-dim 4: q.weight@1x4 q.bias@0x4 k.weight@1x2 k.bias@0x2",
        "q.weight#2 heads 2: q.weight@1x8 q.bias@0x8 k.weight@1x4 k.bias@0x4 v.weight@1x4 v.bias@0x4 proj.weight@0x8",
        "q.weight#3 query-heads 2: q.weight@1x8 q.bias@0x8 proj.weight@0x8",
        "v.weight head-dim 4: v.weight@1x2 v.bias@0x2 proj.weight@0x4",
    ];
    assert_eq!(groups(attention::grouped_query()), expected);
}

#[test]
fn rotary_halves_shrink_together() {
    let expected = [
        "embed.weight residual 16: embed.weight@1 embed.bias@0 q.weight@0 k.weight@0 v.weight@0 proj.weight@1 proj.bias@0 head.weight@0",
        "q.weight heads 2: q.weight@1x8 q.bias@0x8 k.weight@1x8 k.bias@0x8 v.weight@1x8 v.bias@0x8 proj.weight@0x8",
        "q.weight#2 head-dim 4: q.weight@1x4 q.bias@0x4 cos@3x2 sin@3x2 k.weight@1x4 k.bias@0x4 cos@3x2 sin@3x2",
        "v.weight head-dim 8: v.weight@1x2 v.bias@0x2 proj.weight@0x2",
    ];
    assert_eq!(groups(attention::rotary()), expected);
}

#[test]
fn rotary_pairs_shrink_together() {
    let expected = [
        "embed.weight residual 16: embed.weight@1 embed.bias@0 q.weight@0 k.weight@0 v.weight@0 proj.weight@1 proj.bias@0 head.weight@0",
        "q.weight heads 2: q.weight@1x8 q.bias@0x8 k.weight@1x8 k.bias@0x8 v.weight@1x8 v.bias@0x8 proj.weight@0x8",
        "q.weight#2 head-dim 4: q.weight@1x4 q.bias@0x4 cos@3x2 sin@3x2 k.weight@1x4 k.bias@0x4 cos@3x2 sin@3x2",
        "v.weight head-dim 8: v.weight@1x2 v.bias@0x2 proj.weight@0x2",
    ];
    assert_eq!(groups(attention::rotary_pairs()), expected);
}

#[test]
fn a_tied_embedding_is_one_group() {
    let m = attention::tied_embedding();
    let expected = [
        "table residual 16: table@1 up.weight@0 down.weight@1 down.bias@0 table@1",
        "up.weight ffn 24: up.weight@1 up.bias@0 down.weight@0",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"20 picked by index: table@0 table@0".to_owned()), "{:?}", frozen(m));
}

#[test]
fn layer_normalisation_mixes_its_channels() {
    let expected = [
        "embed.weight residual 16 mixed: embed.weight@1 embed.bias@0 norm.weight@0 norm.bias@0 up.weight@0 down.weight@1 down.bias@0 head.weight@0",
        "up.weight ffn 24: up.weight@1 up.bias@0 down.weight@0",
    ];
    assert_eq!(groups(attention::layer_norm()), expected);
}

#[test]
fn layer_normalisation_in_single_steps_mixes_too() {
    let expected = [
        "embed.weight ffn 16 mixed: embed.weight@1 embed.bias@0 norm.weight@0 norm.bias@0 up.weight@0",
        "up.weight ffn 24: up.weight@1 up.bias@0 down.weight@0",
        "down.weight ffn 16: down.weight@1 down.bias@0 head.weight@0",
    ];
    assert_eq!(groups(attention::decomposed_layer_norm()), expected);
}

#[test]
fn bins_of_a_softmax_are_a_kind_of_their_own() {
    let m = attention::softmax_bins();
    let expected = [
        "conv.weight 8: conv.weight@0 conv.bias@0 sides.weight@1",
        "sides.weight distribution 16 mixed: sides.weight@0x4 sides.bias@0x4 bins@1",
    ];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"4 graph output: sides.weight@0 sides.bias@0".to_owned()));
}

#[test]
fn a_scale_from_a_shape_freezes_nothing() {
    let expected = [
        "embed.weight residual 16: embed.weight@1 embed.bias@0 q.weight@0 k.weight@0 v.weight@0 proj.weight@1 proj.bias@0 head.weight@0",
        "q.weight heads 2: q.weight@1x8 q.bias@0x8 k.weight@1x8 k.bias@0x8 v.weight@1x8 v.bias@0x8 proj.weight@0x8",
        "q.weight#2 head-dim 8: q.weight@1x2 q.bias@0x2 k.weight@1x2 k.bias@0x2",
        "v.weight head-dim 8: v.weight@1x2 v.bias@0x2 proj.weight@0x2",
    ];
    assert_eq!(groups(attention::scale_from_shape()), expected);
}

#[test]
fn letters_of_an_einsum_are_axes() {
    let expected = [
        "embed.weight residual 16: embed.weight@1 embed.bias@0 q@0 k@0 v@0 proj@2 head.weight@0",
        "q heads 2: q@1 k@1 v@1 proj@0",
        "q#2 head-dim 8: q@2 k@2",
        "v head-dim 8: v@2 proj@1",
    ];
    assert_eq!(groups(attention::einsum_attention()), expected);
}

#[test]
fn interleaved_channels_go_in_pairs() {
    let m = attention::interleaved();
    let expected = ["embed.weight ffn 8: embed.weight@1x2 embed.bias@0x2 head.weight@0x2"];
    assert_eq!(groups(m.clone()), expected);
    assert!(frozen(m.clone()).contains(&"2 sliced with a stride: embed.weight@1 embed.bias@0".to_owned()));
}

#[test]
fn the_width_of_experts_is_one_group() {
    let expected = [
        "embed.weight residual 16: embed.weight@1 embed.bias@0 router.weight@0 up@2 down@1 head.weight@0",
        "up ffn 24: up@1 down@2",
    ];
    assert_eq!(groups(attention::experts_by_token()), expected);
}
