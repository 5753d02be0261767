//! The report is what its schema says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
#[path = "common/small.rs"]
mod small;

use onnx_prune::analysis::Analysis;
use onnx_prune::onnx::Model;
use onnx_prune::planning::{self, Options, Target};
use onnx_prune::prune::{Outcome, Output, Request, Silent, prune};
use onnx_prune::report::{self, LatencyReport, Pending, Report, Verification};
use onnx_prune::runtime::latency::{Latency, Pair};
use serde_json::Value;

fn loaded() -> Model {
    Model::from_bytes(common::bytes(&small::classifier())).unwrap()
}

fn request() -> Request {
    Request {
        scheme: planning::find_scheme("protected-global").unwrap(),
        options: Options { ratio_for: vec![("first.*".into(), 0.25)], ..Options::default() },
        force: false,
        ..common::request::request()
    }
}

fn run(request: &Request) -> (Report, Vec<u8>) {
    let mut bytes = Vec::new();
    let Outcome { report, written } = prune(&mut loaded(), request, Output::Stream(&mut bytes), &mut Silent).unwrap();
    assert!(written && report.missed.is_none(), "{:?}", report.missed);
    (report, bytes)
}

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/report.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("the schema says {other}"),
    }
}

/// What in `value` the schema does not allow, for the words that the report's schema uses.
fn violations(value: &Value, schema: &Value, root: &Value, at: &str, out: &mut Vec<String>) {
    if schema == &Value::Bool(false) {
        out.push(format!("{at}: not allowed"));
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        violations(value, root.pointer(&reference[1..]).unwrap(), root, at, out);
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|k| k.as_str().unwrap()).collect(),
        other => panic!("{at}: type {other}"),
    };
    if !kinds.iter().any(|kind| is(value, kind)) {
        out.push(format!("{at}: {value} is no {kinds:?}"));
        return;
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        out.push(format!("{at}: {value} is not listed"));
    }
    if let Some(object) = value.as_object() {
        for key in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(key.as_str().unwrap()) {
                out.push(format!("{at}: {key} is missing"));
            }
        }
        for (key, value) in object {
            let inner = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            violations(value, inner, root, &format!("{at}.{key}"), out);
        }
    }
    if let Some(array) = value.as_array() {
        let first = schema["prefixItems"].as_array().map_or(&[][..], Vec::as_slice);
        for (i, value) in array.iter().enumerate() {
            violations(value, first.get(i).unwrap_or(&schema["items"]), root, &format!("{at}[{i}]"), out);
        }
    }
}

fn check(value: &Value) -> Vec<String> {
    let (schema, mut out) = (schema(), Vec::new());
    violations(value, &schema, &schema, "report", &mut out);
    out
}

/// Every object of the schema names each of its keys as required, so that nothing is optional by oversight.
fn all_required(schema: &Value, at: &str) {
    if let (Some(properties), None) = (schema["properties"].as_object(), schema.get("maxProperties")) {
        let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
        let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(required, keys, "{at}");
    }
    match schema {
        Value::Object(object) => object.iter().for_each(|(k, v)| all_required(v, &format!("{at}/{k}"))),
        Value::Array(array) => array.iter().for_each(|v| all_required(v, at)),
        _ => {}
    }
}

#[test]
fn a_report_fits_its_schema() {
    let (mut report, _) = run(&request());
    all_required(&schema(), "");
    assert_eq!(check(&serde_json::to_value(&report).unwrap()), Vec::<String>::new());

    report.verification = Some(Verification { difference: 1e-7, compared: 2, mixed: 0, outputs: 1 });
    let times = || Latency::of(vec![1.0, 2.0, 3.0]);
    let pair = Pair { a: times(), b: times(), ratio: 1.0, ratio_range: (0.9, 1.1) };
    let inputs = [("x".to_owned(), vec![1, 3, 8, 8])].into();
    report.latency = Some(LatencyReport { runtime: "runtime 1".into(), inputs, pair });
    report.missed = Some("why".into());
    for target in [Target::Speedup(2.0), Target::Params(0.5), Target::Size(1000)] {
        report.settings.target = target;
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
    let (again, same) = run(&Request { recipe: Some(recipe), ..request() });
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
fn a_picture_has_every_group_and_both_ends() {
    let model = loaded();
    let dot = report::dot(&Analysis::new(&model, &Vec::new()).unwrap());
    let lines: Vec<&str> = dot.lines().map(str::trim).collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("digraph groups {", "}"));
    for start in [
        "g0 [label=\"first.weight\\n16 conv\"",
        "g1 [label=\"second.weight\\n24 conv\"",
        "\"frozen graph input\" [label=\"input\", shape=box",
        "\"frozen graph output\" [label=\"output\", shape=box",
        "\"frozen graph input\" -> g0 [label=\"first.weight\\n",
        "g0 -> g1 [label=\"second.weight\\n",
        "g1 -> \"frozen graph output\" [label=\"head.weight\\n",
    ] {
        assert!(lines.iter().any(|l| l.starts_with(start)), "{start} is not in\n{dot}");
    }
}
