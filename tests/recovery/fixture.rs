//! A trained network and real images: what pruning does to accuracy.

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use onnx_prune::analysis::Analysis;
use onnx_prune::criteria::{self, Criterion};
use onnx_prune::data::{Batch, BatchSource, InMemory, Label};
use onnx_prune::job::Job;
use onnx_prune::onnx::Model;
use onnx_prune::planning::targets::{Params, Size, Speedup, Targets};
use onnx_prune::planning::{self, Keep, Options};
use onnx_prune::prune::{Error, PruneRequest, prune};
use onnx_prune::recovery::Means;
use onnx_prune::report::{StandIn, text};
use onnx_prune::runtime::{self, Choice, Selected, SessionOptions, Tensor};

use crate::common::request::Done;

static RUNTIME: LazyLock<Selected> = LazyLock::new(|| runtime::select(Choice::Auto, None).unwrap());

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The bytes of an IDX file after its header of a magic number and `rank` sizes, and those sizes.
fn idx(name: &str, rank: usize) -> (Vec<usize>, Vec<u8>) {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path(name)).unwrap()).read_to_end(&mut bytes).unwrap();
    let word = |i: usize| u32::from_be_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap()) as usize;
    assert_eq!(word(0), 0x800 + rank, "{name}");
    let sizes: Vec<usize> = (1..=rank).map(word).collect();
    let data = bytes[4 + 4 * rank..].to_vec();
    assert_eq!(data.len(), sizes.iter().product::<usize>(), "{name}");
    (sizes, data)
}

fn images() -> Tensor {
    let (sizes, bytes) = idx("fashion-images-idx3-ubyte.gz", 3);
    assert_eq!(sizes, [500, 28, 28]);
    let pixels: Vec<f32> = bytes.iter().map(|b| f32::from(*b) / 255.0).collect();
    Tensor::new([500, 1, 28, 28], pixels).unwrap()
}

fn logits(model: &[u8]) -> Tensor {
    let mut session = RUNTIME.runtime.open_bytes(model, None, &SessionOptions::default()).unwrap();
    let (name, logits) = session.run(&[("image".into(), images())]).unwrap().remove(0);
    assert_eq!((name.as_str(), logits.shape()), ("logits", &[500, 10][..]));
    assert_eq!(logits.first_non_finite(), None);
    logits
}

/// How many of the 500 images are recognised.
fn right(logits: &Tensor) -> usize {
    let (_, labels) = idx("fashion-labels-idx1-ubyte.gz", 1);
    let best = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
    let rows = logits.as_f32().unwrap().chunks(10);
    rows.zip(labels).filter(|(row, label)| best(row) == usize::from(*label)).count()
}

/// The first 192 images in batches of 64.
fn data() -> Arc<dyn BatchSource> {
    let (images, (_, labels)) = (images(), idx("fashion-labels-idx1-ubyte.gz", 1));
    let pixels = images.as_f32().unwrap();
    let batch = |k: usize| Batch {
        inputs: vec![(
            "image".to_owned(),
            Tensor::new([64, 1, 28, 28], pixels[k * 64 * 784..(k + 1) * 64 * 784].to_vec()).unwrap(),
        )],
        targets: labels[k * 64..(k + 1) * 64].iter().map(|l| Label::Class(usize::from(*l))).collect(),
        names: (0..64).map(|i| (k * 64 + i).to_string()).collect(),
        frames: Vec::new(),
    };
    Arc::new(InMemory((0..3).map(batch).collect()))
}

fn request(criterion: &'static dyn Criterion, scheme: &str, targets: Targets) -> PruneRequest {
    PruneRequest {
        criterion,
        scheme: planning::find_scheme(scheme).unwrap(),
        options: Options { steps: 20, ..Default::default() },
        data: Some(data()),
        ..PruneRequest::new(targets)
    }
}

fn pruned(criterion: &'static dyn Criterion, scheme: &str, targets: Targets) -> (Done, Vec<u8>) {
    run(&request(criterion, scheme, targets))
}

fn run(request: &PruneRequest) -> (Done, Vec<u8>) {
    crate::common::request::pruned(Model::load(path("fashion_resnet.onnx")).unwrap(), request).unwrap()
}

