//! Time of each stage apart: `cargo bench --no-default-features --bench stages [-- MODEL.onnx] [--runs N]`.
//!
//! Without a model, three residual networks are made, each with about four times the weights of the one before.
//! Times are medians; reading finds the file in the page cache, writing ends with the file on the disk.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at any error")]

#[path = "../tests/common/builder.rs"]
mod builder;

use std::path::{Path, PathBuf};
use std::time::Instant;

use builder::{Builder, same};
use onnx_prune::analysis::Analysis;
use onnx_prune::job::Job;
use onnx_prune::onnx::{Model, SaveOptions, save};
use onnx_prune::planning::targets::{Speedup, Targets};
use onnx_prune::planning::{self, Options, Plan, PlanRequest};
use onnx_prune::{criteria, rewriting};

/// Criteria and numbers of steps that planning is timed with.
const PLANS: [(&str, usize); 4] = [("l2", 100), ("l2", 400), ("fpgm", 100), ("fpgm", 400)];

/// Four stages of bottleneck blocks, with batch normalisation.
fn network(width: i64, blocks: [usize; 4]) -> Model {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 64 64");
    let stem = b.conv_no_bias("stem", &x, 3, width, same(3).stride(2));
    let stem = b.bn("stem.bn", &stem, width);
    let (mut x, mut from) = (b.relu(&stem), width);
    for (s, n) in blocks.into_iter().enumerate() {
        let (inner, to) = (width << s, width << (s + 2));
        for k in 0..n {
            let stride = if s > 0 && k == 0 { 2 } else { 1 };
            let mut y = x.clone();
            let layers = [(from, inner, 1, 1), (inner, inner, 3, stride), (inner, to, 1, 1)];
            for (i, (c, d, kernel, stride)) in layers.into_iter().enumerate() {
                let name = format!("stage{s}.{k}.conv{i}");
                y = b.conv_no_bias(&name, &y, c, d, same(kernel).stride(stride));
                y = b.bn(&format!("{name}.bn"), &y, d);
                y = if i < 2 { b.relu(&y) } else { y };
            }
            if k == 0 {
                let name = format!("stage{s}.{k}.shortcut");
                x = b.conv_no_bias(&name, &x, from, to, same(1).stride(stride));
                x = b.bn(&format!("{name}.bn"), &x, to);
            }
            x = b.add(&x, &y);
            x = b.relu(&x);
            from = to;
        }
    }
    let v = b.global_pool(&x);
    let y = b.gemm("head", &v, from, 1000);
    b.output(&y, "batch 1000");
    Model::new(b.model())
}

/// The median of `runs` times, in milliseconds, and the last result.
fn timed<T>(runs: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..runs.max(1) {
        // What the last run made is dropped outside of the clock.
        drop(last.take());
        let start = Instant::now();
        let made = work();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        last = Some(made);
    }
    times.sort_unstable_by(f64::total_cmp);
    (times[times.len() / 2], last.unwrap())
}

fn planned(a: &Analysis, criterion: &str, steps: usize) -> Plan {
    let options = Options { steps, ..Options::default() };
    let targets = Targets::one(&Speedup, 2.0);
    let aim = PlanRequest::new(
        criteria::find(criterion).unwrap(),
        planning::find_scheme("protected-global").unwrap(),
        &targets,
        &options,
    );
    planning::plan(a, &aim, Job::default()).unwrap()
}

/// What a model is, and the time of each of its stages.
fn stages(path: &Path, runs: usize) -> (String, Vec<(String, f64)>) {
    let mut rows = Vec::new();
    let (load, model) = timed(runs, || Model::load(path).unwrap());
    rows.push(("load".to_owned(), load));
    let (analyse, a) = timed(runs, || Analysis::new(&model, &Vec::new()).unwrap());
    rows.push(("analyse".to_owned(), analyse));
    let mut kept = None;
    for (criterion, steps) in PLANS {
        let (time, plan) = timed(runs, || planned(&a, criterion, steps));
        rows.push((format!("plan, {criterion}, {steps} steps"), time));
        kept.get_or_insert_with(|| plan.kept_atoms(&a));
    }
    let kept = kept.unwrap();
    let (rewrite, small) = timed(runs, || rewriting::prune(&a, &kept).unwrap());
    rows.push(("rewrite".to_owned(), rewrite));
    let small = Model { external: model.external.clone(), ..Model::new(small) };
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("small.onnx");
    let (write, _) = timed(runs, || save::save(&small, &target, &SaveOptions::default()).unwrap());
    rows.push(("write".to_owned(), write));
    let parameters = a.costs.params(&a.full_counts()) / 1e6;
    (format!("{parameters:.1} M, {} nodes, {} groups", a.graph.count(), a.groups.len()), rows)
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let mut runs = 5;
    if let Some(at) = arguments.iter().position(|a| a == "--runs") {
        runs = arguments.get(at + 1).and_then(|n| n.parse().ok()).unwrap_or(runs);
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    if paths.is_empty() {
        for (width, blocks) in [(16, [2, 2, 2, 2]), (32, [2, 3, 4, 2]), (64, [3, 4, 6, 3])] {
            let path = folder.path().join(format!("{width}.onnx"));
            save::save(&network(width, blocks), &path, &SaveOptions::default()).unwrap();
            paths.push(path);
        }
    }
    let columns: Vec<(String, Vec<(String, f64)>)> = paths.iter().map(|p| stages(p, runs)).collect();
    println!("median of {runs} runs, milliseconds, {} threads", rayon::current_num_threads());
    print!("{:24}", "");
    columns.iter().for_each(|(title, _)| print!("{title:>32}"));
    println!();
    for row in 0..columns[0].1.len() {
        print!("{:24}", columns[0].1[row].0);
        columns.iter().for_each(|(_, rows)| print!("{:32.2}", rows[row].1));
        println!();
    }
}
