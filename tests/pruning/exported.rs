//! What both exporters of PyTorch write: narrow models of every kind of structure, pruned to half their cost.

use crate::common;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use onnx_prune::analysis::Analysis;
use onnx_prune::onnx::Model;
use onnx_prune::planning::targets::{Speedup, Targets};
use onnx_prune::planning::{self, Axes, Options};
use onnx_prune::prune::PruneRequest;
use onnx_prune::runtime::{self, Choice, Dim, Selected, Session, SessionOptions, Tensor};
use rayon::prelude::*;

use crate::common::request::Done;

static RUNTIME: LazyLock<Selected> = LazyLock::new(|| runtime::select(Choice::Auto, None).unwrap());

/// What cannot become twice as fast with the width of its residual stream as it is.
const SHORT: [(&str, f64); 2] = [("convnext", 1.739), ("mixer", 1.718)];

/// What tract 0.23 cannot run.
const FOREIGN: [&str; 1] = ["whisper"];

/// By name of the model and exporter.
fn files() -> BTreeMap<(String, String), PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let models = paths.filter(|path| path.extension().is_some_and(|e| e == "onnx"));
    let named = models.map(|path| {
        let (name, exporter) = path.file_stem().unwrap().to_str().unwrap().rsplit_once('_').unwrap();
        ((name.to_owned(), exporter.to_owned()), path.clone())
    });
    named.collect()
}

/// Those that the runtime can run.
fn runnable() -> Vec<((String, String), PathBuf)> {
    let tract = RUNTIME.runtime.name() == "tract";
    let found: Vec<_> = files().into_iter().filter(|((n, _), _)| !(tract && FOREIGN.contains(&n.as_str()))).collect();
    assert!(found.len() > 40, "{}", found.len());
    found
}

/// Prunes the file; masking must have given the same.
fn pruned(path: &Path, request: PruneRequest) -> (Done, Vec<u8>) {
    let outcome = crate::common::request::pruned(Model::load(path).unwrap(), &PruneRequest { verify: true, ..request });
    let name = path.file_name().unwrap().display();
    let (outcome, bytes) = outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
    let warnings = &outcome.report.warnings;
    let verdict = outcome.report.verification.as_ref().unwrap_or_else(|| panic!("{name}: {warnings:?}"));
    assert!(verdict.difference < 1e-4 && verdict.compared + verdict.mixed > 0, "{name}: {verdict:?}");
    assert!(warnings.iter().all(|w| !w.contains("no rule")), "{name}: {warnings:?}");
    (outcome, bytes)
}

/// Every input at a size of `batch` on axis 0 and 6 on other open axes.
fn shapes_out(session: &mut dyn Session, batch: usize) -> Vec<(String, Vec<usize>)> {
    let inputs: Vec<(String, Tensor)> = session
        .inputs()
        .iter()
        .map(|i| {
            let open = |axis: usize| if axis == 0 { batch } else { 6 };
            let dims = i.dims.as_ref().unwrap().iter().enumerate();
            let shape: Vec<usize> = dims.map(|(k, d)| if let Dim::Fixed(n) = d { *n } else { open(k) }).collect();
            (i.name.clone(), Tensor::random(i.dtype, &shape, 1, 1..2).unwrap())
        })
        .collect();
    session.run(&inputs).unwrap().into_iter().map(|(name, t)| (name, t.shape().to_vec())).collect()
}

#[test]
fn every_model_becomes_twice_as_fast() {
    let options = SessionOptions { threads: Some(1), ..Default::default() };
    let request = PruneRequest {
        scheme: planning::find_scheme("protected-global").unwrap(),
        targets: Targets::one(&Speedup, 2.0),
        options: Options::default(),
        ..common::request::request()
    };
    runnable().par_iter().for_each(|((name, exporter), path)| {
        let (outcome, bytes) = pruned(path, request.clone());
        let r = &outcome.report;
        let short = SHORT.iter().find(|(n, _)| n == name);
        let (least, most) = short.map_or((2.0, 2.05), |(_, best)| (*best, *best + 0.01));
        assert!((least - 1e-9..most).contains(&r.speedup), "{name}, {exporter}: {}", r.speedup);

        let mut whole = RUNTIME.runtime.open(path, &options).unwrap();
        let mut small = RUNTIME.runtime.open_bytes(&bytes, None, &options).unwrap();
        for batch in [1, 3] {
            let (before, after) = (shapes_out(&mut *whole, batch), shapes_out(&mut *small, batch));
            assert_eq!(before, after, "{name}, {exporter}");
        }
    });
}

#[test]
fn half_of_everything_can_go() {
    let options = Options { steps: 1, axes: Axes::all(), ..Default::default() };
    let request = PruneRequest { options, ..common::request::request() };
    runnable().par_iter().for_each(|((name, exporter), path)| {
        let (outcome, _) = pruned(path, request.clone());
        assert!(outcome.report.speedup > 1.9, "{name}, {exporter}: {}", outcome.report.speedup);
    });
}

/// The two spell one network differently; what can shrink is a matter of the network.
#[test]
fn both_exporters_give_the_same_groups() {
    let files = files();
    let groups = |path: &Path| {
        let model = Model::load(path).unwrap();
        let analysis = Analysis::new(&model, &Vec::new()).unwrap();
        let mut all: Vec<(String, usize)> = analysis.groups.iter().map(|g| (g.kind.to_string(), g.size)).collect();
        all.sort();
        all
    };
    let mut compared = 0;
    for ((name, exporter), path) in &files {
        let Some(other) = files.get(&(name.clone(), "dynamo".to_owned())).filter(|_| exporter == "ts") else {
            continue;
        };
        assert_eq!(groups(path), groups(other), "{name}");
        compared += 1;
    }
    assert!(compared > 15);
}
