//! Samples a second: `cargo bench --no-default-features --features data --bench loading [-- DATA SIDE]`.
//!
//! Without a data set, images of CIFAR's and ImageNet's size are made. *Decoding* is the JPEG decoder alone, on one
//! thread; *loading* is the whole way to batches, with augmentation. Processor time is what a busy machine leaves
//! comparable: a loader whose processor time per sample is the decoder's has no overhead of its own.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at any error")]

#[path = "common/images.rs"]
mod images;

use std::path::Path;
use std::time::{Duration, Instant};

use images::photograph;
use libjpeg_turbo_rs::Subsampling;
use onnx_prune::data::{self, Content, Loader, LoaderOptions, OpenOptions, Preprocess, Purpose};
use onnx_prune::onnx::DType;
use onnx_prune::runtime::{Dim, IoInfo};

/// Processor time of all threads of this process.
fn processor() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills in the struct that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs `work`, which says how many samples it did, and prints the rates.
fn timed(what: &str, work: impl FnOnce() -> usize) {
    let (clock, used) = (Instant::now(), processor());
    let n = work() as f64;
    let (wall, used) = (clock.elapsed().as_secs_f64(), (processor() - used).as_secs_f64());
    println!("{what:44} {:9.0} /s wall {:9.0} /s of one core", n / wall, n / used);
}

fn made(path: &Path, count: usize, width: usize, height: usize) {
    let mut archive = tar::Builder::new(std::fs::File::create(path).unwrap());
    for i in 0..count {
        let file = photograph(width, height, Subsampling::S420, i % 50);
        let mut header = tar::Header::new_gnu();
        header.set_size(file.len() as u64);
        archive.append_data(&mut header, format!("train/{}/{i}.jpg", i % 10), file.as_slice()).unwrap();
    }
    archive.into_inner().unwrap();
}

fn measure(path: &Path, side: usize, how: &str) {
    let clock = Instant::now();
    let open = || data::open(path, &OpenOptions { purpose: Purpose::Calibrate, ..Default::default() }).unwrap();
    let set = open();
    println!("{}: {} samples, opened in {:.2} s", path.display(), set.len(), clock.elapsed().as_secs_f64());
    let files: Vec<_> = (0..set.len().min(20_000)).map(|i| set.sample(i).unwrap().content).collect();
    timed("decoding, 1 thread", || {
        for file in &files {
            if let Content::Encoded(bytes) = file {
                std::hint::black_box(data::decode(bytes, &Default::default()).unwrap());
            }
        }
        files.len()
    });
    let fixed = [3, side, side].map(Dim::Fixed);
    let dims = std::iter::once(Dim::Unknown).chain(fixed).collect();
    let input = IoInfo { name: "x".into(), dtype: DType::Float, dims: Some(dims) };
    let preprocess = Preprocess::parse(how).unwrap();
    for threads in [1, 2] {
        let options = LoaderOptions { batch: 128, shuffle: true, threads: Some(threads), ..Default::default() };
        let loader = Loader::new(open(), Some(&preprocess), std::slice::from_ref(&input), options).unwrap();
        timed(&format!("loading, {threads} threads"), || loader.batches().map(|b| b.unwrap().len()).sum());
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let normal = r#"{"kind": "scale", "divide": 255}, {"kind": "normalize", "mean": [0.5], "std": [0.25]}"#;
    let augmented = |side: usize| {
        let crop = format!(r#"{{"kind": "random-crop", "size": {side}, "padding": 4}}, {{"kind": "random-flip"}}"#);
        match side > 64 {
            false => format!(r#"{{"steps": [{crop}, {normal}]}}"#),
            true => format!(r#"{{"steps": [{{"kind": "resize", "size": {}}}, {crop}, {normal}]}}"#, side * 8 / 7),
        }
    };
    if let [path, side] = arguments.as_slice() {
        let side = side.parse().unwrap();
        return measure(path.as_ref(), side, &augmented(side));
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, count, [width, height], side) in
        [("cifar.tar", 20_000, [32, 32], 32), ("imagenet.tar", 400, [500, 375], 224)]
    {
        let path = folder.path().join(name);
        made(&path, count, width, height);
        measure(&path, side, &augmented(side));
    }
}
