//! What the program says: names that are not there, options of other programs, names that act on a terminal, errors
//! that come before work.

use crate::common;
use crate::common::schema;
use crate::common::small;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::common::made::{floats, npy, put};
use onnx_prune::onnx::proto::ModelProto;
use serde_json::Value;
use tempfile::TempDir;

const OFFLINE: [&str; 2] = ["--no-verify", "--no-latency"];

struct Bench(TempDir);

/// The small classifier with names of nodes as exporters give them.
fn named() -> ModelProto {
    let mut model = small::classifier();
    for (i, node) in model.graph.as_mut().unwrap().node.iter_mut().enumerate() {
        node.name = Some(format!("/net/{i}/{}", node.op_type()));
    }
    model
}

impl Bench {
    fn new() -> Self {
        let bench = Bench(tempfile::tempdir().unwrap());
        put(bench.0.path(), "model.onnx", common::bytes(&named()));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onnx-prune"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs, checks the exit code, and gives what stands on both streams.
    #[track_caller]
    fn says(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        let texts = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b).into_owned());
        let [out, err] = texts;
        assert_eq!(output.status.code(), Some(code), "{args:?}\nstdout: {out}\nstderr: {err}");
        (out, err)
    }

    #[track_caller]
    fn prune(&self, code: i32, args: &[&str]) -> (String, String) {
        self.says(code, &[&["model.onnx"], args, &OFFLINE].concat())
    }

    fn after(&self, args: &[&str]) -> Vec<u64> {
        self.prune(0, &[&["--dry-run", "--report", "r.json"], args].concat());
        let report: Value = serde_json::from_slice(&std::fs::read(self.path("r.json")).unwrap()).unwrap();
        report["groups"].as_array().unwrap().iter().map(|g| g["after"].as_u64().unwrap()).collect()
    }
}

#[track_caller]
fn holds(text: &str, words: &[&str]) {
    words.iter().for_each(|w| assert!(text.contains(w), "'{w}' is not in:\n{text}"));
}

#[test]
fn patterns_match_groups_nodes_and_initializers() {
    let b = Bench::new();
    assert_eq!(b.after(&["--ratio", "0.5", "--scheme", "local", "--protect", "first.bias"]), [16, 12]);
    assert_eq!(b.after(&["--ratio", "0.5", "--scheme", "local", "--protect", "/net/0/Conv"]), [16, 12]);
    assert_eq!(b.after(&["--ratio", "0.5", "--scheme", "local", "--only", "/net/0/*"]), [8, 24]);
    assert_eq!(b.after(&["--ratio", "0.5", "--scheme", "local", "--only", "/net/6/Gemm"]), [16, 12]);
    assert_eq!(b.after(&["--speedup", "1.5", "--ratio-for", "/net/0/Conv=0.25"])[0], 12);
    // What cannot shrink is protected anyway.
    assert_eq!(b.after(&["--ratio", "0.5", "--scheme", "local", "--protect", "head.bias"]), [8, 12]);
}

#[test]
fn patterns_that_match_nothing_are_errors() {
    let b = Bench::new();
    let target = ["--ratio", "0.5", "-o", "small.onnx"];
    for (more, words) in [
        (&["--protect", "frist.*"][..], &["--protect 'frist.*'", "nearest names are 'first."][..]),
        (&["--only", "secnd.weight"], &["--only 'secnd.weight'", "'second.weight'"]),
        (&["--only", "first.*", "--only", "/net/9/Conv"], &["/net/9/Conv", "'/net/0/Conv'"]),
        (&["--ratio-for", "tail.*=0.5"], &["--ratio-for 'tail.*'", "matches no node, group or initializer"]),
        (&["--only", "head.bias"], &["'head.bias'", "no group that can shrink: graph output"]),
        (&["--ratio-for", "/net/1/Relu=0.5"], &["'/net/1/Relu'", "no group that can shrink"]),
        (&["--heads"], &["no group of kind heads", "conv"]),
    ] {
        let (_, err) = b.prune(1, &[&target[..], more].concat());
        holds(&err, words);
        assert!(!err.contains("choosing channels") && !b.path("small.onnx").exists(), "{err}");
    }
    let (_, err) = b.prune(0, &["--ratio", "0.5", "--axes", "conv,experts", "--dry-run"]);
    holds(&err, &["warning: --axes: no group of this model is of kind experts"]);
    assert!(!b.prune(0, &["--ratio", "0.5", "--axes", "all", "--dry-run"]).1.contains("warning"));
}

