//! The report is what its schema says.

use crate::common;
use crate::common::schema;
use crate::common::small;
use onnx_prune::analysis::Analysis;
use onnx_prune::onnx::Model;
use onnx_prune::ops::Role;
use onnx_prune::planning::targets::{
    ActivationBytes, ActivationShare, Goal, Milliseconds, Params, Ratio, Size, Speedup, Targets, TimeFactor,
};
use onnx_prune::planning::{self, Options};
use onnx_prune::prune::PruneRequest;
use onnx_prune::report::{
    self, GroupSensitivity, LatencyReport, Pending, Report, SensitivityMeasure, SensitivityPoint, SensitivityReport,
    TimeReport, Verification,
};
use onnx_prune::runtime::latency::{Latency, Pair};
use onnx_prune::runtime::library::LibraryOrigin;
use onnx_prune::runtime::{Choice, Device, LoadedLibrary};
use serde_json::Value;

use crate::common::request::{Done, pruned};

fn loaded() -> Model {
    Model::from_bytes(common::bytes(&small::classifier())).unwrap()
}

fn request() -> PruneRequest {
    PruneRequest {
        scheme: planning::find_scheme("protected-global").unwrap(),
        options: Options { ratio_for: vec![("first.*".into(), 0.25)], ..Options::default() },
        force: false,
        ..common::request::request()
    }
}

fn run(request: &PruneRequest) -> (Report, Vec<u8>) {
    let (Done { report, written, .. }, bytes) = pruned(loaded(), request).unwrap();
    assert!(written && report.missed.is_none(), "{:?}", report.missed);
    (report, bytes)
}

fn check(value: &Value) -> Vec<String> {
    schema::check(value, "report.schema.json")
}

#[test]
fn a_model_that_was_built_is_checked_like_a_file() {
    let built = Model::from_proto(small::classifier()).unwrap();
    let bytes = |model: Model| pruned(model, &request()).unwrap().1;
    assert_eq!(built.file_bytes, loaded().file_bytes);
    assert!(bytes(built) == run(&request()).1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.onnx");
    loaded().save(&path).unwrap();
    assert!(bytes(Model::load(&path).unwrap()) == run(&request()).1);
    let mut wrong = small::classifier();
    wrong.graph.as_mut().unwrap().node[0].input[0] = "nothing".into();
    assert!(Model::from_proto(wrong).is_err() && Model::from_proto(Default::default()).is_err());
}

#[test]
fn a_report_fits_its_schema() {
    let (mut report, _) = run(&request());
    schema::all_required("report.schema.json");
    assert_eq!(check(&serde_json::to_value(&report).unwrap()), Vec::<String>::new());

    report.verification = Some(Verification { difference: 1e-7, compared: 2, outputs: 1, ..Verification::default() });
    let times = || Latency::of(vec![1.0, 2.0, 3.0]);
    let pair = Pair { a: times(), b: times(), ratio: 1.0, ratio_range: (0.9, 1.1) };
    let inputs = [("x".to_owned(), vec![1, 3, 8, 8])].into();
    report.latency = Some(LatencyReport { runtime: "runtime 1".into(), device: Device::Cpu, inputs, pair });
    let (path, version) = ("/lib/libonnxruntime.so".into(), "1.20.0".into());
    report.library = Some(LoadedLibrary { path, version, origin: LibraryOrigin::Variable });
    report.missed = Some("why".into());
    report.times = Some(TimeReport { timed: 3, known: 1, left_out: 0, explained: 1.2, plans: 2 });
    let points = vec![SensitivityPoint { kept: 12, degradation: -0.01 }];
    let groups = vec![GroupSensitivity { name: "first.weight".into(), before: 16, points }];
    report.sensitivity = Some(SensitivityReport { of: SensitivityMeasure::Accuracy, original: Some(0.9), groups });
    let targets = [
        Targets::one(&Speedup, 2.0),
        Targets::one(&Params, 0.5),
        Targets::one(&Size, 1000.0),
        Targets::one(&Ratio, 0.5),
        Targets::one(&TimeFactor, 2.0),
        Targets::one(&Milliseconds, 0.5),
        Targets::one(&ActivationBytes, 1000.0),
        Targets::one(&ActivationShare, 0.5),
    ];
    let both = Targets::one(&Speedup, 2.0).and(Goal::new(&Size, 1000.0));
    for targets in targets.into_iter().chain([both]) {
        report.settings.targets = targets;
        assert_eq!(check(&serde_json::to_value(&report).unwrap()), Vec::<String>::new());
    }
}

#[test]
fn the_walker_finds_what_is_wrong() {
    let mut value = serde_json::to_value(run(&request()).0).unwrap();
    value["speedup"] = Value::Null;
    value["groups"][0]["extra"] = Value::Bool(true);
    value["settings"].as_object_mut().unwrap().remove("seed");
    value["groups"][1]["kind"] = "other".into();
    assert_eq!(check(&value).len(), 4, "{:?}", check(&value));
}

#[test]
fn a_report_replays_to_the_same_bytes() {
    let (report, bytes) = run(&request());
    let recipe = report::recipe(&serde_json::to_string(&report).unwrap()).unwrap();
    let (again, same) = run(&PruneRequest { recipe: Some(recipe), ..request() });
    assert!(bytes == same);
    assert_eq!((again.settings, again.groups), (report.settings, report.groups));
}

#[test]
fn a_pending_report_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    drop(Pending::new(&path).unwrap());
    assert_eq!(entries(), 0);
    let (report, _) = run(&request());
    Pending::new(&path).unwrap().write(&report).unwrap();
    assert_eq!(entries(), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), serde_json::to_value(&report).unwrap());
    assert!(Pending::new(folder.path()).is_err());
    assert!(Pending::new(&folder.path().join("missing/report.json")).is_err());
}