#[test]
fn the_unpruned_network_recognises_468_of_500() {
    let n = right(&logits(&std::fs::read(path("fashion_resnet.onnx")).unwrap()));
    assert!((467..=469).contains(&n), "{n}");
}

#[test]
fn shared_biases_couple_no_groups() {
    let model = Model::load(path("fashion_resnet.onnx")).unwrap();
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let groups: Vec<(&str, usize)> = a.groups.iter().map(|g| (g.name.as_str(), g.size)).collect();
    let expected = [
        ("conv.weight", 24),
        ("blocks.0.conv1.weight", 24),
        ("blocks.1.conv1.weight", 24),
        ("blocks.2.conv1.weight", 48),
        ("blocks.2.conv2.weight", 48),
        ("blocks.3.conv1.weight", 48),
        ("blocks.4.conv1.weight", 96),
        ("blocks.4.conv2.weight", 96),
        ("blocks.5.conv1.weight", 96),
    ];
    assert_eq!(groups, expected);
    // With running statistics (1,680), and with the shared biases (48 and 96) once.
    assert_eq!(a.costs.params(&a.full_counts()), 392_242.0 + 1_680.0 - 144.0);
}

#[test]
fn every_criterion_reaches_twice_the_speed_and_no_more() {
    for c in criteria::criteria() {
        let (outcome, bytes) = pruned(*c, "protected-global", Targets::one(&Speedup, 2.0));
        let r = &outcome.report;
        assert!((2.0..2.02).contains(&r.speedup), "{}: {}", c.name(), r.speedup);
        let verdict = r.verification.as_ref().unwrap();
        let shrunk = r.groups.iter().filter(|g| g.after < g.before).count();
        assert_eq!((verdict.compared, verdict.mixed), (shrunk, 0), "{}", c.name());
        assert!(verdict.difference < 1e-5, "{}: {verdict:?}", c.name());
        assert!(r.groups.iter().all(|g| 10 * g.after >= g.before), "{}: below the floor", c.name());
        assert_eq!(r.after.bytes, bytes.len() as u64, "{}", c.name());
        logits(&bytes);
    }
}

#[test]
fn every_scheme_reaches_twice_the_speed() {
    for s in planning::schemes() {
        let (outcome, bytes) = pruned(criteria::find("lamp").unwrap(), s.name(), Targets::one(&Speedup, 2.0));
        let r = &outcome.report;
        assert!((2.0..2.02).contains(&r.speedup), "{}: {}", s.name(), r.speedup);
        logits(&bytes);
    }
}

/// A tenth fewer computations cost the magnitude criteria two or three images in a hundred; chance is 50 of 500.
#[test]
fn a_light_pruning_keeps_most_of_the_accuracy() {
    for name in ["l1", "l2", "lamp"] {
        let (_, bytes) = pruned(criteria::find(name).unwrap(), "protected-global", Targets::one(&Speedup, 1.1));
        let n = right(&logits(&bytes));
        assert!(n >= 445, "{name}: {n} of 500");
    }
}

#[test]
fn targets_of_parameters_and_size_are_met_closely() {
    let l2 = criteria::find("l2").unwrap();
    let (outcome, _) = pruned(l2, "protected-global", Targets::one(&Params, 0.5));
    let share = outcome.report.after.params / outcome.report.before.params;
    assert!((0.49..=0.5).contains(&share), "{share}");
    let (_, bytes) = pruned(l2, "protected-global", Targets::one(&Size, 800_000.0));
    assert!((780_000..=800_000).contains(&bytes.len()), "{}", bytes.len());
}

/// What the command line does where data is given.
#[test]
fn widths_by_error_curves_and_least_squares_keep_the_accuracy_at_twice_the_speed() {
    let request = request(criteria::find("obs").unwrap(), "allocate", Targets::one(&Speedup, 2.0));
    let recover = Means { refit: true, recalibrate: false };
    let (outcome, bytes) = run(&PruneRequest { recover, ..request });
    let r = &outcome.report;
    assert!((2.0..2.02).contains(&r.speedup), "{}", r.speedup);
    assert!(r.verification.as_ref().unwrap().difference < 1e-5);
    let n = right(&logits(&bytes));
    assert!(n >= 460, "{n} of 500");
    let recovery = r.recovery.unwrap();
    assert!(recovery.layers_left == 0 && recovery.refitted.unwrap().same_answer > Some(0.9), "{recovery:?}");
}

