//! What the program does to files: pipes, devices and links, signals, files that change or cannot be written.

use crate::common;
use crate::common::small;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use onnx_prune::job::{Event, Job, Stage};
use onnx_prune::onnx::{self, Model, SaveOptions, WeightLayout};
use onnx_prune::prune::prune_to;
use tempfile::TempDir;

const OFFLINE: [&str; 2] = ["--no-verify", "--no-latency"];
const HALF: [&str; 3] = ["model.onnx", "--ratio", "0.5"];

/// A folder with a model, and the program running in it.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), common::bytes(&small::classifier())).unwrap();
        Bench(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onnx-prune"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Prunes without a runtime.
    fn prune(&self, more: &[&str]) -> Output {
        self.run(&[&HALF[..], more, &OFFLINE].concat())
    }

    /// A run of far more steps than any test waits for, once it chooses channels.
    fn endless(&self, model: &str, more: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
        let args = [model, "--ratio", "0.9", "--steps", "1000000", "-o", "small.onnx"];
        let mut command = self.command(&[&args[..], more, &OFFLINE].concat());
        // SAFETY: signal may be called between fork and exec.
        unsafe {
            // Who runs the tests by nohup ignores it for them, too.
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                Ok(())
            })
        };
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let told = until_choosing(&mut child);
        (child, told)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The model that halving the channels gives.
    fn half(&self) -> Vec<u8> {
        code(&self.prune(&["-o", "half.onnx"]), 0);
        let half = fs::read(self.path("half.onnx")).unwrap();
        fs::remove_file(self.path("half.onnx")).unwrap();
        half
    }

    fn fifo(&self, name: &str) -> PathBuf {
        assert!(Command::new("mkfifo").arg(self.path(name)).status().unwrap().success());
        self.path(name)
    }

    /// A character device by its numbers; `None` without the right to make one or to use it here.
    fn device(&self, name: &str, minor: &str) -> Option<PathBuf> {
        let made = Command::new("mknod").arg(self.path(name)).args(["c", "1", minor]).stderr(Stdio::null()).status();
        let usable = made.is_ok_and(|s| s.success()) && OpenOptions::new().write(true).open(self.path(name)).is_ok();
        usable.then(|| self.path(name))
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

fn kill(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// Waits for a run to choose channels.
fn until_choosing(child: &mut Child) -> BufReader<std::process::ChildStderr> {
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("choosing channels") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "ended early");
    }
    told
}

fn is_report(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|json| json["report"] == 1)
}

/// Reads a pipe to its end while the program runs.
fn through(pipe: &Path, run: impl FnOnce() -> Output) -> (Vec<u8>, Output) {
    let pipe = pipe.to_owned();
    let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
    let output = run();
    (reader.join().unwrap(), output)
}

#[test]
fn pipes_are_written_through() {
    let b = Bench::new();
    let half = b.half();
    let pipe = b.fifo("pipe");
    let (read, output) = through(&pipe, || b.prune(&["-o", "pipe"]));
    code(&output, 0);
    assert!(read == half && text(&output.stdout).contains("first.weight"));
    let (read, output) = through(&pipe, || b.prune(&["-o", "small.onnx", "--report", "pipe"]));
    code(&output, 0);
    assert!(is_report(&read));
    // A failure ends what the reader waits for.
    let (read, output) = through(&pipe, || b.prune(&["-o", "pipe", "--only", "nothing"]));
    assert!(read.is_empty() && output.status.code() != Some(0));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(b.names(), ["model.onnx", "pipe", "small.onnx"]);
}

