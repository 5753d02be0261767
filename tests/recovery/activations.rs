//! Statistics of activations against sums written out, and what is made of them: recovery, batch normalisations put
//! back.

use crate::common;
use crate::common::small;
use std::sync::Arc;

use crate::common::builder::{A, Builder, same};
use crate::common::noise::Noise;
use crate::zoo::channels::{head, start};
use crate::zoo::control::{inside, subgraph};
use onnx_prune::algebra::Kept;
use onnx_prune::analysis::Analysis;
use onnx_prune::criteria;
use onnx_prune::data::BatchSource;
use onnx_prune::hint::Hint;
use onnx_prune::insert_bn::insert_bn;
use onnx_prune::job::Job;
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType, Model};
use onnx_prune::planning::targets::{Ratio, Targets};
use onnx_prune::planning::{self, Options};
use onnx_prune::prune::{Error, PruneRequest, prune};
use onnx_prune::recovery::Means;
use onnx_prune::rewriting;
use onnx_prune::runtime::{self, Choice, Selected, SessionOptions, Tensor};
use onnx_prune::statistics::{ActivationProbe, AnyKey, Calibration, RANKS, SHARES, collect, with_probes};

fn load(proto: &ModelProto) -> Model {
    Model::from_bytes(common::bytes(proto)).unwrap()
}

fn selected() -> Selected {
    runtime::select(Choice::Auto, None).unwrap()
}

fn calibration<'a>(source: &'a dyn BatchSource, runtime: &'a Selected, positions: usize) -> Calibration<'a> {
    Calibration {
        source,
        runtime: &*runtime.runtime,
        session: SessionOptions::default(),
        seed: 1,
        positions,
        job: Job::default(),
    }
}

/// The classifier with an open batch size.
fn classifier() -> ModelProto {
    let mut m = small::classifier();
    let g = m.graph.as_mut().unwrap();
    for v in g.input.iter_mut().chain(&mut g.output) {
        let Some(type_proto::Value::TensorType(t)) = v.r#type.as_mut().unwrap().value.as_mut() else { panic!() };
        t.shape.as_mut().unwrap().dim[0].value = None;
    }
    m
}

/// A named output of every batch.
fn values(model: &Model, name: &str, calibration: &Calibration) -> Vec<Tensor> {
    let mut out = Vec::new();
    let model = with_probes(model, [name]).unwrap();
    let mut probe = ActivationProbe::open(&model, calibration).unwrap();
    probe
        .run(&mut |_, outputs, _| {
            out.push(outputs.iter().find(|(n, _)| *n == name).unwrap().1.to_tensor().unwrap());
            Ok(())
        })
        .unwrap();
    out
}

fn weight(model: &Model, name: &str) -> Vec<f32> {
    let t = model.graph().unwrap().initializer.iter().find(|t| t.name() == name).unwrap();
    onnx::to_f32(t).unwrap().into_owned()
}

fn close(got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len());
    let scale = wanted.iter().fold(0.0f64, |m, w| m.max(w.abs()));
    for (k, (g, w)) in got.iter().zip(wanted).enumerate() {
        assert!((g - w).abs() < 1e-5 * scale, "{k}: {g} is not {w}");
    }
}

