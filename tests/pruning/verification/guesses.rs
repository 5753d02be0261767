//! Sizes that a file leaves open and nobody gives.

use onnx_prune::analysis::{Analysis, Error, Given, Shapes};
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::onnx::{DType, Model};
use onnx_prune::planning::targets::{Ratio, Speedup, Targets};
use onnx_prune::prune::{self, PruneRequest};

use super::{pruned, request};
use crate::common::builder::{A, Builder, Window, same};

fn sizes(m: &ModelProto, shapes: &Shapes) -> Result<Vec<(String, i64)>, Error> {
    let model = Model::new(m.clone());
    let a = Analysis::new(&model, shapes)?;
    let mut all: Vec<(String, i64)> = a.facts.bindings.clone().into_iter().collect();
    all.sort();
    assert!(a.costs.macs.eval(&a.full_counts()) > 0.0);
    Ok(all)
}

fn named(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

/// Colours last: convolutions without padding, and a pool.
fn colours_last() -> ModelProto {
    let mut b = Builder::new(13);
    let x = b.input("x", "N H W 3");
    let x = b.transpose(&x, &[0, 3, 1, 2]);
    let a = b.conv_no_bias("conv1", &x, 3, 8, Window { pad: 0, ..same(3) });
    let a = b.pool(&a);
    let y = b.conv("conv2", &a, 8, 4, same(1));
    let y = b.transpose(&y, &[0, 2, 3, 1]);
    b.output(&y, "N h w 4");
    b.model()
}

#[test]
fn the_last_axis_may_be_the_colours() {
    let m = colours_last();
    assert_eq!(sizes(&m, &Vec::new()).unwrap(), named(&[("H", 224), ("N", 1), ("W", 224)]));
    let (outcome, _) = pruned(&m, &PruneRequest { targets: Targets::one(&Speedup, 1.5), ..request() }).unwrap();
    assert!(outcome.report.before.macs > 0.0 && outcome.report.speedup >= 1.5);
    assert!(outcome.report.verification.is_some());
}

/// A window of 512 samples needs more than 64.
#[test]
fn a_guess_is_longer_than_the_windows() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch samples");
    let x = b.unsqueeze(&x, &[1]);
    let w = b.weight("window", &[16, 1, 512]);
    let strides = vec![("strides", A::Is(&[160])), ("kernel_shape", A::Is(&[512]))];
    let a = b.op("Conv", &[&x, &w], strides);
    let w = b.weight("head", &[4, 16, 1]);
    let y = b.op("Conv", &[&a, &w], vec![("kernel_shape", A::Is(&[1]))]);
    b.output(&y, "batch 4 frames");
    let all = sizes(&b.model(), &Vec::new()).unwrap();
    assert!(all[1].1 >= 512, "{all:?}");
}

/// A table of 77 positions is added to the tokens, or a reshape wants a multiple of 7.
#[test]
fn a_guess_fits_what_it_meets() {
    let mut b = Builder::new(17);
    let ids = b.input_of("ids", DType::Int64, "batch sequence");
    let table = b.weight("table", &[50, 8]);
    let e = b.gather(&table, &ids, 0);
    let positions = b.weight("positions", &[1, 77, 8]);
    let e = b.add(&e, &positions);
    let h = b.linear("f1", &e, 8, 12);
    let y = b.linear("f2", &h, 12, 4);
    b.output(&y, "batch sequence 4");
    assert_eq!(sizes(&b.model(), &Vec::new()).unwrap()[1].1, 77);

    let mut b = Builder::new(17);
    let x = b.input("x", "batch length 7");
    let h = b.linear("f1", &x, 7, 12);
    let h = b.reshape(&h, &[-1, 60, 12]);
    let y = b.linear("f2", &h, 12, 4);
    b.output(&y, "blocks 60 4");
    let all = sizes(&b.model(), &Vec::new()).unwrap();
    assert_eq!(all[1].1 * all[0].1 % 60, 0, "{all:?}");
}

