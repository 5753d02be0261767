//! Ways in which an onnxruntime library can be missing or wrong: always a warning and tract, never a crash. A file of
//! its own, since a process keeps the first library that it loads: here none ever is.
#![cfg(all(unix, feature = "tract", feature = "ort"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use onnx_prune::runtime::library::candidates;
use onnx_prune::runtime::{Choice, select};
use std::fs;
use std::path::Path;

/// Whether the machine has a library that would be used in the place of a wrong one.
fn machine_has_one() -> bool {
    candidates(None).iter().any(|c| c.path.is_absolute())
}

fn assert_falls_back(library: &Path, why: &str) {
    for choice in [Choice::Ort, Choice::Auto] {
        let selected = select(choice, Some(library)).unwrap();
        let warnings = selected.warnings.join("; ");
        let path = library.display().to_string();
        assert!(warnings.contains(&path), "{path}: {warnings}");
        if !machine_has_one() {
            assert_eq!(selected.runtime.name(), "tract");
            assert!(warnings.contains(why), "{path}: {warnings}");
        }
    }
}

#[test]
fn a_wrong_library_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libtext.so");
    fs::write(&text, "this is no library").unwrap();
    let empty = folder.path().join("libempty.so");
    fs::write(&empty, "").unwrap();
    let folder_without = folder.path().join("folder");
    fs::create_dir(&folder_without).unwrap();
    // A shared library that is none of onnxruntime's, cut off before what the loader would map.
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let cut = folder.path().join("libcut.so");
    fs::write(&cut, &program[..program.len().min(1 << 16)]).unwrap();

    assert_falls_back(&folder.path().join("missing.so"), "missing.so");
    assert_falls_back(Path::new("no-such-library.so"), "no-such-library.so");
    assert_falls_back(&text, "libtext.so");
    assert_falls_back(&empty, "libempty.so");
    assert_falls_back(&folder_without, "folder without");
    if cfg!(target_os = "linux") {
        assert_falls_back(&cut, "incomplete");
    }
}

#[test]
fn tract_asked_for_needs_no_library() {
    let selected = select(Choice::Tract, Some(Path::new("/no/such/library.so"))).unwrap();
    assert_eq!((selected.runtime.name(), selected.warnings.len()), ("tract", 0));
}
