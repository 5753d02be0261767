//! The program as users run it: arguments, exit codes, streams, files.

use crate::common;
use crate::common::small;
use crate::zoo;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use onnx_prune::job::{Event, Stage, Unit};
use tempfile::TempDir;

/// A folder with a model, and the program running in it.
struct Bench {
    folder: TempDir,
}

const OFFLINE: [&str; 2] = ["--no-verify", "--no-latency"];

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.onnx"), common::bytes(&small::classifier())).unwrap();
        Bench { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onnx-prune"));
        command.current_dir(self.folder.path()).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Prunes without a runtime.
    fn prune(&self, args: &[&str]) -> Output {
        self.run(&[args, &OFFLINE].concat())
    }

    fn pipe(&self, args: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[track_caller]
fn code(output: &Output, wanted: i32) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(wanted), "stdout: {out}\nstderr: {err}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn help_names_options_exit_codes_and_the_search_order() {
    let b = Bench::new();
    for flag in ["--help", "-h"] {
        let output = b.run(&[flag]);
        code(&output, 0);
        let help = text(&output.stdout);
        for word in
            ["inspect", "--speedup", "--ratio-for", "[default: obs", "ORT_DYLIB_PATH", "3    target not reached"]
        {
            assert!(help.contains(word), "{word}");
        }
    }
    for (command, word) in [("inspect", "--dot"), ("explain", "NAME")] {
        let output = b.run(&[command, "--help"]);
        code(&output, 0);
        assert!(text(&output.stdout).contains(word));
    }
}

#[test]
fn the_verb_is_what_a_bare_model_is() {
    let b = Bench::new();
    let rest = ["model.onnx", "--criterion", "l1", "--speedup", "2x", "--no-latency", "-o"];
    code(&b.run(&[&rest[..], &["bare.onnx"]].concat()), 0);
    code(&b.run(&[&["prune"][..], &rest, &["verb.onnx"]].concat()), 0);
    assert_eq!(read(&b.path("bare.onnx")), read(&b.path("verb.onnx")));
}

#[test]
fn commands_explain_themselves() {
    let b = Bench::new();
    let out = |args: &[&str]| {
        let output = b.run(args);
        code(&output, 0);
        text(&output.stdout).to_owned()
    };
    assert!(out(&["help"]).contains("completions"));
    assert_eq!(out(&["help", "inspect"]), out(&["inspect", "--help"]));
    assert!(out(&["completions", "bash"]).contains("complete -F"));
    assert!(out(&["completions", "zsh"]).contains("--speedup"));
    assert!(out(&["man"]).contains(".TH onnx-prune 1"));
    assert!(out(&["man", "eval"]).contains(".TH onnx-prune-eval 1"));
    code(&b.run(&["man", "nothing"]), 2);
}

#[test]
fn pruning_writes_a_smaller_file_and_tells() {
    let b = Bench::new();
    let output = b.prune(&["model.onnx", "--criterion", "fpgm", "--speedup", "2x", "-o", "small.onnx"]);
    code(&output, 0);
    assert!(read(&b.path("small.onnx")).len() < read(&b.path("model.onnx")).len());
    assert_eq!(b.names(), ["model.onnx", "small.onnx"]);
    let out = text(&output.stdout);
    for word in ["first.weight", "second.weight", "MACs", "parameters", "file size", "speed-up 2."] {
        assert!(out.contains(word), "{word} is not in\n{out}");
    }
    assert!(!out.contains('\u{1b}') && !text(&output.stderr).contains('\u{1b}'));
    assert!(text(&output.stderr).contains("choosing channels"));
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let b = Bench::new();
    let cases: &[&[&str]] = &[
        &[],
        &["model.onnx"],
        &["model.onnx", "--speedup", "2x"],
        &["model.onnx", "-o", "small.onnx"],
        &["model.onnx", "-o", "small.onnx", "--speedup", "2x", "--speedup", "3x"],
        &["model.onnx", "-o", "small.onnx", "--speedup", "1x"],
        &["model.onnx", "-o", "small.onnx", "--speedup", "nan"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "-0.5"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "1.5"],
        &["model.onnx", "-o", "small.onnx", "--size", "x"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--steps", "0"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--round-to", "0"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--floor", "1.5"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--floor", "nan"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--threads", "0"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--protect", "[a"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--only", "{a"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--ratio-for", "a"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--ratio-for", "a=2"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--shapes", "x:0x3"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--criterion", "nope"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--scheme", "nope"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--runtime", "nope"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--axes", "conv,nope"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--axes", "conv", "--heads"],
        &["model.onnx", "-o", "small.onnx", "--recipe", "r.json", "--axes", "conv"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--report", "small.onnx"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "--report", "./model.onnx"],
        &["model.onnx", "-o", "small.onnx", "--recipe", "r.json", "--criterion", "l1"],
        &["model.onnx", "-o", "small.onnx", "--ratio", "0.5", "-q", "-v"],
        &["inspect"],
        &["inspect", "model.onnx", "--json", "--dot"],
        &["explain", "nope"],
        &["inspect", "model.onnx", "--speedup", "2x"],
    ];
    for args in cases {
        let output = b.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("error: "), "{args:?}");
    }
    assert_eq!(b.names(), ["model.onnx"]);
    assert!(text(&b.run(&["model.onnx", "--speedup", "2x"]).stderr).contains("-o FILE"));
}

#[test]
fn errors_say_what_is_wrong_and_write_nothing() {
    let b = Bench::new();
    std::fs::write(b.path("text.onnx"), "a letter, no model\n").unwrap();
    std::fs::write(b.path("recipe.json"), "{}").unwrap();
    let before = b.names();
    let cases: &[(&[&str], &str)] = &[
        (&["text.onnx", "--ratio", "0.5", "-o", "small.onnx"], "text.onnx is not an ONNX model"),
        (&["missing.onnx", "--ratio", "0.5", "-o", "small.onnx"], "missing.onnx"),
        (&["model.onnx", "--ratio", "0.5", "-o", "missing/small.onnx"], "cannot write missing/small.onnx"),
        (
            &["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--report", "missing/r.json"],
            "cannot write the report",
        ),
        (&["model.onnx", "-o", "small.onnx", "--recipe", "missing.json"], "cannot read the recipe missing.json"),
        (&["model.onnx", "-o", "small.onnx", "--recipe", "recipe.json"], "not a report"),
        (&["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--shapes", "z:1x3x8x8"], "no input 'z'"),
        (
            &["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--only", "nothing"],
            "matches no node, group or initializer",
        ),
        (&["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--criterion", "bnscale"], "BatchNormalization"),
    ];
    for (args, words) in cases {
        let output = b.prune(args);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.contains("error: ") && err.contains(words), "{args:?}: {err}");
        assert_eq!(b.names(), before, "{args:?}");
    }
}

#[test]
fn a_missed_target_is_told_and_written_only_by_force() {
    let b = Bench::new();
    let args = ["model.onnx", "--speedup", "100000x", "-o", "small.onnx"];
    let output = b.prune(&args);
    code(&output, 3);
    assert_eq!(b.names(), ["model.onnx"]);
    let err = text(&output.stderr);
    assert!(err.contains("target not reached: the best reachable is a speed-up of "), "{err}");
    let output = b.prune(&[&args[..], &["--force", "-q"]].concat());
    code(&output, 3);
    assert_eq!(b.names(), ["model.onnx", "small.onnx"]);
    assert!(output.stdout.is_empty() && text(&output.stderr).lines().count() == 1);
}

#[test]
fn a_dry_run_writes_no_model() {
    let b = Bench::new();
    let output = b.prune(&["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "--dry-run"]);
    code(&output, 0);
    assert_eq!(b.names(), ["model.onnx"]);
    assert!(text(&output.stdout).contains("first.weight"));
    code(&b.prune(&["model.onnx", "--ratio", "0.5", "--dry-run", "--report", "r.json"]), 0);
    assert_eq!(b.names(), ["model.onnx", "r.json"]);
    let output = b.prune(&["model.onnx", "--ratio", "0.5", "-o", "-", "--dry-run", "-q"]);
    code(&output, 0);
    assert!(output.stdout.is_empty());
}

#[test]
fn models_go_through_pipes() {
    let b = Bench::new();
    code(&b.prune(&["model.onnx", "--ratio", "0.5", "-o", "small.onnx"]), 0);
    let args = [&["-", "--ratio", "0.5", "-o", "-"], &OFFLINE[..]].concat();
    let output = b.pipe(&args, &read(&b.path("model.onnx")));
    code(&output, 0);
    assert!(output.stdout == read(&b.path("small.onnx")));
    assert!(text(&output.stderr).contains("first.weight"), "the tables stand beside the stream");
    let output = b.pipe(&args, b"no model");
    code(&output, 1);
    assert!(output.stdout.is_empty());
    code(&b.pipe(&["inspect", "-"], &read(&b.path("model.onnx"))), 0);
}

#[test]
fn quiet_is_silent() {
    let b = Bench::new();
    let output = b.prune(&["model.onnx", "--ratio", "0.5", "-o", "small.onnx", "-q"]);
    code(&output, 0);
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));
}

#[test]
fn a_report_replays_to_the_same_bytes() {
    let b = Bench::new();
    let args = ["model.onnx", "--criterion", "random", "--seed", "7", "--ratio", "0.5", "--strip-debug"];
    code(&b.prune(&[&args[..], &["-o", "a.onnx", "--report", "a.json"]].concat()), 0);
    code(&b.prune(&["model.onnx", "--recipe", "a.json", "-o", "b.onnx", "--report", "b.json"]), 0);
    assert!(read(&b.path("a.onnx")) == read(&b.path("b.onnx")));
    let report = |name: &str| -> serde_json::Value { serde_json::from_slice(&read(&b.path(name))).unwrap() };
    let (first, second) = (report("a.json"), report("b.json"));
    assert_eq!(first["settings"], second["settings"]);
    assert_eq!(first["groups"], second["groups"]);
    assert_eq!(second["settings"]["seed"], 7);
    code(&b.prune(&["a.onnx", "--recipe", "a.json", "-o", "c.onnx"]), 1);
}

#[test]
fn threads_change_no_byte() {
    let b = Bench::new();
    for (threads, out) in [("1", "one.onnx"), ("4", "four.onnx")] {
        let args = ["model.onnx", "--criterion", "fpgm", "--speedup", "3x", "--threads", threads, "-o", out];
        code(&b.prune(&args), 0);
    }
    assert!(read(&b.path("one.onnx")) == read(&b.path("four.onnx")));
}

#[test]
fn the_output_may_replace_the_input() {
    let b = Bench::new();
    code(&b.prune(&["model.onnx", "--ratio", "0.5", "-o", "small.onnx"]), 0);
    code(&b.prune(&["model.onnx", "--ratio", "0.5", "-o", "model.onnx"]), 0);
    assert!(read(&b.path("model.onnx")) == read(&b.path("small.onnx")));
    assert_eq!(b.names(), ["model.onnx", "small.onnx"]);
}

#[test]
fn options_reach_the_plan() {
    let b = Bench::new();
    let after = |args: &[&str]| -> Vec<u64> {
        code(&b.prune(&[&["model.onnx", "--dry-run", "--report", "r.json"], args].concat()), 0);
        let report: serde_json::Value = serde_json::from_slice(&read(&b.path("r.json"))).unwrap();
        report["groups"].as_array().unwrap().iter().map(|g| g["after"].as_u64().unwrap()).collect()
    };
    assert_eq!(after(&["--ratio", "50%", "--scheme", "local"]), [8, 12]);
    assert_eq!(after(&["--ratio", "0.5", "--protect", "first.*"]), [16, 12]);
    assert_eq!(after(&["--ratio", "0.5", "--only", "first.*"]), [8, 24]);
    assert!(after(&["--ratio", "0.5", "--round-to", "4"]).iter().all(|n| n % 4 == 0));
    // Wide groups are rounded unless exact widths are asked for, the narrow one is not.
    let wide = |more: &[&str]| after(&[&["--speedup", "1.3"], more].concat())[1] % 8;
    assert_eq!((wide(&[]), wide(&["--round-to", "8"])), (0, 0));
    let preset = ["--ratio", "0.5", "--preset", "pruningbench"];
    assert_eq!(after(&preset), [8, 12]);
    assert!(after(&["--size", "8kB"]).iter().sum::<u64>() < 40);
    assert_eq!(after(&["--speedup", "1.5", "--ratio-for", "first.*=0.25"])[0], 12);
}

#[test]
fn inspect_shows_groups_in_three_ways() {
    let b = Bench::new();
    let output = b.run(&["inspect", "model.onnx"]);
    code(&output, 0);
    let out = text(&output.stdout);
    for word in ["opset 20", "input   x float32 [1, 3, 8, 8]", "2 groups can shrink", "second.weight", "graph output"] {
        assert!(out.contains(word), "{word} is not in\n{out}");
    }
    let output = b.run(&["inspect", "model.onnx", "--json"]);
    code(&output, 0);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["groups"][1]["size"], 24);
    assert_eq!(json["model"]["inputs"][0]["name"], "x");
    let output = b.run(&["inspect", "model.onnx", "--dot"]);
    code(&output, 0);
    assert!(text(&output.stdout).starts_with("digraph "));
    std::fs::rename(b.path("model.onnx"), b.path("inspect")).unwrap();
    code(&b.prune(&["./inspect", "--ratio", "0.5", "--dry-run"]), 0);
}

#[test]
fn sensitivity_alone_prints_a_table_and_writes_no_model() {
    let b = Bench::new();
    let output = b.run(&["model.onnx", "--sensitivity", "--report", "costs.json"]);
    code(&output, 0);
    let out = text(&output.stdout);
    assert!(out.contains("mean cosine") && out.contains("second.weight") && out.contains("75 % gone"), "{out}");
    let json: serde_json::Value = serde_json::from_slice(&read(&b.path("costs.json"))).unwrap();
    assert_eq!((&json["of"], &json["groups"][1]["points"][2]["kept"]), (&"agreement".into(), &6.into()));
    code(&b.run(&["model.onnx", "--sensitivity", "-o", "small.onnx"]), 2);
    assert!(!b.path("small.onnx").exists());
}

#[test]
fn a_time_out_of_reach_ends_with_its_own_code() {
    let b = Bench::new();
    let output = b.run(&["model.onnx", "--latency", "100000x", "--times", "times", "-o", "small.onnx"]);
    code(&output, 3);
    assert!(text(&output.stderr).contains("less time, wanted"), "{}", text(&output.stderr));
    assert!(!b.path("small.onnx").exists() && b.path("times").is_dir());
    for wrong in ["1x", "0ms", "-5ms", "fast", "5kg"] {
        code(&b.run(&["model.onnx", "--latency", wrong, "-o", "small.onnx"]), 2);
    }
}

#[test]
fn names_and_manual_pages_are_listed() {
    let b = Bench::new();
    let criteria = text(&b.run(&["criteria"]).stdout);
    assert!(onnx_prune::criteria::criteria().iter().all(|c| criteria.contains(c.name())));
    let schemes = text(&b.run(&["schemes"]).stdout);
    assert!(onnx_prune::planning::schemes().iter().all(|s| schemes.contains(s.name())));
    let output = b.run(&["explain", "fpgm"]);
    code(&output, 0);
    let page = text(&output.stdout);
    assert!(onnx_prune::criteria::HEADINGS.iter().all(|h| page.contains(h)), "{page}");
    assert!(text(&b.run(&["explain", "isomorphic"]).stdout).contains("equal structure"));
    assert!(text(&b.run(&["explain", "residual"]).stdout).contains("width of embeddings"));
    assert!(text(&b.run(&["axes"]).stdout).contains("residual"));
}

#[test]
fn kinds_that_may_not_shrink_stay() {
    let b = Bench::new();
    let output = b.prune(&["model.onnx", "--axes", "ffn,heads", "--speedup", "2x", "-o", "small.onnx"]);
    code(&output, 1);
    let error = text(&output.stderr);
    assert!(error.contains("the kinds of its groups are conv, which shrink with --axes conv,ffn,heads"), "{error}");
    assert_eq!(b.names(), ["model.onnx"]);
    code(&b.prune(&["model.onnx", "--axes", "conv", "--speedup", "2x", "-o", "small.onnx"]), 0);
}

#[cfg(all(feature = "data", any(feature = "tract", feature = "ort")))]
#[test]
fn data_is_read_as_the_model_would_be_given_it() {
    let b = Bench::new();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let model = format!("{fixtures}/fashion_resnet.onnx");
    let read = |more: &[&str]| b.run(&[&["check-data", &model, "--data", fixtures], more].concat());
    let output = read(&["--preprocess", "unit", "--batch", "50"]);
    code(&output, 0);
    let page = text(&output.stdout);
    assert!(page.contains("500 good, 0 left out") && page.contains("image [50, 1, 28, 28]"), "{page}");
    for (more, expected, word) in [
        (&[][..], 1, "--preprocess"),
        (&["--preprocess", "imagenet"][..], 1, "normalize has 3"),
        (&["--preprocess", "nonsense"][..], 2, "no preset"),
        (&["--preprocess", "unit", "--split", "train"][..], 1, "no split 'train'"),
        (&["--preprocess", "unit", "--split", "[80%]"][..], 2, "no split"),
    ] {
        let output = read(more);
        code(&output, expected);
        assert!(text(&output.stderr).contains(word), "{more:?}: {}", text(&output.stderr));
    }
}

#[test]
fn several_targets_hold_together_or_are_missed() {
    let bench = Bench::new();
    let both = |params: &str| {
        bench.prune(&["model.onnx", "--speedup", "1.2x", "--params", params, "--report", "r.json", "-o", "small.onnx"])
    };
    code(&both("60%"), 0);
    let report = || -> serde_json::Value { serde_json::from_slice(&read(&bench.path("r.json"))).unwrap() };
    let done = report();
    assert_eq!(done["settings"]["target"], serde_json::json!({ "speedup": 1.2, "params": 0.6 }));
    assert_eq!((&done["targets"][1]["name"], &done["targets"][1]["met"]), (&"params".into(), &true.into()));
    assert!(done["targets"][1]["reached"].as_f64().unwrap() <= 0.6);
    let missed = both("0.0001%");
    code(&missed, 3);
    assert!(text(&missed.stderr).contains("target not reached: the best reachable is"), "{}", text(&missed.stderr));
    assert_eq!((&report()["targets"][0]["met"], &report()["targets"][1]["met"]), (&true.into(), &false.into()));
    // A replay brings all of them along.
    let replay = bench.prune(&["model.onnx", "--recipe", "r.json", "-o", "again.onnx"]);
    code(&replay, 0);
    assert!(text(&replay.stdout).contains("targets: a speed-up of 1.200x and"), "{}", text(&replay.stdout));
    code(&bench.prune(&["model.onnx", "--speedup", "2x", "--speedup", "3x", "-o", "small.onnx"]), 2);
    let none = bench.prune(&["model.onnx", "-o", "small.onnx"]);
    code(&none, 2);
    assert!(text(&none.stderr).contains("--speedup, --params, --size"), "{}", text(&none.stderr));
}

/// What cannot be kept is a missed target; what can be is one that is met.
#[cfg(all(feature = "data", any(feature = "tract", feature = "ort")))]
#[test]
fn what_must_be_kept_decides_the_exit_code() {
    let b = Bench::new();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let model = format!("{fixtures}/fashion_resnet.onnx");
    let data = ["--data", fixtures, "--preprocess", "unit", "--samples", "16"];
    let how = ["--criterion", "random", "--scheme", "local", "--no-refit", "--runtime", "tract", "-o", "small.onnx"];
    let keep = |least: &str| b.prune(&[&[&model, "--min-agreement", least][..], &data, &how].concat());
    let output = keep("99.9%");
    code(&output, 3);
    assert!(text(&output.stderr).contains("leaves an agreement of at least 99.9 %"), "{}", text(&output.stderr));
    assert_eq!(b.names(), ["model.onnx"]);
    code(&keep("1%"), 0);
    assert_eq!(b.names(), ["model.onnx", "small.onnx"]);
}

#[cfg(all(feature = "data", any(feature = "tract", feature = "ort")))]
/// Eight inputs as NumPy writes them.
fn numbers(bench: &Bench) {
    let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3, 8, 8), }".to_owned();
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..8 * 192u32).flat_map(|i| (((i * 7919) % 1009) as f32 / 504.0 - 1.0).to_le_bytes()));
    std::fs::write(bench.path("x.npy"), bytes).unwrap();
}