/// The attention mask is as long as past and present together.
#[test]
fn what_follows_from_other_sizes_does() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch sequence_length 8");
    let past = b.input("past", "batch past_sequence_length 8");
    let mask = b.input("mask", "batch total_sequence_length 1");
    let all = b.concat(1, &[&past, &x]);
    let all = b.mul(&all, &mask);
    let h = b.linear("f1", &all, 8, 12);
    let y = b.linear("f2", &h, 12, 4);
    b.output(&y, "batch total_sequence_length 4");
    let m = b.model();
    let of = |shapes: &Shapes, name: &str| sizes(&m, shapes).unwrap().into_iter().find(|(n, _)| n == name).unwrap().1;
    let sum = |shapes: &Shapes| of(shapes, "sequence_length") + of(shapes, "past_sequence_length");
    assert_eq!(of(&Vec::new(), "total_sequence_length"), sum(&Vec::new()));
    let given = vec![Given::Symbol("past_sequence_length".into(), 5), Given::Symbol("sequence_length".into(), 3)];
    assert_eq!(of(&given, "total_sequence_length"), 8);
    let v = pruned(&m, &PruneRequest { shapes: given, ..request() }).unwrap().0.report.verification.unwrap();
    assert!(v.sizes["sequence_length"].len() > 1 && v.sizes["past_sequence_length"].len() > 1, "{v:?}");
}

#[test]
fn where_no_guess_will_do_sizes_are_asked_for() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 1 samples");
    let w = b.weight("window", &[16, 1, 50_000]);
    let a = b.op("Conv", &[&x, &w], vec![("kernel_shape", A::Is(&[50_000]))]);
    let w = b.weight("head", &[4, 16, 1]);
    let y = b.op("Conv", &[&a, &w], vec![("kernel_shape", A::Is(&[1]))]);
    b.output(&y, "batch 4 frames");
    let m = b.model();
    // The weight itself tells how long the sound must be.
    assert_eq!(sizes(&m, &Vec::new()).unwrap()[1].1, 50_000);
    let fixed = vec![Given::Symbol("samples".into(), 60_000)];
    assert_eq!(sizes(&m, &fixed).unwrap()[1].1, 60_000);
    let unknown = sizes(&m, &vec![Given::Symbol("sample".into(), 9)]).unwrap_err().to_string();
    assert!(unknown.contains("no open size 'sample'") && unknown.contains("batch, samples"), "{unknown}");

    let mut b = Builder::new(17);
    let x = b.input("x", "batch 1 samples");
    let short = b.slices(&x, &[2], &[60_000], &[i64::MAX], &[1]);
    let w = b.weight("window", &[16, 1, 3]);
    let y = b.op("Conv", &[&short, &w], vec![("kernel_shape", A::Is(&[3]))]);
    b.output(&y, "batch 16 frames");
    let model = Model::new(b.model());
    let Err(e) = Analysis::new(&model, &Vec::new()) else { panic!("a guess of less than 60000 passed") };
    assert!(e.to_string().contains("`shapes` samples="), "{e}");
}

#[test]
fn a_model_without_macs_is_no_model_for_a_speedup() {
    let mut b = Builder::new(17);
    let x = b.input("x", "rows 8");
    let h = b.linear("f1", &x, 8, 12);
    let y = b.linear("f2", &h, 12, 4);
    b.output(&y, "rows 4");
    let mut m = b.model();
    let g = m.graph.as_mut().unwrap();
    g.input[0] = crate::common::builder::declared("x", DType::Float, "0 8");
    g.output[0] = crate::common::builder::declared(&y, DType::Float, "0 4");
    let speedup = PruneRequest { targets: Targets::one(&Speedup, 2.0), ..request() };
    let e = pruned(&m, &speedup).err().unwrap();
    assert!(matches!(e, prune::Error::NoMacs { macs, .. } if macs == 0.0), "{e}");
    let half = PruneRequest { targets: Targets::one(&Ratio, 0.5), ..request() };
    assert!(pruned(&m, &half).is_ok());
}