#[test]
fn inspect_shows_nodes_and_members() {
    let b = Bench::new();
    let (out, _) = b.says(0, &["inspect", "model.onnx"]);
    holds(&out, &["first.weight   /net/0/Conv", "second.weight  /net/2/Conv"]);
    assert!(!out.contains("first.bias"));
    let (out, _) = b.says(0, &["inspect", "model.onnx", "-v"]);
    let rows: Vec<Vec<&str>> = out.lines().map(|l| l.split_whitespace().collect()).collect();
    for row in [
        ["first.weight", "/net/0/Conv", "first.weight", "0", "writes"].as_slice(),
        &["/net/0/Conv", "first.bias", "0", "follows"],
        &["/net/2/Conv", "second.weight", "1", "reads"],
        &["/net/6/Gemm", "head.weight", "1", "reads"],
    ] {
        assert!(rows.iter().any(|r| r == row), "{row:?} is not in\n{out}");
    }
    let json: Value = serde_json::from_str(&b.says(0, &["inspect", "model.onnx", "--json"]).0).unwrap();
    let member = &json["groups"][0]["members"][0];
    assert_eq!((&member["node"], &member["initializer"]), (&"/net/0/Conv".into(), &"first.weight".into()));
    assert_eq!(
        (&member["axis"], &member["role"], &json["groups"][0]["node"]),
        (&0.into(), &"writes".into(), &"/net/0/Conv".into())
    );
    // Sizes are integers.
    assert_eq!(json["model"]["inputs"][0]["shape"], serde_json::json!([1, 3, 8, 8]));
    assert!(json["model"]["macs"].is_u64() && json["model"]["params"].is_u64());
}

#[test]
fn a_diagram_shows_before_and_after() {
    let b = Bench::new();
    b.prune(0, &["--ratio", "0.5", "--scheme", "local", "--only", "first.*", "--dry-run", "--report", "r.json"]);
    let (out, _) = b.says(0, &["inspect", "model.onnx", "--dot", "--report", "r.json"]);
    holds(&out, &["first\\n16 → 8 conv", "second\\n24 conv"]);
    put(b.0.path(), "r.json", std::fs::read_to_string(b.path("r.json")).unwrap().replace("first.", "other."));
    holds(
        &b.says(1, &["inspect", "model.onnx", "--dot", "--report", "r.json"]).1,
        &["not of this model", "'first.weight'"],
    );
    b.says(2, &["inspect", "model.onnx", "--report", "r.json"]);
}

