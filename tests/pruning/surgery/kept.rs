//! What a file keeps beside its smaller weights, and what follows them.

use std::sync::Arc;

use onnx_prune::algebra::Kept;
use onnx_prune::analysis::Analysis;
use onnx_prune::onnx::proto::tensor_shape_proto::dimension::Value as DimValue;
use onnx_prune::onnx::proto::{GraphProto, ModelProto, NodeProto};
use onnx_prune::onnx::{self, Model, SaveOptions, save};
use onnx_prune::rewriting::{self, CheckOptions};

use super::{RUNTIME, common, declared, half, load, pruned, untied};
use crate::zoo::{attention, branches, channels, shaping, storage};

fn graph(m: &ModelProto) -> &GraphProto {
    m.graph.as_ref().unwrap()
}

fn node<'m>(m: &'m ModelProto, op: &str, nth: usize) -> &'m NodeProto {
    graph(m).node.iter().filter(|n| n.op_type() == op).nth(nth).unwrap()
}

fn dims(m: &ModelProto, name: &str) -> Vec<i64> {
    graph(m).initializer.iter().find(|t| t.name() == name).unwrap_or_else(|| panic!("no {name}")).dims.clone()
}

fn contents(m: &ModelProto, name: &str) -> Vec<i64> {
    onnx::to_i64(graph(m).initializer.iter().find(|t| t.name() == name).unwrap()).unwrap()
}

#[test]
fn everything_beside_the_weights_stays() {
    let before = storage::decorated();
    let (_, after) = pruned("decorated", &before, &half());
    let frame = |m: &ModelProto| ModelProto { graph: None, ..m.clone() };
    assert_eq!(frame(&before), frame(&after));
    let (b, a) = (graph(&before), graph(&after));
    assert_eq!((&b.name, &b.doc_string, &b.input, &b.output), (&a.name, &a.doc_string, &a.input, &a.output));
    assert_eq!(b.node, a.node, "no node of this network has a number that follows its channels");
    let names =
        |g: &GraphProto| g.initializer.iter().map(|t| (t.name.clone(), t.doc_string.clone())).collect::<Vec<_>>();
    assert_eq!(names(b), names(a));
    let sizes: Vec<Vec<i64>> = a
        .value_info
        .iter()
        .map(|v| declared(v).1[1..].iter().map(|d| super::Known::dim_value_known(d).unwrap()).collect())
        .collect();
    assert_eq!(sizes, [[4, 8, 8], [3, 8, 8], [4, 8, 8]]);
    let notes =
        |g: &GraphProto| g.value_info.iter().map(|v| (v.name.clone(), v.doc_string.clone())).collect::<Vec<_>>();
    assert_eq!(notes(b), notes(a));
}

#[test]
fn initializers_that_are_inputs_shrink_in_both_places() {
    let (_, after) = pruned("initializers_as_inputs", &storage::initializers_as_inputs(), &half());
    for t in &graph(&after).initializer {
        let v = graph(&after).input.iter().find(|v| v.name() == t.name()).unwrap();
        let sizes: Vec<i64> = declared(v).1.iter().map(|d| super::Known::dim_value_known(d).unwrap()).collect();
        assert_eq!(sizes, t.dims, "{}", t.name());
    }
    assert_eq!(dims(&after, "conv2.weight"), [6, 4, 3, 3]);
}

/// Runtimes take sizes of one name for equal: channels times the batch may not keep a name with the old channels in it.
#[test]
fn names_of_sizes_that_shrink_go() {
    use crate::common::builder::{Builder, same};
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 8 8");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let rows = b.reshape(&a, &[-1, 64]);
    b.value_info(&rows, "8*batch 64");
    let rows = b.relu(&rows);
    let back = b.reshape(&rows, &[-1, 8, 8, 8]);
    b.value_info(&back, "batch 8 8 8");
    let y = b.conv("conv2", &back, 8, 4, same(3));
    b.output(&y, "batch 4 8 8");
    let (_, after) = pruned("names", &b.model(), &half());
    let named = |v: usize| declared(&graph(&after).value_info[v]).1.iter().map(|d| d.value.clone()).collect::<Vec<_>>();
    let (name, size) = (|n: &str| Some(DimValue::DimParam(n.into())), |n| Some(DimValue::DimValue(n)));
    assert_eq!(named(0), [None, size(64)]);
    assert_eq!(named(1), [name("batch"), size(4), size(8), size(8)]);
}

