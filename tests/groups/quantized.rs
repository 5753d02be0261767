//! Weights of whole numbers, with scales and zero points that follow them.

use onnx_prune::analysis::Analysis;

use crate::zoo::quantized;
use crate::{groups, load};

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
        let numbers = a.variants.iter().filter(|v| a.graph.names[v.tensor].ends_with(".q"));
        let mut seen = 0;
        for v in numbers {
            let layer = a.graph.names[v.tensor].trim_end_matches(".q");
            let q = v.quantized.unwrap();
            assert_eq!(a.graph.names[q.scale.unwrap()], format!("{layer}.scale"));
            assert_eq!(a.graph.names[q.zero_point.unwrap()], format!("{layer}.zero"));
            seen += 1;
        }
        assert!(seen > 1);
    }
}
