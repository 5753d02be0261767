//! Ways in which an onnxruntime library can be missing or wrong: an error where it was asked for, a warning where not,
//! never a crash. A file of its own, since a process keeps the first library that it loads: here none ever is.
#![cfg(all(unix, feature = "tract", feature = "ort"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use onnx_prune::runtime::{Choice, Error, select};
use std::fs;
use std::path::Path;

#[track_caller]
fn assert_refused(library: &Path, why: &str) {
    for choice in [Choice::Ort, Choice::Auto] {
        let error = select(choice, Some(library)).unwrap_err();
        assert!(matches!(error, Error::Library { .. }), "{error}");
        let (error, path) = (error.to_string(), library.display().to_string());
        assert!(error.contains(&path) && error.contains(why), "{path}: {error}");
    }
}

#[test]
fn a_wrong_library_that_was_asked_for_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libtext.so");
    fs::write(&text, "this is no library").unwrap();
    let empty = folder.path().join("libempty.so");
    fs::write(&empty, "").unwrap();
    let folder_without = folder.path().join("folder");
    fs::create_dir(&folder_without).unwrap();
    let pipe = folder.path().join("pipe.so");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // A shared library that is none of onnxruntime's, cut off before what the loader would map.
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let cut = folder.path().join("libcut.so");
    fs::write(&cut, &program[..program.len().min(1 << 16)]).unwrap();

    assert_refused(&folder.path().join("missing.so"), "missing.so");
    assert_refused(Path::new("no-such-library.so"), "no-such-library.so");
    assert_refused(&text, "libtext.so");
    assert_refused(&empty, "libempty.so");
    assert_refused(&folder_without, "folder without");
    assert_refused(&pipe, "not a file");
    if cfg!(target_os = "linux") {
        assert_refused(&cut, "incomplete");
    }
}

#[test]
fn tract_asked_for_needs_no_library() {
    let selected = select(Choice::Tract, Some(Path::new("/no/such/library.so"))).unwrap();
    assert_eq!((selected.runtime.name(), selected.warnings.len()), ("tract", 0));
}
