//! Time of the analysis by the depth of the graph: `cargo bench --no-default-features --bench grouping`.
//!
//! Three decoders as exporters write them (root mean square norms, rotary positions and shape arithmetic in single
//! steps, shared keys), each twice as deep as the one before, and three dense blocks, whose concatenations grow. Times
//! are medians in milliseconds; linear growth doubles them from column to column (for dense blocks, whose every layer
//! reads all before, growth is quadratic by nature).

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at any error")]

#[path = "../tests/common/builder.rs"]
mod builder;

use std::time::Instant;

use builder::{A, Builder, same};
use onnx_prune::analysis::{Analysis, Facts, Graph, Relations, Sharing};
use onnx_prune::onnx::{DType, Model};

const WIDTH: i64 = 64;
const HEADS: i64 = 8;
const SHARED: i64 = 4;
const DIM: i64 = WIDTH / HEADS;

/// A size of `x` as the shape arithmetic of exporters computes it.
fn size(b: &mut Builder, x: &str, axis: i64) -> String {
    let shape = b.op("Shape", &[x], vec![]);
    let at = b.scalar_int(axis);
    let d = b.gather(&shape, &at, 0);
    b.unsqueeze(&d, &[0])
}

fn norm(b: &mut Builder, name: &str, x: &str) -> String {
    let (two, eps) = (b.scalar(2.0), b.scalar(1e-5));
    let s = b.op("Pow", &[x, &two], vec![]);
    let s = b.mean(&s, &[-1], true);
    let s = b.add(&s, &eps);
    let s = b.op("Sqrt", &[&s], vec![]);
    let y = b.op("Div", &[x, &s], vec![]);
    let w = b.weight(&format!("{name}.weight"), &[WIDTH]);
    b.mul(&w, &y)
}

fn project(b: &mut Builder, name: &str, x: &str, from: i64, to: i64) -> String {
    let w = b.weight(&format!("{name}.weight"), &[from, to]);
    b.matmul(x, &w)
}

/// [batch, tokens, heads · dim] → [batch, heads, tokens, dim], by run-time sizes.
fn heads(b: &mut Builder, x: &str, heads: i64) -> String {
    let (batch, tokens) = (size(b, x, 0), size(b, x, 1));
    let (h, d) = (b.ints(&[heads]), b.ints(&[DIM]));
    let shape = b.concat(0, &[&batch, &tokens, &h, &d]);
    let r = b.op("Reshape", &[x, &shape], vec![]);
    b.transpose(&r, &[0, 2, 1, 3])
}

fn turned(b: &mut Builder, x: &str, cos: &str, sin: &str) -> String {
    let (first, second) = (b.slice(x, 3, 0, DIM / 2), b.slice(x, 3, DIM / 2, i64::MAX));
    let second = b.op("Neg", &[&second], vec![]);
    let swapped = b.concat(3, &[&second, &first]);
    let (p, q) = (b.mul(x, cos), b.mul(&swapped, sin));
    b.add(&p, &q)
}

fn repeated(b: &mut Builder, x: &str) -> String {
    let y = b.unsqueeze(x, &[2]);
    let (batch, tokens) = (size(b, x, 0), size(b, x, 2));
    let (h, r, d) = (b.ints(&[SHARED]), b.ints(&[HEADS / SHARED]), b.ints(&[DIM]));
    let shape = b.concat(0, &[&batch, &h, &r, &tokens, &d]);
    let y = b.op("Expand", &[&y, &shape], vec![]);
    let all = b.ints(&[HEADS]);
    let shape = b.concat(0, &[&batch, &all, &tokens, &d]);
    b.op("Reshape", &[&y, &shape], vec![])
}

