//! Networks in pieces against networks as a whole, and layers that make up for what was removed.

use crate::common;
use crate::zoo;
use std::sync::Arc;

use crate::common::builder::*;
use crate::common::noise::Noise;
use onnx_prune::algebra::Kept;
use onnx_prune::analysis::Analysis;
use onnx_prune::data::BatchSource;
use onnx_prune::job::Job;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::onnx::{self, DType, Model};
use onnx_prune::recovery::refit::{Options, Refitted, refit};
use onnx_prune::recovery::samples::Samples;
use onnx_prune::recovery::segments::{Network, Runner};
use onnx_prune::recovery::store::Room;
use onnx_prune::rewriting;
use onnx_prune::runtime::{self, Choice, Runtime, SessionOptions, Tensor};
use onnx_prune::statistics::Error;

fn runtimes() -> Vec<Box<dyn Runtime>> {
    let choose = |c| runtime::select(c, None).ok().map(|s| s.runtime);
    [Choice::Tract, Choice::Ort].into_iter().filter_map(choose).collect()
}

fn runner<'a>(runtime: &'a dyn Runtime, session: &'a SessionOptions) -> Runner<'a> {
    Runner { runtime, session, job: Job::default() }
}

fn load(proto: &ModelProto) -> Model {
    Model::from_bytes(common::bytes(proto)).unwrap()
}

fn samples(model: &Model, batches: usize, room: &Room) -> Samples {
    Samples::read(&Noise(batches), model.graph().unwrap(), 5, room).unwrap()
}

/// Outputs of the whole model on every batch.
fn whole(model: &Model, samples: &Samples, runner: Runner) -> Result<Vec<Vec<(String, Tensor)>>, runtime::Error> {
    let mut session = runtime::open_model(runner.runtime, model.clone(), runner.session)?;
    let part = samples.part(0..samples.batches());
    part.pass(session.inputs()).unwrap().map(|b| session.run(&b.unwrap().inputs)).collect()
}

