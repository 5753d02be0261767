//! Inputs that a model cannot run without.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::prune::PruneRequest;
use onnx_prune::runtime::{Fill, Tensor};

use super::{CheckOptions, RUNTIME, check, check_changed, nothing, pruned, request, verdict};
use crate::common::builder::{Builder, same};

/// Runs only where `rate` is 16000 or 8000: others make a table of no rows.
fn by_rate() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let rate = b.input_of("rate", DType::Int64, "");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let y = b.conv("conv2", &a, 8, 4, same(1));
    let step = b.scalar_int(8000);
    let row = b.op("Div", &[&rate, &step], vec![]);
    let rest = b.op("Mod", &[&rate, &step], vec![]);
    let one = b.scalar_int(1);
    let row = b.op("Sub", &[&row, &one], vec![]);
    let row = b.add(&row, &rest);
    let table = b.weight("table", &[2, 1]);
    let gain = b.gather(&table, &row, 0);
    let y = b.mul(&y, &gain);
    b.output(&y, "batch 4 4 4");
    b.model()
}

#[test]
fn a_rate_can_be_given() {
    let m = by_rate();
    let fills = |x: f64| vec![("rate".to_owned(), Fill::Number(x))];
    let options = |x: f64| CheckOptions { fills: fills(x), ..CheckOptions::default() };
    assert_eq!(verdict(check_changed(&m, &options(16000.0), &RUNTIME, |_| {})).outputs, 1);
    let why = nothing(check_changed(&m, &options(12345.0), &RUNTIME, |_| {}));
    assert!(why.contains("cannot run the original model on x [1, 3, 4, 4], rate []"), "{why}");
    let with = PruneRequest { fills: fills(8000.0), ..request() };
    assert!(pruned(&m, &with).unwrap().0.report.verification.is_some());
    let unknown = PruneRequest { fills: vec![("rat".to_owned(), Fill::Range)], ..request() };
    let e = pruned(&m, &unknown).err().unwrap().to_string();
    assert!(e.contains("no input 'rat'") && e.contains("x, rate"), "{e}");
}

#[test]
fn a_given_tensor_is_what_both_models_run_on() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let y = b.conv("conv2", &a, 8, 4, same(1));
    b.output(&y, "batch 4 4 4");
    let m = b.model();
    let x = Tensor::random(onnx_prune::tensor::DType::Float, &[1, 3, 4, 4], 5, 0..1).unwrap();
    let options = CheckOptions { fills: vec![("x".to_owned(), Fill::Given(x.clone()))], ..CheckOptions::default() };
    let done = check_changed(&m, &options, &RUNTIME, |_| {}).unwrap();
    assert_eq!(done.inputs, [("x".to_owned(), x.clone())]);
    let options = CheckOptions { samples: Some(vec![("x".to_owned(), x)]), ..CheckOptions::default() };
    let v = verdict(check_changed(&m, &options, &RUNTIME, |_| {}));
    assert!(v.inputs.contains(&"data"), "{v:?}");
}

/// Tokens are looked up in all of a table, a depth is not exceeded.
#[test]
fn whole_numbers_stay_within_what_reads_them() {
    let mut b = Builder::new(17);
    let ids = b.input_of("ids", DType::Int64, "batch 6");
    let table = b.weight("table", &[40, 8]);
    let e = b.gather(&table, &ids, 0);
    let h = b.linear("f1", &e, 8, 12);
    let h = b.relu(&h);
    let y = b.linear("f2", &h, 12, 4);
    b.output(&y, "batch 6 4");
    let done = check(&b.model()).unwrap();
    let ids = done.inputs[0].1.to_f64_vec();
    assert!(ids.iter().any(|x| *x > 1.0) && ids.iter().all(|x| (0.0..40.0).contains(x)), "{ids:?}");
    verdict(Ok(done));
}