#[test]
fn groups_of_a_depthwise_convolution_follow() {
    let group = |m: &ModelProto, op: &str, nth| onnx::attr_i(node(m, op, nth), "group");
    let (_, m) = pruned("depthwise", &channels::depthwise(), &half());
    assert_eq!(group(&m, "Conv", 1), Some(4));
    assert_eq!(dims(&m, "dw.weight"), [4, 1, 3, 3]);
    let (_, m) = pruned("group_conv", &channels::group_conv(), &half());
    assert_eq!(group(&m, "Conv", 1), Some(4));
    assert_eq!(dims(&m, "grouped.weight"), [8, 1, 3, 3]);
    let (_, m) = pruned("transposed_depthwise", &channels::transposed_depthwise(), &half());
    assert_eq!((group(&m, "ConvTranspose", 0), group(&m, "ConvTranspose", 1)), (Some(4), Some(2)));
}

#[test]
fn pads_of_channels_follow() {
    let (_, m) = pruned("padded_shortcut", &branches::padded_shortcut(), &half());
    assert_eq!(contents(&m, &node(&m, "Pad", 0).input[1]), [0, 2, 0, 0, 0, 2, 0, 0]);
}

#[test]
fn sizes_follow_as_attributes_and_as_operands() {
    let (_, old) = pruned("old_attributes", &shaping::old_attributes(), &half());
    let (_, new) = pruned("new_operands", &shaping::new_operands(), &half());
    let attr = |op: &str, name: &str| onnx::attr_ints(node(&old, op, 0), name).unwrap().to_vec();
    let operand = |op: &str, i: usize| contents(&new, &node(&new, op, 0).input[i]);
    assert_eq!((attr("Split", "split"), operand("Split", 1)), (vec![2, 4], vec![2, 4]));
    assert_eq!((attr("Slice", "starts"), operand("Slice", 1)), (vec![2], vec![2]));
    assert_eq!((attr("Slice", "ends"), operand("Slice", 2)), (vec![5], vec![5]));
    let pads = vec![0, 1, 0, 0, 0, 1, 0, 0];
    assert_eq!((attr("Pad", "pads"), operand("Pad", 1)), (pads.clone(), pads));
    assert_eq!(dims(&old, "conv.weight"), dims(&new, "conv.weight"));
}

#[test]
fn a_true_tie_stays_one_tensor() {
    let (_, m) = pruned("tied_embedding", &attention::tied_embedding(), &half());
    let tables: Vec<&str> = graph(&m).initializer.iter().map(|t| t.name()).filter(|n| n.starts_with("table")).collect();
    assert_eq!(tables, ["table"]);
    assert_eq!(dims(&m, "table"), [20, 8]);
}

#[test]
fn shared_weights_part_on_request_where_they_keep_other_channels() {
    let (outcome, m) = pruned("shared_conv", &branches::shared_conv(), &untied());
    let kept: Vec<_> = outcome.report.groups.iter().map(|g| g.kept.clone()).collect();
    assert_ne!(kept[0], kept[1], "the two inputs keep different channels, or this shows nothing");
    let (left, right) = (&node(&m, "Conv", 2).input[1], &node(&m, "Conv", 3).input[1]);
    assert_ne!(left, right);
    assert_eq!((dims(&m, left), dims(&m, right)), (vec![3, 4, 3, 3], vec![3, 4, 3, 3]));
}

#[test]
fn a_scale_from_a_shape_keeps_its_value() {
    let (_, m) = pruned("scale_from_shape", &attention::scale_from_shape(), &half());
    assert_eq!(dims(&m, "q.weight"), [8, 8], "the width of a head halves");
    let model = Model::new(m.clone());
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let scale = a.graph.id(&node(&m, "Div", 0).input[1]).unwrap();
    let Some(onnx_prune::ops::Value::Floats(v)) = &a.facts.tensors[scale].value else { panic!("not constant") };
    assert!((v[0] - 8f64.sqrt()).abs() < 1e-6, "{v:?}");
}

#[test]
fn run_time_sizes_stay_open() {
    let m = shaping::run_time_sizes();
    let (_, small) = pruned("run_time_sizes", &m, &half());
    let bytes = common::bytes(&small);
    // Another image than the one the file was checked with.
    let x = onnx_prune::runtime::Tensor::random(onnx_prune::tensor::DType::Float, &[2, 3, 20, 6], 1, 0..1).unwrap();
    if let Ok(mut s) = RUNTIME.runtime.open_bytes(&common::bytes(&m), None, &Default::default()) {
        let shape = s.run(&[("x".into(), x.clone())]).unwrap()[0].1.shape().to_vec();
        assert_eq!(shape, [2, 4, 10, 3]);
        let mut s = RUNTIME.runtime.open_bytes(&bytes, None, &Default::default()).unwrap();
        assert_eq!(s.run(&[("x".into(), x)]).unwrap()[0].1.shape(), shape);
    }
}