/// The same, computed in pieces that end at every `step`th node.
fn in_pieces(
    model: &Model,
    samples: &Samples,
    runner: Runner,
    step: usize,
) -> Result<Vec<Vec<(String, Tensor)>>, Error> {
    let mut network = Network::new(model, samples, 0..samples.batches(), runner);
    let nodes = &model.graph().unwrap().node;
    for node in nodes.iter().step_by(step) {
        let output = node.output.iter().find(|o| !o.is_empty()).unwrap();
        network.advance(&[output])?;
    }
    let names = network.output_names();
    network.advance(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let of = |k: usize| names.iter().map(|n| Ok((n.clone(), Tensor::clone(&**network.get(n, k)?)))).collect();
    (0..samples.batches()).map(of).collect()
}

#[test]
fn pieces_give_what_the_whole_gives() {
    let session = SessionOptions { threads: Some(1), ..SessionOptions::default() };
    for runtime in runtimes() {
        let runner = runner(&*runtime, &session);
        let mut seen = 0;
        for z in zoo::ALL {
            let model = load(&(z.build)());
            let samples = samples(&model, 3, &Room::default());
            let Ok(wanted) = whole(&model, &samples, runner) else { continue };
            for step in [1, 3] {
                let got = match in_pieces(&model, &samples, runner, step) {
                    Ok(got) => got,
                    // Where one computes sizes, tract wants to see all that does.
                    Err(_) if runtime.name() == "tract" => continue,
                    Err(e) => panic!("{} on {}: {e}", z.name, runtime.name()),
                };
                seen += 1;
                for ((name, w), (_, g)) in wanted.iter().flatten().zip(got.iter().flatten()) {
                    let scale = w.max_abs().max(1e-3);
                    let apart = g.max_abs_diff(w).unwrap();
                    assert!(apart <= 1e-4 * scale, "{}: {name} on {}: {apart} of {scale}", z.name, runtime.name());
                }
            }
        }
        assert!(10 * seen > 15 * zoo::ALL.len() || runtime.name() == "tract" && seen > zoo::ALL.len(), "{seen}");
    }
}

#[test]
fn files_give_what_memory_gives() {
    let (session, runtime) = (SessionOptions::default(), runtimes().pop().unwrap());
    let runner = runner(&*runtime, &session);
    for name in ["branches", "scanned", "residual"] {
        let z = zoo::ALL.iter().find(|z| z.name == name).unwrap();
        let model = load(&(z.build)());
        let with = |room: Room| in_pieces(&model, &samples(&model, 4, &room), runner, 1).unwrap();
        assert_eq!(with(Room::default()), with(Room::new(0)), "{name}");
        assert_eq!(with(Room::default()), with(Room::new(3000)), "{name}");
    }
}

#[test]
fn what_nothing_reads_is_forgotten() {
    let (mut b, x) = (Builder::new(17), String::from("x"));
    b.input("x", "batch 3 8 12");
    let first = b.conv("first", &x, 3, 4, same(3));
    let relu = b.relu(&first);
    let second = b.conv("second", &relu, 4, 2, same(1));
    b.output(&second, "batch 2 8 12");
    let model = load(&b.model());
    let (session, runtime) = (SessionOptions::default(), runtimes().pop().unwrap());
    let samples = samples(&model, 2, &Room::default());
    let mut network = Network::new(&model, &samples, 0..samples.batches(), runner(&*runtime, &session));
    network.advance(&[&first]).unwrap();
    assert!(network.has(&first) && !network.has("x"));
    let branch = network.branch(network.graph.clone());
    network.advance(&[&second]).unwrap();
    assert!(network.has(&second) && !network.has(&first) && !network.has(&relu));
    // A branch stands where it was made.
    assert!(branch.has(&first) && !branch.has(&second));
    assert!(network.advance(&[&first]).is_err(), "no node runs twice");
}

/// Multiplies the values of an initializer.
fn scale(model: &mut Model, name: &str, by: impl Fn(usize) -> f32) {
    let t = model.proto.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.name() == name).unwrap();
    let values: Vec<f32> = onnx::to_f32(t).unwrap().iter().enumerate().map(|(i, v)| v * by(i)).collect();
    *t = onnx::from_f32(name, &onnx::shape(t).unwrap(), &values, DType::Float).unwrap();
}

/// Replaces one row of a weight [out, …] (and of a bias) by a combination of the others.
fn combine(model: &mut Model, names: &[&str], row: usize, factors: &[f32]) {
    for name in names {
        let t = model.proto.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.name() == *name).unwrap();
        let (shape, mut values) = (onnx::shape(t).unwrap(), onnx::to_f32(t).unwrap().into_owned());
        let width = values.len() / shape[0];
        for i in 0..width {
            values[row * width + i] = factors.iter().enumerate().map(|(k, f)| f * values[k * width + i]).sum();
        }
        *t = onnx::from_f32(name, &shape, &values, DType::Float).unwrap();
    }
}

struct Case {
    before: f64,
    after: f64,
    refitted: Refitted,
    weights: ModelProto,
}

/// Removes the last channel of the first group, changes the result by hand, refits it, and tells how far both are from
/// the original, relative to its largest output, on samples that were not solved with.
fn refitted(model: &Model, edit: impl Fn(&mut Model)) -> Case {
    let a = Analysis::new(model, &Vec::new()).unwrap();
    let g = &a.groups[0];
    let kept = Kept::from([(g.atom, Arc::from((0..g.size as u32 - 1).collect::<Vec<_>>()))]);
    let mut pruned = Model { proto: rewriting::prune(&a, &kept).unwrap(), ..Model::default() };
    edit(&mut pruned);
    let (session, runtime) = (SessionOptions::default(), runtimes().pop().unwrap());
    let runner = runner(&*runtime, &session);
    let samples = samples(model, 32, &Room::default());
    assert!(samples.has_aside());
    let aside = Samples::read(&samples.part(samples.told()), model.graph().unwrap(), 0, &Room::default()).unwrap();
    let wanted = whole(model, &aside, runner).unwrap();
    let far = |m: &Model| {
        let got = whole(m, &aside, runner).unwrap();
        let pairs = wanted.iter().flatten().zip(got.iter().flatten());
        let scale = wanted.iter().flatten().map(|w| w.1.max_abs()).fold(0.0, f64::max);
        pairs.map(|(w, g)| g.1.max_abs_diff(&w.1).unwrap()).fold(0.0, f64::max) / scale
    };
    let before = far(&pruned);
    let done = refit(&a, &kept, &mut pruned, &samples, runner, Options::new(3)).unwrap();
    Case { before, after: far(&pruned), refitted: done.refitted, weights: pruned.proto }
}