#[test]
fn devices_are_written_through() {
    let b = Bench::new();
    let Some(null) = b.device("null", "3") else { return };
    code(&b.prune(&["-o", "null", "--report", "null"]), 0);
    symlink("null", b.path("link")).unwrap();
    code(&b.prune(&["-o", "link", "--report", "link"]), 0);
    assert!(fs::metadata(&null).unwrap().file_type().is_char_device());
    assert!(b.path("link").symlink_metadata().unwrap().is_symlink());
    assert_eq!(b.names(), ["link", "model.onnx", "null"]);
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let b = Bench::new();
    let half = b.half();
    fs::create_dir(b.path("real")).unwrap();
    for name in ["model", "report"] {
        fs::write(b.path("real").join(name), "old").unwrap();
        symlink(format!("real/{name}"), b.path(name)).unwrap();
    }
    code(&b.prune(&["-o", "model", "--report", "report"]), 0);
    assert!(["model", "report"].iter().all(|n| b.path(n).symlink_metadata().unwrap().is_symlink()));
    assert!(fs::read(b.path("real/model")).unwrap() == half && is_report(&fs::read(b.path("real/report")).unwrap()));
    symlink("absent", b.path("dangling")).unwrap();
    let output = b.prune(&["-o", "dangling"]);
    code(&output, 1);
    assert!(text(&output.stderr).contains("a link to absent, which does not exist"), "{}", text(&output.stderr));
}

#[test]
fn a_minus_is_standard_output_for_reports_too() {
    let b = Bench::new();
    let half = b.half();
    for name in ["-", "/dev/stdout"] {
        let output = b.prune(&["-o", "small.onnx", "--report", name]);
        code(&output, 0);
        assert!(is_report(&output.stdout) && text(&output.stderr).contains("first.weight"), "{name}");
        let output = b.prune(&["-o", name]);
        code(&output, 0);
        assert!(output.stdout == half, "{name}");
        code(&b.prune(&["-o", "-", "--report", name]), 2);
    }
    let output = b.run(&["eval", "model.onnx", "--no-latency", "--runtime", "tract", "--report", "-"]);
    code(&output, 0);
    assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok());
    assert!(text(&output.stderr).contains("model.onnx"));
    code(&b.run(&["eval", "model.onnx", "--no-latency", "--json", "--report", "-"]), 2);
    assert_eq!(b.names(), ["model.onnx", "small.onnx"]);
}

#[test]
fn what_is_read_is_not_replaced() {
    let b = Bench::new();
    let model = Model::load(b.path("model.onnx")).unwrap();
    let external = SaveOptions { layout: WeightLayout::External, ..SaveOptions::default() };
    onnx::save(&model, &b.path("outside.onnx"), &external).unwrap();
    fs::copy(b.path("outside.onnx"), b.path("backup.onnx")).unwrap();
    fs::hard_link(b.path("outside.onnx.data"), b.path("hard")).unwrap();
    symlink("outside.onnx.data", b.path("soft")).unwrap();
    let before = b.names();
    let weights = fs::read(b.path("outside.onnx.data")).unwrap();
    let run = |args: &[&str]| b.run(&[&["backup.onnx", "--ratio", "0.5"], args, &OFFLINE].concat());
    for name in ["outside.onnx.data", "hard", "soft"] {
        for args in [&["-o", name][..], &["-o", "small.onnx", "--report", name]] {
            let output = run(args);
            code(&output, 2);
            assert!(text(&output.stderr).contains("which is read"), "{}", text(&output.stderr));
        }
        code(&b.run(&["eval", "backup.onnx", "--no-latency", "--runtime", "tract", "--report", name]), 2);
    }
    assert_eq!((b.names(), fs::read(b.path("outside.onnx.data")).unwrap()), (before, weights.clone()));
    // The copy's weights outlive the model that they were written with.
    code(&run(&["-o", "outside.onnx"]), 0);
    assert_eq!(fs::read(b.path("outside.onnx.data")).unwrap(), weights);
    Model::load(b.path("backup.onnx")).unwrap();
    assert!(b.path("outside.onnx.1.data").exists());
}

