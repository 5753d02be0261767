//! `onnx-prune eval` as users run it.
#![cfg(all(feature = "cli", feature = "data"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
#[path = "common/schema.rs"]
mod schema;
#[path = "common/small.rs"]
mod small;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn eval(folder: &Path, args: &[&str]) -> Output {
    let fixtures = fixtures();
    let args = args.iter().map(|a| a.replace("FIXTURES", fixtures.to_str().unwrap()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_onnx-prune"));
    command.current_dir(folder).arg("eval").args(args).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "stdout: {out}\nstderr: {err}");
    out.into_owned()
}

#[track_caller]
fn failed(output: &Output, code: i32, words: &[&str]) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert!(words.iter().all(|w| err.contains(w)), "{err}");
}

const FASHION: [&str; 5] = ["FIXTURES/fashion_resnet.onnx", "--data", "FIXTURES", "--preprocess", "unit"];

#[test]
fn the_fixture_evaluates_without_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--no-latency", "--json", "--report", "r.json", "--confusion", "c.svg", "--predictions", "p.jsonl"];
    let report: Value =
        serde_json::from_str(&succeeded(&eval(folder.path(), &[&FASHION[..], &more].concat()))).unwrap();
    assert_eq!(schema::check(&report, "evaluation.schema.json"), Vec::<String>::new());
    let figures = report["models"][0]["figures"].as_array().unwrap();
    let top1 = figures.iter().find(|f| f["name"] == "top-1").unwrap()["value"].as_f64().unwrap();
    assert!((top1 - 0.936).abs() < 0.0021, "{top1}");
    assert_eq!((&report["data"]["samples"], &report["data"]["left_out"]), (&Value::from(500), &Value::from(0)));

    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read("r.json")).unwrap(), report);
    assert!(read("c.svg").starts_with("<svg"));
    assert_eq!(read("p.jsonl").lines().count(), 500);
    let first: Value = serde_json::from_str(read("p.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(first["classes"][0]["class"], "9");
    // Nothing else is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn several_models_stand_in_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let args = [&FASHION[..], &["FIXTURES/fashion_resnet.onnx", "--samples", "20", "--latency-budget", "20"]].concat();
    let more = ["--latency-batch", "1,4", "--against", "FIXTURES/fashion_resnet.onnx", "-q"];
    let table = succeeded(&eval(folder.path(), &[&args[..], &more].concat()));
    let lines: Vec<&str> = table.lines().filter(|l| l.starts_with("fashion_resnet.onnx")).collect();
    assert_eq!(lines.len(), 2, "{table}");
    for head in ["20 samples of 10 classes", "top-1", "loss", "cosine", "latency of 4", "p95", "samples/s", "12.6 M"] {
        assert!(table.contains(head), "{head} is not in\n{table}");
    }
    assert!(!table.contains("precision"));
    let detailed =
        succeeded(&eval(folder.path(), &[&FASHION[..], &["--samples", "20", "--no-latency", "-v"]].concat()));
    assert!(detailed.contains("precision"), "{detailed}");
}

#[test]
fn what_does_not_fit_is_an_error_with_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), common::bytes(&small::classifier())).unwrap();
    let colored = ["model.onnx", "--data", "FIXTURES", "--preprocess", "unit", "--no-latency"];
    failed(&eval(folder.path(), &colored), 1, &["8", "28"]);
    failed(&eval(folder.path(), &["model.onnx", "--data", "nothing"]), 1, &["nothing"]);
    failed(&eval(folder.path(), &["missing.onnx"]), 1, &["missing.onnx"]);
    failed(&eval(folder.path(), &["model.onnx", "--against", "model.onnx"]), 2, &["--data"]);
    failed(&eval(folder.path(), &["model.onnx", "--device", "gpu"]), 2, &["gpu", "cuda"]);
    let args = [&FASHION[..], &["--no-latency", "--confusion", "c.png"]].concat();
    failed(&eval(folder.path(), &args), 2, &[".svg"]);
    let args = [&FASHION[..], &["--no-latency", "--report", "missing/r.json"]].concat();
    failed(&eval(folder.path(), &args), 1, &["missing/r.json"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn without_data_size_and_speed_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let table = succeeded(&eval(folder.path(), &["FIXTURES/fashion_resnet.onnx", "--latency-budget", "20"]));
    assert!(table.contains("latency") && table.contains("1.59 MB") && !table.contains("top-1"), "{table}");
}