#[test]
fn a_convolution_takes_over_what_a_combination_of_channels_gave() {
    let mut b = Builder::new(17);
    b.input("x", "batch 3 8 12");
    let c = b.conv("first", "x", 3, 4, same(3));
    let c = b.conv("second", &c, 4, 2, same(3).stride(2));
    b.output(&c, "batch 2 4 6");
    let mut model = load(&b.model());
    combine(&mut model, &["first.weight", "first.bias"], 3, &[0.5, -1.0, 2.0]);
    let case = refitted(&model, |_| ());
    assert_eq!(case.refitted, Refitted { layers: 1, left: 0 });
    assert!(case.before > 0.2 && case.after < 0.01, "{} {}", case.before, case.after);
}

#[test]
fn so_does_a_transposed_convolution() {
    let mut b = Builder::new(17);
    b.input("x", "batch 3 8 12");
    let c = b.conv("first", "x", 3, 4, same(3));
    let (w, bias) = (b.weight("second.weight", &[4, 2, 3, 3]), b.weight("second.bias", &[2]));
    let attrs = vec![("strides", A::Is(&[2, 2])), ("pads", A::Is(&[1, 1, 1, 1])), ("output_padding", A::Is(&[1, 1]))];
    let c = b.op("ConvTranspose", &[&c, &w, &bias], attrs);
    b.output(&c, "batch 2 16 24");
    let mut model = load(&b.model());
    combine(&mut model, &["first.weight", "first.bias"], 3, &[0.5, -1.0, 2.0]);
    let case = refitted(&model, |_| ());
    assert_eq!(case.refitted, Refitted { layers: 1, left: 0 });
    assert!(case.before > 0.2 && case.after < 0.01, "{} {}", case.before, case.after);
}

#[test]
fn a_fully_connected_layer_does_and_gets_a_bias_for_what_was_constant() {
    let mut b = Builder::new(17);
    b.input("x", "batch 16");
    let h = b.gemm("first", "x", 16, 6);
    let w = b.weight("second.weight", &[3, 6]);
    let y = b.op("Gemm", &[&h, &w], vec![("transB", A::I(1))]);
    b.output(&y, "batch 3");
    let mut model = load(&b.model());
    // The last unit is constant.
    scale(&mut model, "first.weight", |i| if i / 16 == 5 { 0.0 } else { 1.0 });
    let case = refitted(&model, |_| ());
    assert!(case.before > 0.01 && case.after < 0.3 * case.before, "{} {}", case.before, case.after);
    let node = case.weights.graph.as_ref().unwrap().node.last().unwrap();
    assert_eq!(node.input.len(), 3, "a bias was added");
}

#[test]
fn a_relu_between_is_seen_through() {
    let mut b = Builder::new(17);
    b.input("x", "batch 3 8 12");
    let c = b.conv("first", "x", 3, 4, same(3));
    let c = b.relu(&c);
    let c = b.conv_no_bias("second", &c, 4, 3, same(3));
    let c = b.bn("norm", &c, 3);
    let c = b.relu(&c);
    let c = b.conv("third", &c, 3, 2, same(1));
    b.output(&c, "batch 2 8 12");
    let mut model = load(&b.model());
    combine(&mut model, &["first.weight", "first.bias"], 3, &[2.0]);
    let case = refitted(&model, |_| ());
    assert_eq!(case.refitted, Refitted { layers: 2, left: 0 });
    assert!(case.before > 0.1 && case.after < 0.01, "{} {}", case.before, case.after);
}

