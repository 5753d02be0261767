//! The whole job without a file between, what it tells on the way, and stopping it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use onnx_prune::data::BatchSource;
use onnx_prune::job::{Cancel, Event, FigureName, Job, Progress, Stage, Unit, is_cancelled};
use onnx_prune::onnx::{self, Model};
use onnx_prune::planning::targets::{Ratio, Size, Speedup, Targets};
use onnx_prune::planning::{self, Options};
use onnx_prune::prune::{PruneRequest, Pruned, prune, prune_to};
use onnx_prune::recovery::Means;
use onnx_prune::runtime::SessionOptions;

use crate::common::noise::Noise;
use crate::common::request::request;
use crate::common::schema;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny").join(name)
}

fn bytes(model: &Model) -> Vec<u8> {
    let mut out = Vec::new();
    onnx::write_to(model, &mut out).unwrap();
    out
}

#[test]
fn twice_in_memory_is_twice_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("once.onnx");
    let names = [
        "convnext_ts.onnx",
        "resnest_dynamo.onnx",
        "bert_dynamo.onnx",
        "levit_ts.onnx",
        "t5_ts.onnx",
        "unet_dynamo.onnx",
    ];
    for name in names {
        let once = prune(Model::load(path(name)).unwrap(), &request(), Job::default()).unwrap();
        once.save(&file).unwrap();
        let Pruned { model, report, .. } = once;
        assert_eq!(model.file_bytes, report.after.bytes, "{name}");
        let model = Arc::new(model);
        // A size rests on what the file takes beside its weights.
        for targets in [Targets::one(&Ratio, 0.3), Targets::one(&Size, (report.after.bytes * 9 / 10) as f64)] {
            let request = PruneRequest { targets: targets.clone(), ..request() };
            let by_file = prune(Model::load(&file).unwrap(), &request, Job::default()).unwrap();
            let in_memory = prune(Arc::clone(&model), &request, Job::default()).unwrap();
            assert!(bytes(&in_memory.model) == bytes(&by_file.model), "{name}, {targets:?}");
            assert_eq!(in_memory.plan.kept, by_file.plan.kept, "{name}");
            assert_eq!(in_memory.report.before, by_file.report.before, "{name}");
        }
    }
}

#[test]
fn the_model_that_was_given_stays_as_it_was() {
    let model = Arc::new(Model::load(path("convnext_dynamo.onnx")).unwrap());
    let before = bytes(&model);
    let strip = PruneRequest { strip_debug: true, drop_initializer_inputs: true, ..request() };
    let pruned = prune(Arc::clone(&model), &strip, Job::default()).unwrap();
    assert!(bytes(&model) == before);
    assert!(bytes(&pruned.model).len() < before.len());
}

/// Data, least squares and a check: every stage of a run by activations.
fn whole() -> PruneRequest {
    let data: Arc<dyn BatchSource> = Arc::new(Noise(20));
    PruneRequest {
        scheme: planning::find_scheme("allocate").unwrap(),
        options: Options { steps: 4, ..Options::default() },
        data: Some(data),
        recover: Means { refit: true, recalibrate: false },
        session: SessionOptions { threads: Some(1), ..SessionOptions::default() },
        ..PruneRequest::new(Targets::one(&Speedup, 1.5))
    }
}

/// What a run for a file tells; the run is cancelled at event number `stop`. Whether the file is there, and nothing
/// else.
fn observed(stop: usize) -> (Vec<Event>, bool) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.onnx");
    let (cancel, seen) = (Cancel::new(), Mutex::new(Vec::new()));
    let observer = |event: &Event| {
        let mut seen = seen.lock().unwrap();
        seen.push(event.clone());
        if seen.len() == stop {
            cancel.cancel();
        }
    };
    let job = Job::observed_by(&observer).cancelled_by(&cancel);
    let model = Model::load(path("convnext_ts.onnx")).unwrap();
    let done = prune_to(model, &whole(), &out, job).and_then(|staged| staged.commit(job));
    match &done {
        Ok(outcome) => assert!(outcome.written && out.exists()),
        Err(e) => assert!(is_cancelled(e), "{e}"),
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, usize::from(done.is_ok()), "after event {stop}");
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (seen, done.is_ok())
}

#[test]
fn events_come_in_order_and_reach_their_totals() {
    let (events, done) = observed(usize::MAX);
    assert!(done);
    schema::all_required("events.schema.json");
    for event in &events {
        let json = serde_json::to_value(event).unwrap();
        assert_eq!(schema::check(&json, "events.schema.json"), Vec::<String>::new());
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), *event);
    }
    assert_eq!(schema::check(&serde_json::json!({ "event": "stage", "stage": "rest" }), "events.schema.json").len(), 1);
    let stages: Vec<Stage> =
        events.iter().filter_map(|e| if let Event::Stage { stage } = e { Some(*stage) } else { None }).collect();
    use Stage::*;
    let wanted = [Analyse, Data, Calibrate, Allocate, Plan, Rewrite, Write, Verify, Recover, Commit];
    assert_eq!(stages, wanted);
    let mut open: Option<Progress> = None;
    let (mut finished, mut told) = (Vec::new(), Vec::new());
    for event in &events {
        match event {
            Event::Progress(now) => {
                assert!(now.total.is_none_or(|total| now.done <= total), "{now:?}");
                // A stage may count several things, one after the other, or the same in several passes.
                if let Some(before) = open.filter(|b| b.unit == now.unit && b.total == now.total) {
                    let again = before.total == Some(before.done);
                    assert!(now.done > before.done || again || now.unit == Unit::Percent, "{before:?} {now:?}");
                } else {
                    finished.extend(open);
                }
                open = Some(*now);
            }
            Event::Stage { .. } => finished.extend(open.take()),
            Event::Figures { figures } => {
                told.extend(figures.iter().map(|f| f.name));
                assert!(figures.iter().all(|f| f.value <= 1.0 + 1e-9), "{figures:?}");
            }
            _ => {}
        }
    }
    assert!([FigureName::Macs, FigureName::Agreement].iter().all(|name| told.contains(name)), "{told:?}");
    let units: Vec<Unit> = finished.iter().map(|p| p.unit).collect();
    for unit in [Unit::Samples, Unit::Candidates, Unit::Percent, Unit::Layers] {
        assert!(units.contains(&unit), "{unit:?} is not in {units:?}");
    }
    for last in finished {
        assert_eq!(Some(last.done), last.total, "{last:?}");
    }
}

#[test]
fn a_run_that_is_cancelled_at_any_event_writes_nothing() {
    let (events, _) = observed(usize::MAX);
    // All stages, and some of what lies between.
    let at = (1..=events.len()).filter(|i| matches!(events[i - 1], Event::Stage { .. }) || i % 7 == 0);
    let mut stopped = 0;
    for stop in at {
        let (seen, done) = observed(stop);
        assert_eq!(seen, events[..seen.len()], "the same run");
        // Whoever is told a warning or a figure is asked at the next step.
        let asked = matches!(events[stop - 1], Event::Stage { .. } | Event::Progress(_));
        assert!(!done || !asked, "{:?}", events[stop - 1]);
        assert!(seen.len() <= stop + 2, "{} events after it was cancelled", seen.len() - stop);
        stopped += usize::from(!done);
    }
    assert!(stopped >= 10, "{stopped}");
}