#[cfg(all(feature = "data", any(feature = "tract", feature = "ort")))]
#[test]
fn data_decides_and_makes_up() {
    let bench = Bench::new();
    numbers(&bench);
    // With a scheme that looks at no data and nothing solved anew, the criterion does not, either.
    code(&bench.prune(&["model.onnx", "--scheme", "global", "--no-refit", "--ratio", "0.25", "--dry-run"]), 0);
    let thinet = ["model.onnx", "--criterion", "thinet", "--ratio", "0.25", "-o", "small.onnx"];
    let without = bench.prune(&thinet);
    code(&without, 1);
    assert!(text(&without.stderr).contains("--data"), "{}", text(&without.stderr));
    code(&bench.prune(&["model.onnx", "--ratio", "0.25", "-o", "small.onnx", "--recalibrate-bn"]), 2);
    code(&bench.prune(&["model.onnx", "--min-agreement", "0.9", "-o", "small.onnx"]), 2);
    for other in [["--speedup", "2x"], ["--max-drop", "1%"]] {
        let keep = ["model.onnx", "--data", "x.npy", "--min-agreement", "0.9", "-o", "small.onnx"];
        let refused = bench.prune(&[&keep[..], &other].concat());
        code(&refused, 2);
        let said = text(&refused.stderr);
        assert!(
            said.contains("--min-agreement") && said.contains(other[0]) && said.contains("cannot be used"),
            "{said}"
        );
    }
    // Numbers stand in for data that no image can stand in for.
    let made_up = bench.prune(&["model.onnx", "--ratio", "0.25", "-o", "small.onnx", "--refit"]);
    code(&made_up, 0);
    let said = text(&made_up.stdout);
    assert!(said.contains("random inputs") && said.contains("untested"), "{said}");

    let with = [&thinet[..], &["--data", "x.npy", "--refit", "--rescore", "every:3", "--no-latency"]].concat();
    let done = bench.run(&with);
    code(&done, 0);
    assert!(text(&done.stdout).contains("layer refitted"), "{}", text(&done.stdout));
    assert!(read(&bench.path("small.onnx")).len() < read(&bench.path("model.onnx")).len());
    code(&bench.run(&[&thinet[..], &["--rescore", "sometimes"]].concat()), 2);
}

