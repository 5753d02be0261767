//! Element types other than 32-bit floats.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::{ModelProto, TensorProto};

use super::{elements, half, load, pruned, try_prune, zoo};

fn all_of(dtype: DType, m: &ModelProto) {
    let (_, small) = pruned(dtype.name(), m, &half());
    let weights = &small.graph.as_ref().unwrap().initializer;
    let floats = |t: &&TensorProto| t.data_type() != DType::Int64 as i32;
    assert!(weights.iter().filter(floats).all(|t| t.data_type() == dtype as i32), "{}", dtype.name());
}

#[test]
fn half_precision() {
    all_of(DType::Float16, &zoo::storage::of_type(DType::Float16));
}

/// Fully connected: not every runtime has convolutions of this type.
#[test]
fn double_precision() {
    all_of(DType::Double, &zoo::storage::dense_of_type(DType::Double));
}

/// A check that cannot be made is said not to have been made.
#[test]
fn a_runtime_that_cannot_run_the_original_is_no_failure() {
    let (outcome, _) = try_prune(&zoo::storage::of_type(DType::Double), &half()).unwrap();
    let r = &outcome.report;
    let said = r.not_verified.as_ref().is_some_and(|why| why.contains("cannot run the original"));
    assert_eq!(r.verification.is_none(), said, "{:?}", r.not_verified);
}

/// No runtime is sure to run it: what can be checked is the file.
#[test]
fn bfloat16_is_cut_as_it_lies() {
    let m = zoo::storage::of_type(DType::Bfloat16);
    let request = onnx_prune::prune::PruneRequest { verify: false, ..half() };
    let (outcome, bytes) = try_prune(&m, &request).unwrap();
    let small = load(&bytes).proto;
    assert!(elements(&small) < elements(&m));
    let (before, after) = (&m.graph.as_ref().unwrap().initializer, &small.graph.as_ref().unwrap().initializer);
    assert!(after.iter().all(|t| t.data_type() == DType::Bfloat16 as i32));
    // Rows of the first weight are the kept rows of the original, bit by bit.
    let kept = &outcome.report.groups[0].kept;
    assert_eq!(kept.len(), 4);
    let row = 3 * 3 * 3 * 2;
    let (old, new) = (before[0].raw_data(), after[0].raw_data());
    for (k, c) in kept.iter().enumerate() {
        let c = *c as usize;
        assert_eq!(new[k * row..][..row], old[c * row..][..row]);
    }
}

/// Weights of half precision give the same ranking as the same values in single precision.
#[test]
fn scores_do_not_depend_on_the_element_type() {
    let kept = |dtype| {
        let m = zoo::storage::of_type(dtype);
        let request = onnx_prune::prune::PruneRequest { verify: false, ..half() };
        let (outcome, _) = try_prune(&m, &request).unwrap();
        outcome.report.groups.iter().map(|g| g.kept.clone()).collect::<Vec<_>>()
    };
    assert_eq!(kept(DType::Float), kept(DType::Double));
    assert_eq!(kept(DType::Float), kept(DType::Float16));
}

/// The same model with real numbers in the place of whole ones and their scales.
fn with_real_weights(m: &ModelProto) -> ModelProto {
    use onnx_prune::onnx::{self, Affine};
    let mut m = m.clone();
    let g = m.graph.as_mut().unwrap();
    let held = g.initializer.clone();
    let find = |n: &String| held.iter().find(|t| t.name() == n);
    g.node.retain(|n| {
        let Some(q) = find(&n.input[0]).filter(|_| n.op_type() == "DequantizeLinear") else { return true };
        let axis = onnx::attr_i(n, "axis").unwrap_or(1) as usize;
        let by = Affine { scale: find(&n.input[1]), zero_point: n.input.get(2).and_then(find), axis, packed: None };
        let real = onnx::dequantize(q, &by).unwrap();
        g.initializer.push(onnx::from_f32(&n.output[0], &onnx::shape(q).unwrap(), &real, DType::Float).unwrap());
        false
    });
    m
}

/// Quantized weights are scored as what they stand for, so the same channels go.
#[test]
fn scores_are_those_of_the_real_numbers() {
    for m in [zoo::quantized::pairs_per_channel(), zoo::quantized::pairs_per_tensor()] {
        for criterion in ["l1", "l2", "fpgm", "lamp"] {
            let criterion = onnx_prune::criteria::find(criterion).unwrap();
            let request = onnx_prune::prune::PruneRequest { verify: false, criterion, ..half() };
            let kept = |m: &ModelProto| {
                let groups = try_prune(m, &request).unwrap().0.report.groups;
                groups.into_iter().map(|g| g.kept).collect::<Vec<_>>()
            };
            assert_eq!(kept(&m), kept(&with_real_weights(&m)), "{}", criterion.name());
        }
    }
}

/// Rows of a quantized weight are the kept rows of the original, with their scales and zero points.
#[test]
fn whole_numbers_are_cut_as_they_lie() {
    let m = zoo::quantized::pairs_per_channel();
    let (outcome, small) = pruned("pairs_per_channel", &m, &half());
    let kept: Vec<usize> = outcome.report.groups[0].kept.iter().map(|c| *c as usize).collect();
    let of = |m: &ModelProto, name: &str| {
        let t = m.graph.as_ref().unwrap().initializer.iter().find(|t| t.name() == name).unwrap();
        onnx_prune::onnx::to_f64_any(t).unwrap()
    };
    for (name, row) in [("first.q", 27), ("first.scale", 1), ("first.zero", 1), ("first.bias", 1)] {
        let before = of(&m, name);
        let rows: Vec<f64> = kept.iter().flat_map(|c| before[c * row..][..row].to_vec()).collect();
        assert_eq!(of(&small, name), rows, "{name}");
    }
}
