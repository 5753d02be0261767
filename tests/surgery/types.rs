//! Element types other than 32-bit floats.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::{ModelProto, TensorProto};

use crate::{elements, half, load, pruned, try_prune, zoo};

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
    let said = r.warnings.iter().any(|w| w.contains("cannot run the original"));
    assert_eq!(r.verification.is_none(), said, "{:?}", r.warnings);
}

/// No runtime is sure to run it: what can be checked is the file.
#[test]
fn bfloat16_is_cut_as_it_lies() {
    let m = zoo::storage::of_type(DType::Bfloat16);
    let request = onnx_prune::prune::Request { verify: false, ..half() };
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
        let request = onnx_prune::prune::Request { verify: false, ..half() };
        let (outcome, _) = try_prune(&m, &request).unwrap();
        outcome.report.groups.iter().map(|g| g.kept.clone()).collect::<Vec<_>>()
    };
    assert_eq!(kept(DType::Float), kept(DType::Double));
    assert_eq!(kept(DType::Float), kept(DType::Float16));
}