fn decoder(layers: usize) -> Model {
    let mut b = Builder::new(17);
    let ids = b.input_of("ids", DType::Int64, "batch 16");
    let table = b.weight("table", &[100, WIDTH]);
    let (cos, sin) = (b.weight("cos", &[1, 1, 16, DIM]), b.weight("sin", &[1, 1, 16, DIM]));
    let mut x = b.gather(&table, &ids, 0);
    for k in 0..layers {
        let n = norm(&mut b, &format!("{k}.norm1"), &x);
        let q = project(&mut b, &format!("{k}.q"), &n, WIDTH, WIDTH);
        let key = project(&mut b, &format!("{k}.k"), &n, WIDTH, SHARED * DIM);
        let v = project(&mut b, &format!("{k}.v"), &n, WIDTH, SHARED * DIM);
        let (q, key, v) = (heads(&mut b, &q, HEADS), heads(&mut b, &key, SHARED), heads(&mut b, &v, SHARED));
        let (q, key) = (turned(&mut b, &q, &cos, &sin), turned(&mut b, &key, &cos, &sin));
        let (key, v) = (repeated(&mut b, &key), repeated(&mut b, &v));
        let key = b.transpose(&key, &[0, 1, 3, 2]);
        let s = b.matmul(&q, &key);
        let s = b.softmax(&s, -1);
        let o = b.matmul(&s, &v);
        let o = b.transpose(&o, &[0, 2, 1, 3]);
        let (batch, tokens, all) = (size(&mut b, &x, 0), size(&mut b, &x, 1), b.ints(&[WIDTH]));
        let shape = b.concat(0, &[&batch, &tokens, &all]);
        let o = b.op("Reshape", &[&o, &shape], vec![]);
        let o = project(&mut b, &format!("{k}.o"), &o, WIDTH, WIDTH);
        // Either order of an addition must do.
        x = if k % 2 == 0 { b.add(&x, &o) } else { b.add(&o, &x) };
        let n = norm(&mut b, &format!("{k}.norm2"), &x);
        let gate = project(&mut b, &format!("{k}.gate"), &n, WIDTH, 2 * WIDTH);
        let up = project(&mut b, &format!("{k}.up"), &n, WIDTH, 2 * WIDTH);
        let g = b.sigmoid(&gate);
        let g = b.mul(&gate, &g);
        let h = b.mul(&g, &up);
        let y = project(&mut b, &format!("{k}.down"), &h, 2 * WIDTH, WIDTH);
        x = b.add(&y, &x);
    }
    let x = norm(&mut b, "norm", &x);
    let table = b.transpose(&table, &[1, 0]);
    let y = b.matmul(&x, &table);
    b.output(&y, "batch 16 100");
    Model::new(b.model())
}

fn dense(layers: usize) -> Model {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 8 8");
    let mut all = vec![b.conv("stem", &x, 3, 8, same(3))];
    for k in 0..layers {
        let parts: Vec<&str> = all.iter().map(String::as_str).collect();
        let from = 8 + 4 * k as i64;
        let x = b.concat(1, &parts);
        let x = b.bn(&format!("{k}.norm"), &x, from);
        let x = b.relu(&x);
        all.push(b.conv(&format!("{k}.conv"), &x, from, 4, same(3)));
    }
    let parts: Vec<&str> = all.iter().map(String::as_str).collect();
    let x = b.concat(1, &parts);
    let v = b.op("ReduceMean", &[&x], vec![("axes", A::Is(&[2, 3])), ("keepdims", A::I(0))]);
    let y = b.gemm("head", &v, 8 + 4 * layers as i64, 10);
    b.output(&y, "batch 10");
    Model::new(b.model())
}

/// The median of seven times, in milliseconds.
fn timed<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut times: Vec<f64> = (0..7)
        .map(|_| {
            let start = Instant::now();
            let made = work();
            let time = start.elapsed().as_secs_f64() * 1e3;
            drop(made);
            time
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    println!("{:24}{:>8}{:>8}{:>12}{:>12}{:>12}", "", "nodes", "groups", "facts", "relations", "whole");
    let decoders = [12, 24, 48].map(|n| (format!("decoder, {n} layers"), decoder(n)));
    let blocks = [24, 48, 96].map(|n| (format!("dense block, {n} layers"), dense(n)));
    for (name, model) in decoders.iter().chain(&blocks) {
        let graph = Graph::new(model).unwrap();
        let facts = timed(|| Facts::infer(&graph, &Facts::seed(&graph)));
        let inferred = Facts::infer(&graph, &Facts::seed(&graph));
        let relations = timed(|| Relations::build(&graph, &inferred, Sharing::Tied));
        let whole = timed(|| Analysis::new(model, &Vec::new()).unwrap());
        let groups = Analysis::new(model, &Vec::new()).unwrap().groups.len();
        let nodes = graph.count();
        println!("{name:24}{nodes:8}{groups:8}{facts:12.2}{relations:12.2}{whole:12.2}");
    }
}