#[test]
fn gram_matrices_are_sums_over_all_outputs() {
    let (model, runtime, noise) = (load(&classifier()), selected(), Noise(3));
    let cal = calibration(&noise, &runtime, usize::MAX);
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let found = collect(&a, &[&SHARES, &RANKS], &cal).unwrap();

    // The second convolution: 3×3, padding 1, 8×8 positions.
    let w = weight(&model, "second.weight");
    let mut first = vec![0.0f64; 16 * 16];
    for x in values(&model, "b", &cal) {
        let x = x.as_f32().unwrap();
        for n in 0..2 {
            for (o, y, c) in (0..24).flat_map(|o| (0..8).flat_map(move |y| (0..8).map(move |x| (o, y, x)))) {
                let share = |i: usize| -> f64 {
                    let mut sum = 0.0;
                    for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                        let (py, px) = (y + ky, c + kx);
                        if (1..=8).contains(&py) && (1..=8).contains(&px) {
                            let value = x[((n * 16 + i) * 8 + py - 1) * 8 + px - 1];
                            sum += f64::from(value) * f64::from(w[((o * 16 + i) * 3 + ky) * 3 + kx]);
                        }
                    }
                    sum
                };
                let z: Vec<f64> = (0..16).map(share).collect();
                for (k, g) in first.iter_mut().enumerate() {
                    *g += z[k / 16] * z[k % 16];
                }
            }
        }
    }
    close(found[0].get(SHARES).unwrap(), &first);

    // The matrix at the end, whose rows are its outputs.
    let w = weight(&model, "head.weight");
    let mut second = vec![0.0f64; 24 * 24];
    for x in values(&model, "flat", &cal) {
        for row in x.as_f32().unwrap().chunks(24) {
            for o in 0..10 {
                for (k, g) in second.iter_mut().enumerate() {
                    let z = |i: usize| f64::from(row[i]) * f64::from(w[o * 24 + i]);
                    *g += z(k / 24) * z(k % 24);
                }
            }
        }
    }
    close(found[1].get(SHARES).unwrap(), &second);
    // Single numbers have no rank to speak of; 8×8 maps do.
    assert_eq!(found[1].get(RANKS), None);
    let ranks = found[0].get(RANKS).unwrap();
    assert!(ranks.iter().all(|r| (0.0..=8.0).contains(r)) && ranks.iter().any(|r| *r > 4.0), "{ranks:?}");
}