#[cfg(all(feature = "data", any(feature = "tract", feature = "ort")))]
#[test]
fn normalisations_are_put_back() {
    let bench = Bench::new();
    numbers(&bench);
    code(&bench.run(&["insert-bn", "model.onnx", "-o", "bn.onnx"]), 2);
    let done = bench.run(&["insert-bn", "model.onnx", "-o", "bn.onnx", "--data", "x.npy"]);
    code(&done, 0);
    assert!(text(&done.stdout).starts_with("2 batch normalisations"), "{}", text(&done.stdout));
    code(&bench.prune(&["bn.onnx", "--criterion", "bnscale", "--ratio", "0.25", "-o", "small.onnx"]), 0);
}

/// A model whose output has no elements whatever it is given.
fn silent_model() -> Vec<u8> {
    use common::builder::{Builder, declared, same};
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 4 4");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let y = b.conv("conv2", &a, 8, 4, same(1));
    let limit = b.scalar(1e20);
    let found = b.op("Greater", &[&y, &limit], vec![]);
    let y = b.op("NonZero", &[&found], vec![]);
    b.output(&y, "rank found");
    let mut m = b.model();
    m.graph.as_mut().unwrap().output[0] = declared(&y, onnx_prune::onnx::DType::Int64, "rank found");
    common::bytes(&m).to_vec()
}