#[test]
fn an_unknown_operator_is_left_as_it_is() {
    let before = shaping::custom_operator();
    let request = onnx_prune::prune::PruneRequest { verify: false, ..half() };
    let (outcome, bytes) = super::try_prune(&before, &request).unwrap();
    let after = load(&bytes).proto;
    assert_eq!(node(&before, "Mystery", 0), node(&after, "Mystery", 0));
    assert_eq!(dims(&after, "touched.weight"), [12, 4, 3, 3]);
    assert_eq!(dims(&after, "after.weight"), [3, 12, 1, 1]);
    assert!(outcome.report.warnings.iter().any(|w| w.contains("com.example.Mystery")));
}

/// The check is worth something only if it fails on a wrong model: one that kept other channels than it says.
#[test]
fn a_model_with_other_channels_is_refused() {
    let model = load(&common::bytes(&channels::residual()));
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let keep = |from: u32| -> Kept {
        let half = |n: usize| Arc::from((from..from + n as u32 / 2).collect::<Vec<u32>>());
        a.groups.iter().map(|g| (g.atom, half(g.size))).collect()
    };
    let proto = rewriting::prune(&a, &keep(0)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.onnx");
    save::save(&Model::new(proto), &path, &SaveOptions::default()).unwrap();
    let check = |kept: &Kept| rewriting::verify(&a, kept, &path, &*RUNTIME.runtime, &CheckOptions::default());
    assert!(check(&keep(0)).is_ok());
    let Err(e) = check(&keep(1)) else { panic!("a wrong model passed") };
    assert!(e.to_string().contains("differs from the masked original"), "{e}");
}

/// New tensors get names that no subgraph uses either.
#[test]
fn new_names_are_free_in_subgraphs_too() {
    let mut m = branches::shared_zero_bias();
    let g = m.graph.as_mut().unwrap();
    let y = g.output[0].name.replace("chosen".into()).unwrap();
    let subgraph = |op: &str, out: &str| GraphProto {
        name: Some(op.into()),
        node: vec![common::node(op, &[&y], &["zero_pruned_1"]), common::node("Neg", &["zero_pruned_1"], &[out])],
        output: vec![common::builder::declared(out, onnx::DType::Float, "batch 10")],
        ..Default::default()
    };
    let mut branch = common::node("If", &["flag"], &["chosen"]);
    branch.attribute = vec![
        common::graph_attr("then_branch", subgraph("Relu", "then")),
        common::graph_attr("else_branch", subgraph("Abs", "else")),
    ];
    g.node.push(branch);
    g.input.push(common::builder::declared("flag", onnx::DType::Bool, ""));
    let (_, small) = pruned("names", &m, &half());
    let mut names: Vec<&str> = graph(&small).initializer.iter().map(|t| t.name()).collect();
    names.retain(|n| n.starts_with("zero"));
    assert_eq!(names, ["zero", "zero_pruned_2", "zero_pruned_3"]);
}

/// A weight that parts in two is two weights.
#[test]
fn parted_weights_are_counted_twice() {
    let (outcome, m) = pruned("shared_conv", &branches::shared_conv(), &untied());
    assert_eq!(outcome.report.after.params as i64, super::elements(&m));
}

/// Some runtimes' optimizers go wrong where copies of a single channel meet a convolution.
#[test]
fn a_single_channel_may_be_tiled() {
    let request = onnx_prune::prune::PruneRequest {
        targets: onnx_prune::planning::targets::Targets::one(&onnx_prune::planning::targets::Ratio, 0.99),
        ..half()
    };
    let (outcome, bytes) = super::try_prune(&shaping::tiled(), &request).unwrap();
    assert!(outcome.report.groups.iter().all(|g| g.after == 1));
    assert_eq!(dims(&load(&bytes).proto, "after.weight"), [1, 2, 1, 1]);
    let difference = outcome.report.verification.map(|v| v.difference);
    assert!(difference.is_some_and(|d| d < 1e-4), "{difference:?}");
}

#[test]
fn a_size_that_only_the_file_tells_is_believed() {
    let (outcome, _) = super::try_prune(&shaping::declared_slice(), &half()).unwrap();
    assert_eq!(outcome.report.groups[0].after, 8);
}

#[test]
fn zeros_that_are_allowed_copy_nothing() {
    // Runtimes take every number but 0 for true.
    let mut m = branches::channel_shuffle();
    let g = m.graph.as_mut().unwrap();
    for n in g.node.iter_mut().filter(|n| n.op_type() == "Reshape") {
        n.attribute.push(common::builder::attr("allowzero", common::builder::A::I(2)));
    }
    let (_, small) = pruned("channel_shuffle", &m, &half());
    for k in 0..2 {
        assert!(!contents(&small, &node(&small, "Reshape", k).input[1]).contains(&0), "{k}");
    }
}
