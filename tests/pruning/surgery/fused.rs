//! Attributes of fused operators follow the axes; what they leave to be derived from a width stays what it was.

use std::sync::Arc;

use onnx_prune::algebra::Kept;
use onnx_prune::analysis::{Analysis, AxisKind, Group};
use onnx_prune::onnx::proto::{ModelProto, NodeProto};
use onnx_prune::onnx::{attr_f, attr_i, attr_ints};
use onnx_prune::rewriting;

use super::{common, load};
use crate::zoo::{attention, fused, heads};

/// A network of the zoo.
type Build = fn() -> ModelProto;

/// The first node of that type, once the groups that `keep` names have as many channels as it says.
fn cut(m: &ModelProto, op: &str, keep: impl Fn(&Group) -> Option<u32>) -> NodeProto {
    let model = load(&common::bytes(m));
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let kept = |g: &Group| keep(g).map(|n| (g.atom, Arc::from((0..n).collect::<Vec<_>>())));
    let kept: Kept = a.groups.iter().filter_map(kept).collect();
    assert!(!kept.is_empty());
    let small = rewriting::prune(&a, &kept).unwrap();
    small.graph.unwrap().node.into_iter().find(|n| n.op_type() == op).unwrap()
}

fn only(kind: AxisKind, n: u32) -> impl Fn(&Group) -> Option<u32> {
    move |g| (g.kind == kind).then_some(n)
}

#[test]
fn numbers_of_heads_follow() {
    let n = cut(&heads::attention_op(), "Attention", only(AxisKind::Heads, 1));
    assert_eq!((attr_i(&n, "q_num_heads"), attr_i(&n, "kv_num_heads")), (Some(1), Some(1)));
    let n = cut(&fused::multi_head(), "MultiHeadAttention", only(AxisKind::Heads, 1));
    assert_eq!(attr_i(&n, "num_heads"), Some(1));
    let n = cut(&fused::packed_attention(), "Attention", only(AxisKind::Heads, 1));
    assert_eq!(attr_i(&n, "num_heads"), Some(1));
    let n = cut(&heads::rotary_op(), "RotaryEmbedding", only(AxisKind::Heads, 1));
    assert_eq!(attr_i(&n, "num_heads"), Some(1));
}

/// A head of keys goes with its queries; a query goes from every head of keys.
#[test]
fn grouped_heads_go_by_group_or_by_place_within_it() {
    for build in [fused::group_query, fused::group_query_packed] {
        let m = build();
        let of_keys = |g: &Group| (g.kind == AxisKind::Heads && !g.name.contains('#')).then_some(1);
        let n = cut(&m, "GroupQueryAttention", of_keys);
        assert_eq!((attr_i(&n, "num_heads"), attr_i(&n, "kv_num_heads")), (Some(2), Some(1)));
    }
    let n = cut(&fused::group_query(), "GroupQueryAttention", |g| (g.items.len() == 2).then_some(1));
    assert_eq!((attr_i(&n, "num_heads"), attr_i(&n, "kv_num_heads")), (Some(2), Some(2)));
}

/// Without an attribute the scale is 1/√channels of a head: fewer channels must not change it.
#[test]
fn a_scale_that_follows_from_the_width_is_spelled_out() {
    let cases: [(Build, &str, f32, u32); 4] = [
        (heads::attention_op, "Attention", 8.0, 3),
        (fused::multi_head, "MultiHeadAttention", 8.0, 3),
        (fused::packed_attention, "Attention", 8.0, 3),
        (fused::group_query, "GroupQueryAttention", 32.0, 1),
    ];
    for (build, op, width, n) in cases {
        let m = build();
        let cut_channels = cut(&m, op, only(AxisKind::HeadDim, n));
        assert_eq!(attr_f(&cut_channels, "scale"), Some(1.0 / width.sqrt()), "{op}");
        assert_eq!(attr_f(&cut(&m, op, only(AxisKind::Heads, 1)), "scale"), None, "{op}");
    }
    let given = cut(&heads::rotary_op(), "Attention", only(AxisKind::HeadDim, 2));
    assert_eq!(attr_f(&given, "scale"), Some(0.4));
}

#[test]
fn parts_of_a_packed_weight_are_told_once_they_differ() {
    let m = fused::packed_attention();
    let all = cut(&m, "Attention", only(AxisKind::HeadDim, 5));
    assert_eq!(attr_ints(&all, "qkv_hidden_sizes"), None);
    let values = |g: &Group| (g.kind == AxisKind::HeadDim && g.items.len() == 3).then_some(5);
    assert_eq!(attr_ints(&cut(&m, "Attention", values), "qkv_hidden_sizes"), Some(&[16, 16, 10][..]));
}

#[test]
fn the_rotated_part_of_a_head_follows_its_tables() {
    let pairs = |g: &Group| (g.kind == AxisKind::HeadDim && g.items.len() > 4).then_some(3);
    let n = cut(&heads::rotary_op_in_part(), "RotaryEmbedding", pairs);
    assert_eq!(attr_i(&n, "rotary_embedding_dim"), Some(6));
}

#[test]
fn no_more_experts_are_picked_than_there_are() {
    let m = fused::experts();
    assert_eq!(attr_i(&cut(&m, "MoE", only(AxisKind::Experts, 3)), "k"), Some(2));
    assert_eq!(attr_i(&cut(&m, "MoE", only(AxisKind::Experts, 1)), "k"), Some(1));
}

/// A network costs the same whichever operators spell it, before and after.
#[test]
fn one_operator_costs_what_its_parts_cost() {
    let pairs: [(Build, Build); 2] =
        [(heads::attention_op_grouped, attention::grouped_query), (fused::packed_attention, attention::fused_qkv)];
    for (one, parts) in pairs {
        let models = [one(), parts()].map(|m| load(&common::bytes(&m)));
        let [one, parts] = models.each_ref().map(|m| Analysis::new(m, &Vec::new()).unwrap());
        assert_eq!(one.costs.macs.eval(&one.full_counts()), parts.costs.macs.eval(&parts.full_counts()));
    }
    let model = load(&common::bytes(&fused::packed_attention()));
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    // 6 tokens, width 16, 2 heads of 5 channels in queries and keys and of 8 in values; 12 before and 10 after.
    let counts: Vec<usize> =
        a.groups.iter().map(|g| if g.kind == AxisKind::HeadDim && g.items.len() == 2 { 5 } else { g.size }).collect();
    let by_hand = 6 * (12 * 16 + 16 * (10 + 10 + 16) + 6 * 10 + 6 * 16 + 16 * 16 + 16 * 10);
    assert_eq!(a.costs.macs.eval(&counts), f64::from(by_hand));
}

/// What only a run can tell of a cache's length is taken from what the file declares.
#[test]
fn caches_keep_their_declared_sizes() {
    for m in [fused::group_query_cached(), heads::attention_op_cached()] {
        let model = load(&common::bytes(&m));
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        let heads: Vec<usize> = a.groups.iter().filter(|g| g.kind == AxisKind::Heads).map(|g| g.size).collect();
        assert_eq!(heads, [2], "heads of keys and values are the caller's");
        assert!(a.frozen.iter().any(|f| f.kind == "graph input" || f.kind == "graph output"));
        let small = rewriting::prune(&a, &Kept::from([(a.groups[0].atom, Arc::from([0]))])).unwrap();
        assert_eq!(small.graph.unwrap().output, m.graph.unwrap().output);
    }
}
