//! Weights that are computed from weights are what comes out of it; nothing inside is a layer.

use onnx_prune::analysis::Analysis;
use onnx_prune::onnx;

use super::{frozen, groups, load};
use crate::zoo::{computed, settled, shared};

#[test]
fn normed_weights_are_plain_ones() {
    let expected = [
        "pre.weight_v 8: pre.weight_v@0 up.weight_v@0",
        "up.weight_v 6: up.weight_v@1 fc.weight_v@1",
        "fc.weight_v ffn 12: fc.weight_v@0 fc.bias@0 head.weight@1",
    ];
    assert_eq!(groups(computed::weight_normed()), expected);
}

#[test]
fn the_largest_singular_value_is_no_layer() {
    let expected = [
        "one.weight_orig 8: one.weight_orig@0 two.weight_orig@1",
        "two.weight_orig 8: two.weight_orig@0 head.weight@1",
    ];
    assert_eq!(groups(computed::spectral_normed()), expected);
}

/// Channels that go are not missed by the statistics of those that stay: nothing is mixed across.
#[test]
fn standardised_weights_are_plain_ones() {
    let expected = ["one.weight 8: one.weight@0 two.weight@1", "two.weight 8: two.weight@0 head.weight@1"];
    assert_eq!(groups(computed::standardised()), expected);
    // Filters are the channels of what was normalised: [1, filters, the rest].
    let expected = ["one.weight 8: one.weight@1 two.weight@2x9", "two.weight 8: two.weight@1 head.weight@1"];
    assert_eq!(groups(computed::standardised_as_batch()), expected);
}

#[test]
fn factors_and_corrections_are_folded() {
    assert_eq!(groups(computed::scaled()), ["conv.weight 8: conv.weight@0 head.weight@1"]);
    assert_eq!(groups(computed::low_rank_added()), ["fc.weight ffn 24: fc.weight@0 head.weight@1"]);
}

/// A product that is larger than its factors stays one, and its rank is no layer.
#[test]
fn what_would_grow_is_not_folded() {
    let expected = ["stem.weight ffn 24: stem.weight@0 stem.bias@0 up@0", "down ffn 20: down@1 head.weight@1"];
    assert_eq!(groups(computed::low_rank()), expected);
    assert!(frozen(computed::low_rank()).iter().any(|f| f.starts_with("4 inside of a computed weight")));
    for m in [computed::low_rank(), settled::counted_positions(), settled::counted_to_a_size(), shared::shared_cast()] {
        let model = load(m);
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        assert!(a.graph.folded.is_empty());
    }
}

#[test]
fn a_weight_that_is_read_normed_and_plain_stays_whole() {
    let expected = ["last.weight 6: last.weight@0 last.bias@0 head.weight@1"];
    assert_eq!(groups(computed::normed_and_plain()), expected);
    let found = frozen(computed::normed_and_plain());
    assert!(
        found.iter().any(|f| f.contains("inside of a computed weight") && f.contains("shared.weight@0")),
        "{found:?}"
    );
}

/// g·v/‖v‖ by hand, and what the user is told.
#[test]
fn what_is_folded_is_what_a_run_computes() {
    let model = load(computed::weight_normed());
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    assert_eq!(a.graph.folded.len(), 3);
    let g = a.graph.proto();
    let of = |name: &str| onnx::to_f32(g.initializer.iter().find(|t| t.name() == name).unwrap()).unwrap().into_owned();
    let (v, scale) = (of("fc.weight_v"), of("fc.weight_g"));
    let folded = a.graph.folded.keys().map(|id| a.graph.tensor(*id).unwrap());
    let w = onnx::to_f32(folded.into_iter().find(|t| t.dims == [12, 6]).unwrap()).unwrap().into_owned();
    for (row, g) in (0..12).zip(scale) {
        let v = &v[row * 6..][..6];
        let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
        for (w, v) in w[row * 6..][..6].iter().zip(v) {
            assert!((w - g * v / norm).abs() <= 1e-6 * w.abs(), "{w} {}", g * v / norm);
        }
    }
    let told = a.warnings.iter().find(|w| w.contains("computed from other constants")).unwrap();
    assert!(told.starts_with("3 weights") && told.contains("Div, Mul, ReduceL2") && told.contains("'pre.weight_v'"));
}