#[test]
fn what_could_not_be_verified_is_said_and_with_strict_not_written() {
    let b = Bench::new();
    std::fs::write(b.path("silent.onnx"), silent_model()).unwrap();
    let asked = ["silent.onnx", "--ratio", "0.5", "-o", "out.onnx", "--no-latency"];
    let run = |more: &[&str]| {
        let o = b.run(&[&asked[..], more].concat());
        let written = b.path("out.onnx").exists();
        let _ = std::fs::remove_file(b.path("out.onnx"));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (o.status.code(), text(o.stdout), text(o.stderr), written)
    };
    let (code, out, _, written) = run(&[]);
    assert!(code == Some(0) && written && out.contains("not verified: output '"), "{out}");
    let (code, out, err, written) = run(&["-q"]);
    assert!(code == Some(0) && written && out.is_empty() && err.contains("not verified: output '"), "{err}");
    let (code, _, err, written) = run(&["--strict"]);
    assert!(code == Some(4) && !written && err.contains("nothing was written (--force writes it)"), "{err}");
    let (code, _, err, written) = run(&["--strict", "--force"]);
    assert!(code == Some(4) && written && err.contains("written all the same"), "{err}");
    assert_eq!(run(&["--strict", "--no-verify"]).0, Some(2));
}

#[test]
fn inputs_are_given_on_the_command_line() {
    let b = Bench::new();
    let asked = ["model.onnx", "--ratio", "0.5", "-o", "out.onnx", "--no-latency"];
    let run = |more: &[&str]| b.run(&[&asked[..], more].concat());
    let err = |o: Output| String::from_utf8(o.stderr).unwrap();
    assert!(run(&["--input", "x=ones"]).status.success() || err(run(&["--input", "x=ones"])).contains("no input 'x'"));
    let unknown = run(&["--input", "nobody=ones"]);
    assert!(unknown.status.code() == Some(1) && err(unknown).contains("no input 'nobody'"));
    assert_eq!(run(&["--input", "x=two"]).status.code(), Some(2));
    assert_eq!(run(&["--run-timeout", "0"]).status.code(), Some(2));
    let unknown = run(&["--shapes", "nothing=3"]);
    assert!(err(unknown).contains("no open size 'nothing'"));
}

