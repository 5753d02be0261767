//! What the axes of networks are for.

use onnx_prune::analysis::{Analysis, AxisKind};
use onnx_prune::job::Job;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::planning::targets::{Speedup, Targets};
use onnx_prune::planning::{self, Axes, Options};

use super::{groups, load};
use crate::zoo::{attention, branches, channels, kinds};

/// Name, kind and size of each group.
fn kinds(m: ModelProto) -> Vec<(String, AxisKind, usize)> {
    let model = load(m);
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    a.groups.iter().map(|g| (g.name.clone(), g.kind, g.size)).collect()
}

#[track_caller]
fn assert_kinds(m: ModelProto, expected: &[(&str, AxisKind, usize)]) {
    let found = kinds(m);
    let found: Vec<_> = found.iter().map(|(name, kind, size)| (name.as_str(), *kind, *size)).collect();
    assert_eq!(found, expected);
}

#[test]
fn residual_channels_of_convolutions_are_channels() {
    assert_kinds(channels::residual(), &[("stem.weight", AxisKind::Conv, 8), ("inner.weight", AxisKind::Conv, 6)]);
    assert_kinds(
        kinds::spatial_attention(),
        &[("stem.weight", AxisKind::Conv, 8), ("inner.weight", AxisKind::Conv, 6)],
    );
}

#[test]
fn what_a_normalised_stream_carries_is_its_width() {
    let expected = [
        ("embed.weight", AxisKind::Residual, 16),
        ("gate0.weight", AxisKind::Ffn, 24),
        ("gate1.weight", AxisKind::Ffn, 24),
    ];
    assert_kinds(kinds::gated_layers(), &expected);
    let expected =
        [("stem.weight", AxisKind::Residual, 8), ("up0.weight", AxisKind::Ffn, 24), ("up1.weight", AxisKind::Ffn, 24)];
    assert_kinds(kinds::normed_convolutions(), &expected);
}

#[test]
fn an_embedding_has_a_width_without_any_normalisation() {
    assert_kinds(attention::tied_embedding(), &[("table", AxisKind::Residual, 16), ("up.weight", AxisKind::Ffn, 24)]);
}

#[test]
fn a_normalisation_without_addition_makes_no_stream() {
    let expected =
        [("embed.weight", AxisKind::Ffn, 16), ("up.weight", AxisKind::Ffn, 24), ("down.weight", AxisKind::Ffn, 16)];
    assert_kinds(attention::decomposed_layer_norm(), &expected);
}

#[test]
fn layers_after_convolutions_are_layers() {
    assert_kinds(channels::flatten_to_gemm(), &[("conv.weight", AxisKind::Conv, 8), ("fc1.weight", AxisKind::Ffn, 12)]);
    assert_kinds(branches::shared_conv(), &[("left.weight", AxisKind::Conv, 8), ("shared.weight", AxisKind::Conv, 6)]);
}

#[test]
fn one_head_of_keys_leaves_query_heads_to_go() {
    let expected = [
        ("table", AxisKind::Residual, 16),
        ("q.weight", AxisKind::Heads, 4),
        ("q.weight#2", AxisKind::HeadDim, 4),
        ("v.weight", AxisKind::HeadDim, 4),
    ];
    assert_kinds(kinds::multi_query(), &expected);
}

#[test]
fn shared_keys_make_heads_of_two_kinds() {
    let expected = [
        ("embed.weight", AxisKind::Residual, 16),
        ("q.weight", AxisKind::HeadDim, 4),
        ("q.weight#2", AxisKind::Heads, 2),
        ("q.weight#3", AxisKind::QueryHeads, 2),
        ("v.weight", AxisKind::HeadDim, 4),
    ];
    assert_kinds(attention::grouped_query(), &expected);
}

#[test]
fn normalised_heads_are_heads() {
    let expected = [
        ("table", AxisKind::Residual, 16),
        ("q.weight", AxisKind::Heads, 2),
        ("q.weight#2", AxisKind::HeadDim, 4),
        ("v.weight", AxisKind::HeadDim, 8),
    ];
    assert_kinds(kinds::normed_heads(), &expected);
}

#[test]
fn the_inside_of_a_single_head_is_what_is_compared() {
    let expected =
        [("table", AxisKind::Residual, 16), ("q.weight", AxisKind::HeadDim, 8), ("v.weight", AxisKind::Ffn, 12)];
    assert_kinds(kinds::single_head(), &expected);
}

#[test]
fn experts_are_what_weights_hold_apart() {
    let expected =
        [("table", AxisKind::Residual, 16), ("router.weight", AxisKind::Experts, 4), ("up", AxisKind::Ffn, 24)];
    assert_kinds(kinds::mixture(), &expected);
    assert_kinds(kinds::einsum_mixture(), &expected);
    let whole = groups(kinds::mixture());
    let expected = "router.weight experts 4 mixed: router.weight@1 router.bias@0 up@0 down@0";
    assert!(whole.contains(&expected.to_owned()), "{whole:?}");
}

/// What the planner says of a model that the default kinds leave whole, and which kinds it names.
#[test]
fn a_target_out_of_reach_names_the_axes_that_reach_it() {
    let model = load(kinds::single_head());
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let plan = |speedup: f64, axes: Axes| {
        let options = Options { axes, ..Options::default() };
        let targets = Targets::one(&Speedup, speedup);
        let aim = planning::PlanRequest::new(
            onnx_prune::criteria::find("l2").unwrap(),
            planning::find_scheme("protected-global").unwrap(),
            &targets,
            &options,
        );
        planning::plan(&a, &aim, Job::default())
    };
    let missed = plan(6.0, Axes::default()).unwrap();
    assert!(missed.is_missed() && missed.why.contains("`axes` default,residual would reach it"), "{}", missed.why);
    assert!(!plan(6.0, Axes::default().with([AxisKind::Residual])).unwrap().is_missed());
    let hopeless = plan(1e6, Axes::default()).unwrap();
    assert!(!hopeless.why.contains("`axes`"), "{}", hopeless.why);
    let Err(e) = plan(1.1, "heads".parse().unwrap()) else { panic!("a plan without groups") };
    assert!(
        e.to_string().contains("ffn, head-dim, residual, which shrink with `axes` ffn,head-dim,heads,residual"),
        "{e}"
    );
}

#[test]
fn sums_of_functions_of_one_input_are_no_stream() {
    let expected = [
        ("embed.weight", AxisKind::Ffn, 16),
        ("one.base.weight", AxisKind::Ffn, 24),
        ("two.base.weight", AxisKind::Ffn, 20),
    ];
    assert_kinds(kinds::sums_of_one_input(), &expected);
}

#[test]
fn a_projected_shortcut_begins_a_stream() {
    let expected = [
        ("table", AxisKind::Residual, 16),
        ("inner0.weight", AxisKind::Ffn, 24),
        ("outer0.weight", AxisKind::Residual, 20),
        ("inner1.weight", AxisKind::Ffn, 24),
    ];
    assert_kinds(kinds::projected_shortcut(), &expected);
}
