//! Weights of integers, with scales and zero points that follow them.

use onnx_prune::analysis::{Analysis, TensorId};

use super::{frozen, groups, load};
use crate::zoo::quantized;

#[test]
fn scales_and_zero_points_follow_their_axis() {
    let expected = [
        "first.q 8: first.q@0 first.scale@0 first.zero@0 first.bias@0 second.q@1",
        "second.q 12: second.q@0 second.scale@0 second.zero@0 second.bias@0 head.q@0",
    ];
    assert_eq!(groups(quantized::pairs_per_channel()), expected);
    let expected = ["first.q 8: first.q@0 first.bias@0 second.q@1", "second.q 12: second.q@0 second.bias@0 head.q@0"];
    assert_eq!(groups(quantized::pairs_per_tensor()), expected);
}

#[test]
fn operators_over_whole_numbers_are_those_over_real_ones() {
    let expected = [
        "first.q 8: first.q@0 first.scale@0 first.zero@0 first.bias@0 second.q@1",
        "second.q 12: second.q@0 second.scale@0 second.zero@0 second.bias@0 head.q@0",
    ];
    assert_eq!(groups(quantized::whole_numbers()), expected);
}

#[test]
fn dynamic_scales_mix_all_axes() {
    let expected = ["first.q ffn 16 mixed: first.q@1 first.zero@0 first.scale@0 first.bias@0 second.q@0"];
    assert_eq!(groups(quantized::dynamic()), expected);
}

#[test]
fn blocks_go_as_a_whole() {
    let expected = ["first.weight ffn 4: first.weight@1x4 first.bias@0x4 second.q@0x4 second.scale@0"];
    assert_eq!(groups(quantized::blocks_of_four()), expected);
}

/// Wherever the scale stands: beside the numbers, or behind the sums of their products.
#[test]
fn scales_are_found() {
    for m in [quantized::pairs_per_channel(), quantized::whole_numbers(), quantized::dynamic()] {
        let model = load(m);
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        let numbers = a.views.iter().filter(|v| a.graph.name(v.tensor).ends_with(".q"));
        let mut seen = 0;
        for v in numbers {
            let layer = a.graph.name(v.tensor).trim_end_matches(".q");
            let q = v.quantized.unwrap();
            assert_eq!(a.graph.name(q.scale.unwrap()), format!("{layer}.scale"));
            assert_eq!(a.graph.name(q.zero_point.unwrap()), format!("{layer}.zero"));
            seen += 1;
        }
        assert!(seen > 1);
    }
}

#[test]
fn cast_numbers_are_quantized_weights() {
    let expected = [
        "first.q ffn 16: first.q@1 first.zero@0 first.scale@0 first.bias@0 second.q@0",
        "second.q ffn 12: second.q@1 second.bias@0 third.q@1",
    ];
    assert_eq!(groups(quantized::cast_weights()), expected);
    let expected =
        ["first.q 8: first.q@0 first.scale@1 second.q@0", "second.q ffn 12: second.q@1 second.scale@0 head.weight@1"];
    assert_eq!(groups(quantized::cast_scaled_after()), expected);
    for (m, zero) in [(quantized::cast_weights(), true), (quantized::cast_scaled_after(), false)] {
        let model = load(m);
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        for layer in ["first", "second"] {
            let v = a.views.iter().find(|v| a.graph.name(v.tensor) == format!("{layer}.q")).unwrap();
            let named = |id: Option<TensorId>| id.map(|id| a.graph.name(id).to_owned());
            let q = v.quantized.unwrap();
            assert_eq!(named(q.scale), Some(format!("{layer}.scale")));
            assert_eq!(named(q.zero_point), zero.then(|| format!("{layer}.zero")));
        }
    }
}

#[test]
fn numbers_whose_zero_cannot_be_told_stay() {
    for added in [false, true] {
        assert_eq!(groups(quantized::cast_without_a_zero(added)), [""; 0]);
        let expected = ["20 graph input: first.q@0", "16 quantized weight: first.q@1 first.scale@0 head.weight@1"];
        assert_eq!(frozen(quantized::cast_without_a_zero(added))[..2], expected);
    }
}

#[test]
fn quantized_cells_have_the_groups_of_others() {
    let expected = [
        "one.W.q ffn 8: one.W.q@2x4 one.R.q@1 one.R.q@2x4 one.B@1x8 one.W.scale@1x4 one.W.zero@1x4 one.R.scale@1x4 one.R.zero@1x4 two.W.q@1",
        "two.W.q ffn 6: two.W.q@2x4 two.R.q@1 two.R.q@2x4 two.B@1x8 head.weight@1",
    ];
    assert_eq!(groups(quantized::dynamic_lstm()), expected);
}

#[test]
fn packed_inputs_go_by_whole_blocks() {
    let expected = [
        "first.q ffn 4: first.q@0x16 first.scale@0x32 first.zero@0x16 first.bias@0x16 second.q@1 second.scale@0x128",
        "second.q ffn 4: second.q@0x32 second.scale@0x128 second.bias@0x32 third.q@1x2 third.scale@0x24 third.zero@0x12",
        "third.q ffn 12: third.q@0 third.scale@0x8 third.zero@0x4 third.bias@0 head.weight@1",
    ];
    assert_eq!(groups(quantized::packed_blocks()), expected);
}

#[test]
fn operators_over_packed_numbers_are_counted() {
    let macs = |m, sizes: &[i64]| {
        let model = load(m);
        let a = Analysis::new(&model, &vec![(String::new(), sizes.to_vec()).into()]).unwrap();
        assert!(a.costs.uncounted.is_empty(), "{:?}", a.costs.uncounted);
        a.costs.macs.eval(&a.full_counts())
    };
    assert_eq!(macs(quantized::packed_blocks(), &[1, 32]), f64::from(32 * 64 + 64 * 128 + 128 * 12 + 12 * 10));
    let cell = |from: i32, hidden: i32| 6 * 4 * hidden * (from + hidden);
    assert_eq!(macs(quantized::dynamic_lstm(), &[6, 1, 5]), f64::from(cell(5, 8) + cell(8, 6) + 60));
}