#[test]
fn activations_that_are_not_finite_are_told() {
    let mut proto = classifier();
    let weights = &mut proto.graph.as_mut().unwrap().initializer;
    let bias = weights.iter_mut().find(|t| t.name() == "first.bias").unwrap();
    let large = [vec![0.0; 15], vec![f32::INFINITY]].concat();
    *bias = onnx::from_f32("first.bias", &[16], &large, DType::Float).unwrap();
    let (model, runtime, noise) = (load(&proto), selected(), Noise(3));
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    for wanted in [&SHARES as &dyn AnyKey, &RANKS] {
        let message = collect(&a, &[wanted], &calibration(&noise, &runtime, 10)).unwrap_err().to_string();
        for word in ["'b'", "sample", "NaN or infinite"] {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn statistics_do_not_depend_on_threads() {
    let (model, runtime, noise) = (load(&classifier()), selected(), Noise(4));
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| collect(&a, &[&SHARES, &RANKS], &calibration(&noise, &runtime, 5)).unwrap())
    };
    assert_eq!(with(1), with(3));
}

fn request(criterion: &str) -> PruneRequest {
    PruneRequest {
        criterion: criteria::find(criterion).unwrap(),
        scheme: planning::find_scheme("local").unwrap(),
        options: Options { steps: 2, ..Default::default() },
        data: Some(Arc::new(Noise(8))),
        ..PruneRequest::new(Targets::one(&Ratio, 0.25))
    }
}

#[test]
fn what_looks_at_activations_asks_for_data() {
    for c in ["hrank", "cp", "thinet"] {
        let without = PruneRequest { data: None, ..request(c) };
        let e = prune(load(&classifier()), &without, Job::default()).err().unwrap();
        assert!(e.to_string().contains(c) && e.to_string().contains("`data`"), "{e}");
        assert_eq!(e.hint(), Some(Hint::Data));
        prune(load(&classifier()), &request(c), Job::default()).unwrap();
    }
    let without = PruneRequest { data: None, recover: Means { refit: false, recalibrate: true }, ..request("l2") };
    assert!(matches!(prune(load(&classifier()), &without, Job::default()), Err(Error::NoData)));
}

/// The classifier with a normalisation after its second convolution.
fn normalized() -> ModelProto {
    let mut m = classifier();
    let g = m.graph.as_mut().unwrap();
    g.node[3].input[0] = "n".into();
    g.node.insert(3, common::node("BatchNormalization", &["c", "gamma", "beta", "mean", "var"], &["n"]));
    for (name, value) in [("gamma", 1.5), ("beta", 0.25), ("mean", 3.0), ("var", 9.0)] {
        g.initializer.push(onnx::from_f32(name, &[24], &[value; 24], DType::Float).unwrap());
    }
    m
}

/// Mean and variance of each channel of a map on the data.
fn moments(model: &Model, name: &str, channels: usize, cal: &Calibration) -> (Vec<f64>, Vec<f64>) {
    let (mut sum, mut square, mut n) = (vec![0.0f64; channels], vec![0.0f64; channels], 0.0);
    for t in values(model, name, cal) {
        for (k, v) in t.as_f32().unwrap().iter().enumerate() {
            sum[k / 64 % channels] += f64::from(*v);
            square[k / 64 % channels] += f64::from(*v).powi(2);
        }
        n += t.len() as f64 / channels as f64;
    }
    let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
    let variance = square.iter().zip(&mean).map(|(s, m)| s / n - m * m).collect();
    (mean, variance)
}

fn statistics(model: &Model) -> [Vec<f64>; 2] {
    ["mean", "var"].map(|name| weight(model, name).into_iter().map(f64::from).collect())
}

/// Without pruning nothing moves, whatever the data; what pruning moves by is what it did to the data.
#[test]
fn recalibrated_statistics_move_as_the_data_does() {
    let (model, runtime, noise) = (load(&normalized()), selected(), Noise(6));
    let cal = calibration(&noise, &runtime, 10);
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let mut proto = model.proto.clone();
    assert_eq!(rewriting::recalibrate(&a, &Kept::new(), &mut proto, None, &cal).unwrap(), 1);
    let [mean, variance] = statistics(&Model::new(proto));
    close(&mean, &[3.0; 24]);
    close(&variance, &[9.0; 24]);

    let first = a.groups.iter().find(|g| g.size == 16).unwrap().atom;
    let second = a.groups.iter().find(|g| g.size == 24).unwrap().atom;
    let stay: Vec<u32> = (0..24).filter(|c| c % 3 != 0).collect();
    let kept = Kept::from([(first, Arc::from([0, 3, 4, 7, 8, 11])), (second, Arc::from(stay.clone()))]);
    let mut proto = rewriting::prune(&a, &kept).unwrap();
    assert_eq!(rewriting::recalibrate(&a, &kept, &mut proto, None, &cal).unwrap(), 1);
    let new = Model::new(proto);
    let [mean, variance] = statistics(&new);
    assert_eq!(mean.len(), stay.len());
    let (before, spread) = moments(&model, "c", 24, &cal);
    let (after, narrower) = moments(&new, "c", stay.len(), &cal);
    for (k, c) in stay.iter().map(|c| *c as usize).enumerate() {
        let (old, now) = ((9.0f64 + 1e-5).sqrt(), (variance[k] + 1e-5).sqrt());
        let (was, is) = ((before[c] - 3.0) / old, (after[k] - mean[k]) / now);
        assert!((was - is).abs() < 1e-4, "{c}: {was} {is}");
        let (was, is) = ((spread[c] + 1e-5).sqrt() / old, (narrower[k] + 1e-5).sqrt() / now);
        assert!((was - is).abs() < 1e-4 * was, "{c}: {was} {is}");
    }
    assert!(mean.iter().any(|m| (m - 3.0).abs() > 0.05), "pruning moved nothing: {mean:?}");
    assert!(weight(&new, "gamma").iter().all(|g| *g == 1.5));
}

/// Data like what the model was trained on: the statistics become those of the data.
#[test]
fn statistics_of_the_models_own_data_are_replaced() {
    let (runtime, noise) = (selected(), Noise(6));
    let cal = calibration(&noise, &runtime, 10);
    let mut m = normalized();
    let (mean, variance) = moments(&load(&m), "c", 24, &cal);
    for t in &mut m.graph.as_mut().unwrap().initializer {
        let own = match t.name() {
            "mean" => &mean,
            "var" => &variance,
            _ => continue,
        };
        *t = onnx::from_f32(t.name(), &[24], &own.iter().map(|v| *v as f32).collect::<Vec<_>>(), DType::Float).unwrap();
    }
    let model = load(&m);
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let first = a.groups.iter().find(|g| g.size == 16).unwrap().atom;
    let kept = Kept::from([(first, Arc::from([1, 2, 5, 6, 9, 10, 13, 14]))]);
    let mut proto = rewriting::prune(&a, &kept).unwrap();
    rewriting::recalibrate(&a, &kept, &mut proto, None, &cal).unwrap();
    let new = Model::new(proto);
    let (mean, variance) = moments(&new, "c", 24, &cal);
    let [new_mean, new_variance] = statistics(&new);
    close(&new_mean, &mean);
    close(&new_variance, &variance);
}

#[test]
fn a_folded_model_has_nothing_to_recalibrate() {
    let data: Option<Arc<dyn BatchSource>> = Some(Arc::new(Noise(3)));
    let recover = Means { refit: false, recalibrate: true };
    let request = PruneRequest { data, recover, ..request("l2") };
    let outcome = prune(load(&classifier()), &request, Job::default()).unwrap();
    let said = onnx_prune::report::text::recovery(&outcome.report.recovery.unwrap());
    assert!(said.contains("no BatchNormalization to recalibrate") && said.contains("insert-bn"), "{said}");
}

#[test]
fn a_normalisation_put_back_changes_nothing_and_can_be_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("with_bn.onnx");
    let (model, runtime, noise) = (load(&classifier()), selected(), Noise(6));
    let cal = calibration(&noise, &runtime, 10);
    let done = insert_bn(&model, &Vec::new(), &cal).unwrap();
    assert_eq!(done.save(&path).unwrap(), Vec::<String>::new());
    assert_eq!((done.layers, done.samples), (2, 12));
    assert!(done.difference < 1e-5, "{done:?}");

    let new = Model::load(&path).unwrap();
    // γ is the spread of what the convolution gives; its bias went into the statistics.
    let spread = |name: &str, map: usize, channels: usize| {
        let mut sums = vec![(0.0f64, 0.0f64, 0.0f64); channels];
        for t in values(&model, name, &cal) {
            for (k, v) in t.as_f32().unwrap().iter().enumerate() {
                let s = &mut sums[k / map % channels];
                *s = (s.0 + 1.0, s.1 + f64::from(*v), s.2 + f64::from(*v).powi(2));
            }
        }
        sums.iter().map(|s| (s.2 / s.0 - (s.1 / s.0).powi(2)).sqrt()).collect::<Vec<f64>>()
    };
    let scales: Vec<Vec<f32>> = ["a_scale_1", "c_scale_1"].iter().map(|n| weight(&new, n)).collect();
    for (scale, spread) in scales.iter().zip([spread("a", 64, 16), spread("c", 64, 24)]) {
        assert!(scale.iter().zip(spread).all(|(g, s)| (f64::from(*g) - s).abs() < 1e-3 * s + 1e-4));
    }
    assert!(new.graph().unwrap().initializer.iter().all(|t| t.name() != "first.bias"));
    let outcome = prune(new, &request("bnscale"), Job::default()).unwrap();
    assert!(outcome.report.warnings.is_empty(), "{:?}", outcome.report.warnings);
    // There is nothing left to insert.
    let again = insert_bn(done.model, &Vec::new(), &cal);
    assert!(again.is_err());
}