#[test]
fn data_wins_accuracy_back() {
    let request = request(criteria::find("l2").unwrap(), "protected-global", Targets::one(&Speedup, 2.0));
    let recover = Means { refit: true, recalibrate: false };
    let (plain, plain_bytes) = run(&request);
    let (better, better_bytes) = run(&PruneRequest { recover, ..request });
    let (before, after) = (right(&logits(&plain_bytes)), right(&logits(&better_bytes)));
    assert!(after > before + 10, "{before} {after}");
    // The same channels stay, and the report tells what the data says.
    let kept = |o: &Done| o.report.groups.iter().map(|g| g.kept.clone()).collect::<Vec<_>>();
    assert_eq!(kept(&plain), kept(&better));
    let recovery = better.report.recovery.unwrap();
    assert!(recovery.held_out && recovery.samples == 48, "{recovery:?}");
    let (pruned, refitted) = (recovery.pruned.unwrap(), recovery.refitted.unwrap());
    assert!(pruned.accuracy < refitted.accuracy && refitted.accuracy <= recovery.original, "{recovery:?}");
    assert!(pruned.same_answer < refitted.same_answer && pruned.divergence > refitted.divergence, "{recovery:?}");
    assert!(recovery.layers > Some(5) && recovery.layers_left == 0, "{recovery:?}");
}

/// What the command line does where nothing but the file is given.
#[test]
fn drawn_images_keep_most_of_the_accuracy_without_data() {
    let request = request(criteria::find("obs").unwrap(), "allocate", Targets::one(&Speedup, 2.0));
    let recover = Means { refit: true, recalibrate: false };
    let (outcome, bytes) = run(&PruneRequest { recover, data: None, ..request });
    let n = right(&logits(&bytes));
    assert!(n >= 400, "{n} of 500");
    let recovery = outcome.report.recovery.unwrap();
    assert_eq!((recovery.stand_in, recovery.original), (Some(StandIn::DrawnImages), None));
    assert!(text::untested(&outcome.report).unwrap().contains("`data`"));
}

#[test]
fn the_smallest_model_that_keeps_enough_is_found() {
    let plain = request(criteria::find("l2").unwrap(), "protected-global", Targets::one(&Speedup, 1.0));
    let kept = |o: &Done| o.report.recovery.unwrap().last().unwrap();
    let (half, _) = run(&PruneRequest { keep: Some(Keep::Agreement(0.5)), ..plain.clone() });
    assert!(half.written && kept(&half).same_answer >= Some(0.5));
    let (most, _) = run(&PruneRequest { keep: Some(Keep::Drop(0.1)), ..plain.clone() });
    let recovery = most.report.recovery.unwrap();
    assert!(recovery.original.unwrap() - kept(&most).accuracy.unwrap() <= 0.1 + 1e-9);
    assert!(1.04 < most.report.speedup && most.report.speedup < half.report.speedup);
    // A little smaller, and it no longer does.
    let further = Targets::one(&Speedup, 1.1 * half.report.speedup);
    let (far, _) = run(&PruneRequest { targets: further, ..plain.clone() });
    assert!(kept(&far).same_answer < Some(0.5), "{:?}", kept(&far));

    let stem = Options { only: vec!["conv.weight".to_owned()], ..plain.options.clone() };
    let all = PruneRequest { keep: Some(Keep::Agreement(1.0)), options: stem, ..plain };
    let (missed, bytes) = run(&all);
    assert!(!missed.written && bytes.is_empty());
    assert!(missed.report.missed.unwrap().contains("1.05x"));
    let blind = PruneRequest { data: None, ..all };
    let model = Model::load(path("fashion_resnet.onnx")).unwrap();
    assert!(matches!(prune(model, &blind, Job::default()), Err(Error::NoData)));
}