#[test]
fn a_diagram_has_every_group_and_both_ends() {
    let model = loaded();
    let dot = report::dot(&Analysis::new(&model, &Vec::new()).unwrap(), None).unwrap();
    let lines: Vec<&str> = dot.lines().map(str::trim).collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("digraph groups {", "}"));
    for start in [
        "g0 [label=\"first\\n16 conv\"",
        "g1 [label=\"second\\n24 conv\"",
        "\"frozen graph input\" [label=\"input\", fillcolor=grey85",
        "\"frozen graph output\" [label=\"output\", fillcolor=grey85",
        "\"frozen graph input\" -> g0 [label=\"",
        "g0 -> g1 [label=\"",
        "g1 -> \"frozen graph output\" [label=\"head\\n",
    ] {
        assert!(lines.iter().any(|l| l.starts_with(start)), "{start} is not in\n{dot}");
    }
}

/// What is written is read as the same.
#[track_caller]
fn read_back<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) {
    let json = serde_json::to_value(value).unwrap();
    let again: T = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), json);
}

#[test]
fn reports_are_read_back_as_they_were_written() {
    let (mut report, _) = run(&PruneRequest { verify: true, sensitivity: true, ..request() });
    report.library =
        Some(LoadedLibrary { path: "/lib/x.so".into(), version: "1.20.0".into(), origin: LibraryOrigin::VirtualEnv });
    report.settings.device = Device::Cuda(1);
    read_back(&report);
    read_back(&report::inspect(&Analysis::new(loaded(), &Vec::new()).unwrap()));
    // Names in the JSON are those in tables.
    for role in [Role::Out, Role::In, Role::BatchNorm, Role::Carried, Role::Quantization] {
        assert_eq!(serde_json::to_value(role).unwrap(), role.name());
    }
    for choice in [Choice::Auto, Choice::Tract, Choice::Ort] {
        assert_eq!(serde_json::to_value(choice).unwrap(), choice.to_string());
    }
    assert!(serde_json::from_value::<Device>("gpu".into()).is_err());
}

/// The library has no command line: what messages point to are hints, which the command line words.
#[test]
fn no_message_of_the_library_names_an_option() {
    fn sources(folder: &std::path::Path, out: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            match entry.is_dir() {
                true if !entry.ends_with("cli") => sources(&entry, out),
                true => {}
                false => out.push(entry),
            }
        }
    }
    let mut files = Vec::new();
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 100, "{}", files.len());
    let names_an_option = |line: &str| {
        line.match_indices("--").any(|(i, _)| {
            let (before, after) = (line[..i].chars().next_back(), line[i + 2..].chars().next());
            before != Some('-') && after.is_some_and(|c| c.is_ascii_lowercase())
        })
    };
    assert!(names_an_option("give some with --data") && !names_an_option("a -- b"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // Comments are nobody's messages, but for the manual pages of criteria, which the command line shows.
        let comment = |line: &str| line.trim_start().starts_with("//") && !file.parent().unwrap().ends_with("criteria");
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !comment(line)) {
            assert!(!names_an_option(line), "{}:{}: {line}", file.display(), i + 1);
        }
    }
}