/// Nodes behind the subgraph of a branch have other numbers than places in the graph.
#[test]
fn normalisations_stand_behind_their_layers_where_there_are_branches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("with_bn.onnx");
    let (mut b, x) = start(17);
    let flag = b.input_of("flag", DType::Bool, "");
    let a = b.conv("one", &x, 3, 8, same(3));
    let branch = |b: &mut Builder, name: &str, op: &str| {
        let mut inner = inside(b, name);
        let c = inner.op(op, &[&a], vec![]);
        inner.output(&c, "batch 8 8 8");
        A::G(subgraph(inner, name))
    };
    let (yes, no) = (branch(&mut b, "yes", "Relu"), branch(&mut b, "no", "Neg"));
    let c = b.op("If", &[&flag], vec![("then_branch", yes), ("else_branch", no)]);
    let c = b.conv("two", &c, 8, 10, same(3));
    let c = b.relu(&c);
    let c = b.conv("three", &c, 10, 12, same(3));
    let (model, runtime, noise) = (load(&head(b, &c, 12)), selected(), Noise(4));
    let done = insert_bn(&model, &Vec::new(), &calibration(&noise, &runtime, 10)).unwrap();
    done.save(&path).unwrap();
    let new = Model::load(&path).unwrap();
    let nodes = &new.graph().unwrap().node;
    let inserted: Vec<&NodeProto> = nodes.iter().filter(|n| n.op_type() == "BatchNormalization").collect();
    assert!(done.layers == inserted.len() && done.layers > 1, "{done:?}, {} nodes", inserted.len());
    for n in inserted {
        let maker = nodes.iter().find(|m| m.output.contains(&n.input[0])).unwrap();
        assert_eq!(maker.op_type(), "Conv", "{}", n.name());
    }
}