/// The thread that does not finish is not waited for.
#[cfg(feature = "tract")]
#[test]
fn a_runtime_that_does_not_return_ends_with_the_program() {
    let b = Bench::new();
    std::fs::write(b.path("endless.onnx"), common::bytes(&zoo::control::scanned_matrices())).unwrap();
    let asked = ["endless.onnx", "--ratio", "0.5", "-o", "out.onnx", "--runtime", "tract", "--run-timeout", "1"];
    let o = b.run(&asked);
    let out = String::from_utf8(o.stdout).unwrap();
    assert!(o.status.success() && out.contains("not verified: tract did not finish within 1 s"), "{out}");
    assert!(b.path("out.onnx").exists());
    let o = b.run(&["eval", "endless.onnx", "--runtime", "tract", "--run-timeout", "1"]);
    let err = String::from_utf8(o.stderr).unwrap();
    assert!(o.status.code() == Some(1) && err.contains("within 1 s"), "{err}");
}

/// Positions looked up in a table of 12 rows, for sequences of any length.
fn table_of_positions() -> onnx_prune::onnx::proto::ModelProto {
    use common::builder::Builder;
    use onnx_prune::onnx::DType;
    let mut b = Builder::new(17);
    let ids = b.input_of("ids", DType::Int64, "batch length");
    let (words, places) = (b.weight("words", &[9, 8]), b.weight("places", &[12, 8]));
    let (zero, one) = (b.scalar_int(0), b.scalar_int(1));
    let size = b.op("Shape", &[&ids], vec![]);
    let size = b.gather(&size, &one, 0);
    let at = b.op("Range", &[&zero, &size, &one], vec![]);
    let (word, place) = (b.gather(&words, &ids, 0), b.gather(&places, &at, 0));
    let x = b.add(&word, &place);
    let h = b.linear("up", &x, 8, 16);
    let h = b.relu(&h);
    let y = b.linear("down", &h, 16, 4);
    b.output(&y, "batch length 4");
    b.model()
}

