//! More than one size of every open axis.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

use super::{CheckOptions, RUNTIME};
use super::{check, check_changed, refused, verdict};
use crate::common::builder::{Builder, same};

/// A hidden width that meets an axis which only the caller knows.
fn scaled() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 6");
    let s = b.input("s", "scales");
    let h = b.linear("f1", &x, 6, 12);
    let y = b.linear("f2", &h, 12, 4);
    b.output(&y, "batch 4");
    let mut m = b.model();
    // The scale goes between the layers only when the groups are known: as a rule would that takes it for size 1.
    let g = m.graph.as_mut().unwrap();
    g.output[0].name = Some(y);
    let _ = s;
    m
}

/// Puts a product with `s` between the two layers.
fn with_scale(m: &mut ModelProto) {
    let g = m.graph.as_mut().unwrap();
    let at = g.node.iter().position(|n| n.input.iter().any(|i| i == "f2.weight")).unwrap();
    let hidden = g.node[at].input[0].clone();
    g.node[at].input[0] = "scaled".to_owned();
    g.node.insert(at, crate::common::node("Mul", &[&hidden, "s"], &["scaled"]));
}

#[test]
fn batches_and_lengths_are_run_at_two_sizes() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 height width");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let y = b.conv("conv2", &a, 8, 4, same(1));
    b.output(&y, "batch 4 height width");
    let sizes = verdict(check(&b.model())).sizes;
    assert_eq!(sizes["batch"], [1, 3]);
    assert!(sizes["height"].len() == 2 && sizes["width"].len() == 2, "{sizes:?}");
}

/// The pruned file is right for every batch but the usual one.
#[test]
fn a_model_that_is_right_for_one_sample_only_is_refused() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let rows = b.reshape(&a, &[-1, 128]);
    let y = b.linear("f", &rows, 128, 4);
    b.output(&y, "batch 4");
    let m = b.model();
    assert_eq!(verdict(check(&m)).sizes["batch"], [1, 3]);
    let fix = |m: &mut ModelProto| {
        let g = m.graph.as_mut().unwrap();
        let shape = g.node.iter().find(|n| n.op_type() == "Reshape").unwrap().input[1].clone();
        let t = g.initializer.iter_mut().find(|t| t.name() == shape).unwrap();
        let size = onnx_prune::onnx::to_i64(t).unwrap()[1];
        *t = onnx_prune::onnx::from_i64(&shape, &[2], &[1, size]).unwrap();
    };
    let why = refused(check_changed(&m, &CheckOptions::default(), &RUNTIME, fix));
    assert!(why.contains("x [3, 3, 4, 4]"), "{why}");
}

/// An axis that the graph fixes to one number runs at one size, and the report says so.
#[test]
fn an_axis_with_one_size_is_told() {
    let mut b = Builder::new(17);
    let x = b.input("x", "one 3 4 4");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let rows = b.reshape(&a, &[1, 128]);
    let y = b.linear("f", &rows, 128, 4);
    b.output(&y, "1 4");
    let v = verdict(check(&b.model()));
    assert_eq!(v.sizes["one"], [1]);
}