#[test]
fn a_depthwise_convolution_makes_up_for_what_it_is_given() {
    let mut b = Builder::new(17);
    b.input("x", "batch 3 8 12");
    let c = b.conv("first", "x", 3, 4, same(3));
    let c = b.conv("depthwise", &c, 4, 4, same(3).group(4));
    let c = b.conv("point", &c, 4, 2, same(1));
    b.output(&c, "batch 2 8 12");
    let mut model = load(&b.model());
    // The last channel gives nothing; the others are then given at half, third and quarter.
    scale(&mut model, "point.weight", |i| if i % 4 == 3 { 0.0 } else { 1.0 });
    let case = refitted(&model, |m| {
        scale(m, "first.weight", |i| 1.0 / (2 + i / 27) as f32);
        scale(m, "first.bias", |i| 1.0 / (2 + i) as f32);
    });
    assert_eq!(case.refitted, Refitted { layers: 2, left: 0 });
    assert!(case.before > 0.1 && case.after < 0.01, "{} {}", case.before, case.after);
    let weight = |m: &ModelProto, name: &str| {
        let t = m.graph.as_ref().unwrap().initializer.iter().find(|t| t.name() == name).unwrap();
        onnx::to_f32(t).unwrap().into_owned()
    };
    let (old, new) = (weight(&model.proto, "depthwise.weight"), weight(&case.weights, "depthwise.weight"));
    for (i, (o, n)) in old.iter().zip(&new).enumerate() {
        assert!((n - o * (2 + i / 9) as f32).abs() < 0.02, "{i}: {o} {n}");
    }
}

#[test]
fn a_residual_branch_repairs_what_its_shortcut_gives() {
    let mut b = Builder::new(17);
    b.input("x", "batch 3 8 12");
    let inner = b.conv("inner", "x", 3, 5, same(1));
    let stem = b.conv("stem", "x", 3, 4, same(1));
    let branch = b.conv_no_bias("branch", &inner, 5, 4, same(1));
    let branch = b.bn("norm", &branch, 4);
    let c = b.add(&stem, &branch);
    let c = b.relu(&c);
    b.output(&c, "batch 4 8 12");
    let model = load(&b.model());
    // What the stem gives is wrong, and nothing reads it but the sum.
    let case = refitted(&model, |m| scale(m, "stem.weight", |i| if i % 2 == 0 { 0.2 } else { 1.5 }));
    assert_eq!(case.refitted, Refitted { layers: 1, left: 0 });
    assert!(case.before > 0.1 && case.after < 0.02, "{} {}", case.before, case.after);
}

#[test]
fn layers_of_one_weight_keep_it() {
    let mut b = Builder::new(17);
    b.input("x", "batch 3 8 12");
    let c = b.conv("zeroth", "x", 3, 6, same(1));
    let c = b.conv("first", &c, 6, 4, same(3));
    let w = b.weight("twice.weight", &[4, 4, 1, 1]);
    let c = b.conv_with(&c, &[&w], same(1));
    let c = b.conv_with(&c, &[&w], same(1));
    b.output(&c, "batch 4 8 12");
    let case = refitted(&load(&b.model()), |_| ());
    assert_eq!(case.refitted, Refitted { layers: 1, left: 2 });
    let weights = &case.weights.graph.as_ref().unwrap().initializer;
    assert_eq!(weights.iter().filter(|t| t.dims == [4, 4, 1, 1]).count(), 1);
}

#[test]
fn any_number_of_threads_gives_the_same_weights() {
    let mut b = Builder::new(17);
    b.input("x", "batch 3 8 12");
    let c = b.conv("first", "x", 3, 12, same(3));
    let c = b.relu(&c);
    let c = b.conv("second", &c, 12, 9, same(3));
    b.output(&c, "batch 9 8 12");
    let model = load(&b.model());
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| common::bytes(&refitted(&model, |_| ()).weights))
    };
    assert_eq!(on(1), on(4));
}