#[test]
fn a_runtime_that_panics_says_nothing() {
    let bench = Bench::new();
    std::fs::write(bench.path("table.onnx"), common::bytes(&table_of_positions())).unwrap();
    let shapes = ["--shapes", "ids:1x20"]; // more than the table has
    let args = ["table.onnx", "--ratio", "0.5", "--runtime", "tract", "--no-latency", "-o", "small.onnx"];
    let output = bench.run(&[&args[..], &shapes].concat());
    code(&output, 0);
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
}

#[test]
fn progress_is_shown_as_asked() {
    let b = Bench::new();
    let shown = |how: &[&str]| {
        let args = ["model.onnx", "--ratio", "0.5", "--criterion", "l1", "--scheme", "local", "--no-refit"];
        let output = b.run(&[&args[..], &["--no-latency", "-o", "small.onnx"], how].concat());
        code(&output, 0);
        text(&output.stderr)
    };
    let plain = shown(&["--progress", "plain"]);
    assert_eq!(plain.lines().next(), Some("reading the model"), "{plain}");
    assert!(plain.contains("\nchoosing channels\n") && plain.ends_with("putting the file in place\n"), "{plain}");
    // Standard error is no terminal here.
    assert_eq!(shown(&[]), plain);
    assert_eq!((shown(&["--progress", "none"]), shown(&["-q"])), (String::new(), String::new()));
    let events: Vec<Event> =
        shown(&["--progress", "json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let stages: Vec<Stage> =
        events.iter().filter_map(|e| if let Event::Stage { stage } = e { Some(*stage) } else { None }).collect();
    use Stage::*;
    assert_eq!(stages, [Load, Analyse, Plan, Rewrite, Write, Verify, Commit]);
    let last = events.iter().rev().find_map(|e| if let Event::Progress(p) = e { Some(*p) } else { None }).unwrap();
    assert_eq!((last.done, last.total, last.unit), (100, Some(100), Unit::Percent));
    let output = b.run(&["eval", "model.onnx", "--no-latency", "--progress", "json"]);
    code(&output, 0);
    assert_eq!(text(&output.stderr), "{\"event\":\"stage\",\"stage\":\"open\"}\n");
    code(&b.run(&["model.onnx", "--ratio", "0.5", "--dry-run", "--progress", "loud"]), 2);
}