/// A scale that may have any length fits the original with 12, and with 1; the pruned model only with 1.
#[test]
fn sizes_come_from_the_weights() {
    let model = scaled();
    let mut whole = model.clone();
    with_scale(&mut whole);
    let loaded = onnx_prune::onnx::Model::new(model.clone());
    let a = onnx_prune::analysis::Analysis::new(&loaded, &Vec::new()).unwrap();
    let kept = super::kept(&a, 0);
    let mut small = onnx_prune::rewriting::prune(&a, &kept).unwrap();
    with_scale(&mut small);
    // Analysed as it is, with the groups of the model without the scale.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.onnx");
    let save = |m: ModelProto| {
        let options = onnx_prune::onnx::SaveOptions::default();
        onnx_prune::onnx::save::save(&onnx_prune::onnx::Model::new(m), &path, &options).unwrap();
    };
    save(small);
    let run = |rows: usize, scales: usize, m: &ModelProto| {
        let bytes = crate::common::bytes(m);
        let x = onnx_prune::runtime::Tensor::random(onnx_prune::tensor::DType::Float, &[rows, 6], 0, 0..1).unwrap();
        let s = onnx_prune::runtime::Tensor::random(onnx_prune::tensor::DType::Float, &[scales], 0, 0..1).unwrap();
        let mut session = RUNTIME.runtime.open_bytes(&bytes, None, &Default::default()).unwrap();
        session.run(&[("x".into(), x), ("s".into(), s)]).is_ok()
    };
    assert!(run(2, 12, &whole) && run(2, 1, &whole) && !run(2, 6, &whole));
    let loaded = onnx_prune::onnx::Model::new(whole);
    let mut b = onnx_prune::analysis::Analysis::new(&loaded, &Vec::new()).unwrap();
    if b.groups.is_empty() {
        // As it should be, the rule freezes the width: what it would be otherwise is taken from the other model.
        assert!(b.frozen.iter().any(|f| f.size == 12));
        return;
    }
    b.warnings.clear();
    let kept = super::kept(&b, 0);
    let check = onnx_prune::rewriting::verify(&b, &kept, &path, &*RUNTIME.runtime, &CheckOptions::default());
    assert!(refused(check).contains("s [12]"));
}

/// Numbers that say how much of a weight is taken are sizes, too.
#[test]
fn an_end_that_the_caller_gives_is_tried_at_the_whole_axis() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let k = b.input_of("k", DType::Int64, "1");
    let a = b.conv("conv1", &x, 3, 12, same(3));
    let y = b.conv("conv2", &a, 12, 4, same(1));
    // What is sliced is added to the output, so that nothing is frozen: the pruned file slices a shorter weight.
    let table = b.weight("table", &[4, 12]);
    let (zero, one, axis) = (b.ints(&[0]), b.ints(&[1]), b.ints(&[1]));
    let part = b.op("Slice", &[&table, &zero, &k, &axis, &one], vec![]);
    let sum = b.mean(&part, &[0, 1], false);
    let y = b.add(&y, &sum);
    b.output(&y, "batch 4 4 4");
    let m = b.model();
    // tract 0.23 cannot run a Slice whose end is given at run time.
    if RUNTIME.runtime.name() != "onnxruntime" {
        return;
    }
    verdict(check(&m));
    let shorten = |m: &mut ModelProto| {
        let g = m.graph.as_mut().unwrap();
        let t = g.initializer.iter_mut().find(|t| t.name() == "table").unwrap();
        let values = onnx_prune::onnx::to_f32(t).unwrap().into_owned();
        let rows: Vec<f32> = values.chunks(12).flat_map(|r| r[..11].to_vec()).collect();
        *t = onnx_prune::onnx::from_f32("table", &[4, 11], &rows, DType::Float).unwrap();
    };
    let why = refused(check_changed(&m, &CheckOptions::default(), &RUNTIME, shorten));
    assert!(why.contains("differs"), "{why}");
}

/// A table of 32 positions is looked up by counted numbers: a sentence of usual length is too long for it.
#[test]
fn shorter_sizes_are_tried_where_the_usual_ones_do_not_run() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch length 6");
    let shape = b.op("Shape", &[&x], vec![]);
    let (zero, one) = (b.scalar_int(0), b.scalar_int(1));
    let length = b.gather(&shape, &one, 0);
    let positions = b.op("Range", &[&zero, &length, &one], vec![]);
    let table = b.weight("table", &[32, 6]);
    let e = b.gather(&table, &positions, 0);
    let h = b.add(&x, &e);
    let h = b.linear("f1", &h, 6, 12);
    let y = b.linear("f2", &h, 12, 4);
    b.output(&y, "batch length 4");
    let m = b.model();
    let v = verdict(check(&m));
    assert!(v.sizes["length"].len() > 1 && v.sizes["length"].iter().all(|n| *n <= 32), "{v:?}");
    assert_eq!(v.sizes["batch"], [1, 3]);
}
