//! Layers that read one weight are one layer.

use super::{frozen, groups, groups_of};
use crate::zoo::shared;
use onnx_prune::analysis::Sharing;

#[test]
fn towers_are_one_tower() {
    let expected = [
        "one.weight 8: one.weight@0 one.bias@0 two.weight@1",
        "two.weight 12: two.weight@0 two.bias@0 fc.weight@1",
        "fc.weight ffn 6: fc.weight@0 fc.bias@0 head.weight@1",
    ];
    assert_eq!(groups(shared::siamese()), expected);
    assert_eq!(groups_of(shared::siamese(), Sharing::Apart).len(), 5);
}

#[test]
fn a_head_over_levels_is_one_head() {
    let expected = [
        "fine.weight 8: fine.weight@0 fine.bias@0 coarse.weight@0 coarse.bias@0 coarse.weight@1 tower.weight@1",
        "tower.weight 12: tower.weight@0 tower.bias@0 last.weight@1",
    ];
    let found = groups(shared::pyramid_head());
    let sorted = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(found.iter().map(|l| sorted(l)).collect::<Vec<_>>(), expected.map(sorted));
    assert_eq!(groups_of(shared::pyramid_head(), Sharing::Apart).len(), 4);
}

#[test]
fn a_block_that_is_repeated_is_one_block() {
    let found = groups(shared::recursive());
    let inner: Vec<&String> = found.iter().filter(|g| g.starts_with("up.weight")).collect();
    assert_eq!(inner, ["up.weight 12: up.weight@0 up.bias@0 down.weight@1"]);
    assert_eq!(groups_of(shared::recursive(), Sharing::Apart).len(), found.len() + 2);
}

#[test]
fn streams_with_one_table_have_one_width() {
    let found = groups(shared::two_streams());
    let width: Vec<&String> = found.iter().filter(|g| g.starts_with("table")).collect();
    let expected = "table residual 16: table@1 up.left.weight@0 up.right.weight@0 back.weight@1 back.bias@0 table@1";
    assert_eq!(width, [expected]);
}

/// However it is read.
#[test]
fn nodes_between_do_not_part_a_layer() {
    let ways = [
        (shared::shared_cast(), "stored@0"),
        (shared::shared_transposed(), "stored@3"),
        (shared::shared_gathered(), "stored@0"),
        (shared::shared_identity(), "stored@0"),
        (shared::shared_dequantized(), "stored@0 scale@0"),
    ];
    for (m, place) in ways {
        let found = groups(m.clone());
        assert!(found.contains(&format!("stored 8: {place} left.weight@1 right.weight@1")), "{found:?}");
        assert_eq!(groups_of(m, Sharing::Apart).len(), found.len() + 1, "{place}");
    }
}

#[test]
fn parts_of_one_weight_stay_together() {
    let found = groups(shared::shared_in_parts());
    let expected = ["stem.weight ffn 12: stem.weight@0 stem.bias@0 packed@1", "packed ffn 8: packed@0x3 head.weight@1"];
    assert_eq!(found, expected);
}

#[test]
fn subgraphs_share_with_the_graph_around_them() {
    let found = groups(shared::shared_in_branches());
    let of: Vec<&String> = found.iter().filter(|g| g.starts_with("shared.weight")).collect();
    assert_eq!(of, ["shared.weight 8: shared.weight@0 left.weight@1 right.weight@1"]);
}

#[test]
fn equal_contents_are_no_tie() {
    let expected = ["left.weight 8: left.weight@0 head.weight@1", "right.weight 8: right.weight@0 head.weight@1"];
    assert_eq!(groups(shared::twins()), expected);
    let found = groups(shared::merged_zeros());
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn uses_that_do_not_fit_together_freeze_the_weight() {
    assert!(groups(shared::unlike_uses()).iter().all(|g| !g.starts_with("conv")));
    let found = frozen(shared::unlike_uses());
    assert!(found.iter().any(|f| f.starts_with("8 ") && f.contains("shared.weight@0")), "{found:?}");
}