#[test]
fn signals_have_their_codes_and_leave_nothing() {
    let b = Bench::new();
    for (signal, wanted) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let (mut child, mut told) = b.endless("model.onnx", &["--report", "r.json"]);
        kill(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(wanted), "{signal}");
        let mut rest = String::new();
        told.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("interrupted\n"), "{rest}");
        assert_eq!(b.names(), ["model.onnx"], "{signal}");
    }
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let b = Bench::new();
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_onnx-prune")).current_dir(b.0.path()).stdin(Stdio::null());
    command.args(["model.onnx", "--ratio", "0.9", "--steps", "1000000", "-o", "small.onnx"]).args(OFFLINE);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let _told = until_choosing(&mut child);
    kill(&child, "-HUP");
    kill(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_signal_ends_what_waits_for_a_reader_at_once() {
    let b = Bench::new();
    b.fifo("pipe");
    let mut command = b.command(&[&HALF[..], &["-o", "pipe", "--report", "r.json"], &OFFLINE].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = std::time::Instant::now();
    // The report's place is reserved before the pipe is opened.
    while b.names().len() < 3 {
        assert!(start.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    kill(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(b.names(), ["model.onnx", "pipe"]);
}

#[test]
fn a_killed_run_is_swept_up_by_the_next_and_a_live_one_is_not() {
    let b = Bench::new();
    let (mut live, _live_told) = b.endless("model.onnx", &["--report", "live.json"]);
    let (mut dead, _dead_told) = b.endless("model.onnx", &["--report", "dead.json"]);
    let staged = |name: &str| b.names().iter().filter(|n| n.starts_with(&format!(".{name}."))).count();
    assert_eq!((staged("live.json"), staged("dead.json")), (1, 1));
    dead.kill().unwrap();
    dead.wait().unwrap();
    // Neither a folder of somebody else's making nor a link is taken for a staged file.
    fs::create_dir_all(b.path(".mine.onnx-prune-x.tmp/sub")).unwrap();
    symlink(b.path("."), b.path(".link.onnx-prune-x.tmp")).unwrap();
    code(&b.prune(&["-o", "small.onnx"]), 0);
    assert_eq!((staged("live.json"), staged("dead.json"), staged("mine"), staged("link")), (1, 0, 1, 1));
    kill(&live, "-INT");
    assert_eq!(live.wait().unwrap().code(), Some(130));
    assert_eq!(b.names(), [".link.onnx-prune-x.tmp", ".mine.onnx-prune-x.tmp", "model.onnx", "small.onnx"]);
}

#[test]
fn a_model_that_was_written_is_told_when_its_report_cannot_be() {
    let b = Bench::new();
    let Some(full) = b.device("full", "7") else { return };
    let output = b.prune(&["-o", "small.onnx", "--report", "full"]);
    code(&output, 5);
    let err = text(&output.stderr);
    assert!(
        err.contains("cannot write the report full") && err.ends_with("written all the same: small.onnx\n"),
        "{err}"
    );
    Model::load(b.path("small.onnx")).unwrap();
    let full = || OpenOptions::new().write(true).open(&full).unwrap();
    let args = [&HALF[..], &["-o", "small.onnx", "--report", "r.json"], &OFFLINE].concat();
    let output = b.command(&args).stdout(full()).output().unwrap();
    code(&output, 5);
    let err = text(&output.stderr);
    assert!(err.contains("cannot print") && err.ends_with("written all the same: small.onnx, r.json\n"), "{err}");
    // Nothing was written here, so this is an error like any other.
    code(&b.prune(&["--dry-run", "--report", "full"]), 1);
    let model = b.prune(&["-o", "full"]);
    code(&model, 1);
    assert!(text(&model.stderr).contains("cannot write"), "{}", text(&model.stderr));
}

#[test]
fn nobody_has_to_read_what_is_printed() {
    let b = Bench::new();
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let args = [&HALF[..], &["-o", "small.onnx"], &OFFLINE].concat();
    for (args, wanted) in [(&args[..], 0), (&["absent.onnx", "--ratio", "0.5", "-o", "x"], 1), (&["eval"], 2)] {
        let output = b.command(args).stdout(closed()).stderr(closed()).output().unwrap();
        code(&output, wanted);
    }
    assert_eq!(b.names(), ["model.onnx", "small.onnx"]);
}

#[test]
fn an_input_that_changes_meanwhile_is_an_error() {
    let b = Bench::new();
    let path = b.path("model.onnx");
    let request = common::request::request();
    let out = b.path("small.onnx");
    for at in [Stage::Write, Stage::Commit] {
        let bytes = fs::read(&path).unwrap();
        let change = |event: &Event| {
            if *event == (Event::Stage { stage: at }) {
                fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            }
        };
        let job = Job::observed_by(&change);
        let run = prune_to(Model::load(&path).unwrap(), &request, &out, job).and_then(|staged| staged.commit(job));
        let Err(error) = run else { panic!("it was written") };
        assert!(error.to_string().contains("model.onnx was changed while it was in use"), "{error}");
        assert_eq!(b.names(), ["model.onnx"]);
        fs::write(&path, bytes).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_input_that_is_cut_short_ends_in_words() {
    let b = Bench::new();
    // Large enough to be mapped; most of it is a hole.
    let mut model = Model::load(b.path("model.onnx")).unwrap();
    let external = SaveOptions { layout: WeightLayout::External, external_from: 1, ..SaveOptions::default() };
    model.external = None;
    onnx::save(&model, &b.path("large.onnx"), &external).unwrap();
    let data = b.path("large.onnx.data");
    let weights = fs::read(&data).unwrap();
    let far = 80u64 << 20;
    let mut moved = Model::load(b.path("large.onnx")).unwrap().proto;
    let mut at = 0u64;
    let file = File::create(&data).unwrap();
    for t in &mut moved.graph.as_mut().unwrap().initializer {
        use std::os::unix::fs::FileExt;
        let Some(raw) = t.raw_data.take() else { continue };
        let entry = |k: &str, v: String| onnx::proto::StringStringEntryProto { key: Some(k.into()), value: Some(v) };
        file.write_all_at(&raw, far + at).unwrap();
        t.data_location = Some(1);
        t.external_data = vec![
            entry("location", "large.onnx.data".into()),
            entry("offset", (far + at).to_string()),
            entry("length", raw.len().to_string()),
        ];
        at += (raw.len() as u64).next_multiple_of(64);
    }
    assert!(at as usize <= weights.len() + 4096);
    fs::write(b.path("large.onnx"), common::bytes(&moved)).unwrap();
    let (mut child, mut told) = b.endless("large.onnx", &[]);
    file.set_len(4096).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("error: a file was shortened by another program"), "{rest}");
    assert!(!b.path("small.onnx").exists());
}

#[cfg(all(feature = "ort", feature = "tract"))]
#[test]
fn a_library_that_does_not_load_is_told() {
    let b = Bench::new();
    fs::write(b.path("libonnxruntime.so"), "this is no library").unwrap();
    fs::write(b.path(".python-version"), b.path(".").display().to_string()).unwrap();
    let run = |variables: &[(&str, &str)], more: &[&str]| {
        let args = [&HALF[..], &["-o", "small.onnx", "--no-latency"], more].concat();
        let mut command = b.command(&args);
        command.env_clear().envs(variables.iter().copied());
        command.output().unwrap()
    };
    let library = b.path("libonnxruntime.so").display().to_string();
    let output = run(&[("ORT_DYLIB_PATH", &library)], &[]);
    code(&output, 0);
    assert!(text(&output.stderr).contains(&format!("ORT_DYLIB_PATH: {library}: ")), "{}", text(&output.stderr));
    let output = run(&[("ORT_DYLIB_PATH", "libonnxruntime.so")], &[]);
    code(&output, 0);
    assert!(text(&output.stderr).contains("libonnxruntime.so is no absolute path"), "{}", text(&output.stderr));
    for (runtime, wanted) in [("auto", 1), ("ort", 1), ("tract", 0)] {
        let output = run(&[], &["--runtime", runtime, "--ort-library", "libonnxruntime.so"]);
        code(&output, wanted);
    }
    // Nothing in the current folder is looked at.
    let here = [("PATH", ":."), ("LD_LIBRARY_PATH", "."), ("VIRTUAL_ENV", "."), ("HOME", ".")];
    let output = run(&here, &["-v"]);
    code(&output, 0);
    assert!(!text(&output.stderr).contains(&library), "{}", text(&output.stderr));
}