#[test]
fn names_never_act_on_the_terminal() {
    let b = Bench::new();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\nerror: fake\r";
    let mut model = named();
    let graph = model.graph.as_mut().unwrap();
    let rename = |name: &mut String| *name = name.replace("first.weight", &format!("first.weight{evil}"));
    graph.initializer.iter_mut().for_each(|t| rename(t.name.as_mut().unwrap()));
    graph.node.iter_mut().flat_map(|n| &mut n.input).for_each(rename);
    graph.node[0].name = Some(format!("conv{evil}"));
    graph.output[0].name = Some(format!("y{evil}"));
    graph.node[6].output[0] = format!("y{evil}");
    model.producer_name = Some(evil.to_owned());
    put(b.0.path(), "model.onnx", common::bytes(&model));
    let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    let commands: &[(i32, &[&str])] = &[
        (0, &["inspect", "model.onnx"]),
        (0, &["inspect", "model.onnx", "-v"]),
        (0, &["inspect", "model.onnx", "--json"]),
        (0, &["inspect", "model.onnx", "--dot"]),
        (0, &["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "-v"]),
        (0, &["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--json"]),
        (0, &["model.onnx", "--sensitivity"]),
        (3, &["model.onnx", "--speedup", "100000x", "-o", "small.onnx", "--no-verify"]),
        (1, &["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--protect", "frist.weight"]),
        (0, &["eval", "model.onnx", "--latency-budget", "5"]),
        (0, &["eval", "model.onnx", "--latency-budget", "5", "--json"]),
    ];
    for (code, args) in commands {
        let (out, err) = b.says(*code, args);
        assert!(!out.chars().chain(err.chars()).any(acts), "{args:?}\n{out:?}\n{err:?}");
        assert!(!err.lines().any(|l| l.starts_with("error: fake")), "{err}");
        if args.contains(&"--json") {
            let json: Value = serde_json::from_str(&out).unwrap();
            let told = json["groups"][0]["name"].as_str().or(json["models"][0]["model"].as_str()).unwrap();
            assert!(told == format!("first.weight{evil}") || told == "model.onnx", "{told:?}");
        }
    }
    // A broken model: the name stands in an error.
    let graph = model.graph.as_mut().unwrap();
    let twice = graph.initializer[0].clone();
    graph.initializer.push(twice);
    put(b.0.path(), "twice.onnx", common::bytes(&model));
    let (_, err) = b.says(1, &["inspect", "twice.onnx"]);
    assert!(err.contains("owned") && !err.chars().any(acts), "{err:?}");
    assert!(!err.lines().any(|l| l.starts_with("error: fake")), "{err}");
}

#[test]
fn words_are_understood_in_any_case() {
    let b = Bench::new();
    let same = b.after(&["--criterion", "l1", "--scheme", "local", "--size", "10KB"]);
    assert_eq!(b.after(&["--criterion", "L1", "--scheme", "LOCAL", "--size", "10kb"]), same);
    b.after(&["--ratio", "0.5", "--axes", "CONV", "--runtime", "Tract", "--device", "CPU", "--rescore", "Once"]);
    b.after(&["--ratio", "0.5", "--normalization", "MinMax", "--reduction", "SUM"]);
    holds(&b.says(0, &["explain", "FPGM"]).0, &["fpgm"]);
}

#[test]
fn options_of_others_point_at_ours() {
    let b = Bench::new();
    for (option, words) in [
        (&["--flops", "0.5"][..], &["--flops", "--speedup 2x"][..]),
        (&["--sparsity=0.5"], &["--ratio 0.5"]),
        (&["--pruning_ratio", "0.5"], &["--ratio 0.5"]),
        (&["--target-latency", "5"], &["--latency 5ms"]),
        (&["--threshold", "0.1"], &["a target"]),
        (&["--exclude", "x"], &["--protect"]),
        (&["--gpu"], &["--device cuda"]),
        (&["--latencyy", "2x"], &["--latency"]),
    ] {
        let (_, err) = b.says(2, &[&["model.onnx", "-o", "small.onnx"], option].concat());
        holds(&err, words);
    }
    for args in [&["inspct", "model.onnx"][..], &["inspct"]] {
        holds(&b.says(2, args).1, &["no command 'inspct'", "did you mean 'inspect'?"]);
    }
    holds(&b.says(2, &["model.onnx", "other.onnx", "--ratio", "0.5"]).1, &["'other.onnx'", "one model"]);
    holds(&b.says(2, &["model.onnx", "inspect"]).1, &["onnx-prune inspect MODEL"]);
    holds(&b.says(2, &["prune", "model.onnx", "--ratio", "0.5"]).1, &["no output"]);
    holds(&b.says(2, &["check-data", "model.onnx"]).1, &["--data is missing", "onnx-prune check-data"]);
}

/// onnxruntime says nothing of its own accord with -q, and nothing that acts on the terminal.
#[test]
fn runtimes_are_as_quiet_as_asked() {
    let b = Bench::new();
    let mut model = named();
    let graph = model.graph.as_mut().unwrap();
    // Twelve numbers do not become 77.
    let mut reshape = common::node("Reshape", &["x", "sizes"], &["y"]);
    reshape.name = Some("odd\u{1b}[31m".to_owned());
    graph.node = vec![reshape];
    graph.initializer = vec![onnx_prune::onnx::from_i64("sizes", &[2], &[7, 11]).unwrap()];
    let open = |name: &str| onnx_prune::onnx::value_info(name, onnx_prune::onnx::DType::Float, &[None, None]);
    (graph.input, graph.output) = (vec![open("x")], vec![open("y")]);
    put(b.0.path(), "odd.onnx", common::bytes(&model));
    let output = b.run(&["eval", "odd.onnx", "--runtime", "ort", "--latency-budget", "5"]);
    let err = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !err.contains("onnxruntime cannot run") {
        return;
    }
    assert!(err.lines().any(|l| l.starts_with("onnxruntime: ")) && !err.contains('\u{1b}'), "{err}");
    let (_, err) = b.says(1, &["eval", "odd.onnx", "--runtime", "ort", "--latency-budget", "5", "-q"]);
    assert!(err.starts_with("error: ") && !err.contains("onnxruntime: "), "{err}");
}

#[test]
fn errors_come_before_work() {
    let b = Bench::new();
    let worked = |err: &str| ["finding shapes", "choosing channels"].iter().any(|w| err.contains(w));
    let (_, err) = b.says(1, &["model.onnx", "--ratio", "0.5", "-o", "missing/small.onnx"]);
    assert!(err.contains("cannot write missing/small.onnx") && err.contains("missing") && !worked(&err), "{err}");
    let cuda = ["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--device", "cuda", "--runtime", "tract"];
    let (_, err) = b.says(1, &cuda);
    assert!(err.contains("`cuda:0`") && !worked(&err), "{err}");
    holds(&b.says(1, &["eval", "model.onnx", "--device", "cuda", "--runtime", "tract"]).1, &["`cuda:0`"]);
    // Twelve of ten classes.
    put(b.0.path(), "set/x.npy", npy("<f4", "(2, 3, 8, 8)", &floats(&[0.5; 384])));
    put(b.0.path(), "set/y.npy", npy("|u1", "(2,)", &[0, 11]));
    let (_, err) = b.says(1, &["eval", "model.onnx", "--data", "set", "--no-latency"]);
    holds(&err, &["10 classes apart", "has 12"]);
    let (_, err) = b.prune(1, &["--ratio", "0.5", "-o", "small.onnx", "--data", "set", "--refit"]);
    assert!(err.contains("12 classes") && err.contains("has 10") && !err.contains("choosing channels"), "{err}");
    let (_, err) = b.says(1, &["insert-bn", "model.onnx", "--data", "set", "-o", "missing/bn.onnx"]);
    holds(&err, &["cannot write missing/bn.onnx"]);
    assert!(!b.path("small.onnx").exists());
}

#[test]
fn warnings_stand_beside_the_result() {
    let b = Bench::new();
    put(b.0.path(), "x.npy", npy("<f4", "(2, 3, 8, 8)", &floats(&[0.5; 384])));
    let args = ["eval", "model.onnx", "--data", "x.npy", "--no-latency"];
    let (out, err) = b.says(0, &args);
    assert!(err.contains("warning: ") && err.contains("no labels") && !out.contains("warning"), "{out}\n{err}");
    assert!(!b.says(0, &[&args[..], &["-q"]].concat()).1.contains("warning"));
    let (out, err) = b.prune(0, &["--ratio", "0.5", "--axes", "conv,experts", "-o", "small.onnx"]);
    assert!(err.contains("warning: ") && !out.contains("warning"), "{out}\n{err}");
}

#[test]
fn pruning_prints_its_report_as_json() {
    let b = Bench::new();
    let (out, _) = b.prune(0, &["--ratio", "0.5", "-o", "small.onnx", "--json", "-q", "--report", "r.json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema::check(&report, "report.schema.json"), Vec::<String>::new());
    assert_eq!(report, serde_json::from_slice::<Value>(&std::fs::read(b.path("r.json")).unwrap()).unwrap());
    assert!(report["before"]["macs"].is_u64() && report["before"]["bytes"].is_u64());
    let (out, _) = b.says(0, &["model.onnx", "--sensitivity", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["of"], "agreement");
    holds(&b.prune(2, &["--ratio", "0.5", "-o", "-", "--json"]).1, &["standard output"]);
}

#[test]
fn a_report_tells_of_its_data_and_replays_with_it() {
    let b = Bench::new();
    let values: Vec<f32> = (0..8 * 192u32).map(|i| ((i * 7919) % 1009) as f32 / 504.0 - 1.0).collect();
    put(b.0.path(), "set/x_train.npy", npy("<f4", "(8, 3, 8, 8)", &floats(&values)));
    let data = ["--data", "set", "--split", "train[:75%]", "--samples", "5", "--batch", "2"];
    let args = ["--ratio", "0.25", "--refit", "-o", "a.onnx", "--report", "a.json", "--runtime", "tract"];
    b.prune(0, &[&args[..], &data].concat());
    let report = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(b.path(name)).unwrap()).unwrap() };
    let settings = &report("a.json")["settings"];
    let wanted = serde_json::json!(
        {"path": "set", "split": "train[0%:75%]", "samples": 5, "batch": 2, "preprocess": null}
    );
    assert_eq!(settings["data"], wanted);
    assert_eq!((&settings["runtime"], &settings["device"]), (&"tract".into(), &"cpu".into()));
    b.prune(0, &["--recipe", "a.json", "-o", "b.onnx", "--report", "b.json", "--runtime", "tract"]);
    assert!(std::fs::read(b.path("a.onnx")).unwrap() == std::fs::read(b.path("b.onnx")).unwrap());
    assert_eq!(report("b.json")["settings"], *settings);
    std::fs::remove_dir_all(b.path("set")).unwrap();
    holds(&b.prune(1, &["--recipe", "a.json", "-o", "b.onnx"]).1, &["set"]);
}
