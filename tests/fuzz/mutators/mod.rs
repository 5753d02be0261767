//! Ways to change a model, one file each. None cares whether the result is valid.

mod attributes;
mod contents;
mod declarations;
mod functions;
mod operators;
mod raw;
mod sizes;
mod subgraphs;
mod symbols;
mod versions;
mod wiring;

use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::walk;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::corpus::Corpus;

pub use raw::raw;

type Mutator = fn(&mut ModelProto, &Corpus, &mut ChaCha8Rng) -> Option<()>;

const ALL: &[Mutator] = &[
    attributes::mutate,
    subgraphs::mutate,
    contents::mutate,
    declarations::mutate,
    functions::mutate,
    operators::mutate,
    sizes::mutate,
    symbols::mutate,
    versions::mutate,
    wiring::mutate,
];

/// One of all changes; a few that find nothing to change are tried again.
pub fn any(m: &mut ModelProto, corpus: &Corpus, rng: &mut ChaCha8Rng) {
    for _ in 0..4 {
        if ALL[rng.random_range(0..ALL.len())](m, corpus, rng).is_some() {
            return;
        }
    }
}

const NUMBERS: &[i64] = &[
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    6,
    7,
    -7,
    8,
    12,
    16,
    48,
    64,
    65_535,
    160_000,
    1 << 31,
    i32::MAX as i64,
    i32::MIN as i64,
    1 << 40,
    i64::MAX / 2,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
];

/// A number at which something changes, or a small one.
fn number(rng: &mut ChaCha8Rng) -> i64 {
    match rng.random_range(0..3) {
        0 => rng.random_range(-4..20),
        _ => NUMBERS[rng.random_range(0..NUMBERS.len())],
    }
}

fn pick<'t, T>(all: &'t [T], rng: &mut ChaCha8Rng) -> Option<&'t T> {
    (!all.is_empty()).then(|| &all[rng.random_range(0..all.len())])
}

fn pick_mut<'t, T>(all: &'t mut [T], rng: &mut ChaCha8Rng) -> Option<&'t mut T> {
    if all.is_empty() {
        return None;
    }
    let k = rng.random_range(0..all.len());
    Some(&mut all[k])
}

/// The main graph or a subgraph.
fn graph<'m>(m: &'m mut ModelProto, rng: &mut ChaCha8Rng) -> Option<&'m mut GraphProto> {
    let mut g = m.graph.as_mut()?;
    loop {
        let with: Vec<usize> = (0..g.node.len()).filter(|i| walk::subgraphs(&g.node[*i]).next().is_some()).collect();
        if with.is_empty() || rng.random_bool(0.5) {
            return Some(g);
        }
        let i = *pick(&with, rng)?;
        let here = g;
        let count = walk::subgraphs(&here.node[i]).count();
        g = walk::subgraphs_mut(&mut here.node[i]).nth(rng.random_range(0..count))?;
    }
}

/// A node of the main graph or of a subgraph.
fn node<'m>(m: &'m mut ModelProto, rng: &mut ChaCha8Rng) -> Option<&'m mut NodeProto> {
    pick_mut(&mut graph(m, rng)?.node, rng)
}

/// Any tensor of a graph.
fn tensor(g: &GraphProto, rng: &mut ChaCha8Rng) -> Option<String> {
    let made = g.node.iter().flat_map(|n| n.output.iter().cloned());
    let held = g.initializer.iter().map(|t| t.name().to_owned());
    let given = g.input.iter().map(|v| v.name().to_owned());
    let all: Vec<String> = made.chain(held).chain(given).collect();
    pick(&all, rng).cloned()
}

/// A name that no graph has.
fn fresh(base: &str, rng: &mut ChaCha8Rng) -> String {
    format!("{base}~{}", rng.random::<u32>())
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    onnx_prune::onnx::from_i64(name, &[values.len()], values).unwrap()
}

fn new_node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    crate::common::node(op, inputs, &[output])
}

/// Puts a node right behind node `i` whose input was that node's output: whoever read it reads the new one's.
fn insert_behind(g: &mut GraphProto, i: usize, nodes: Vec<NodeProto>, old: &str, new: &str) {
    for n in &mut g.node {
        n.input.iter_mut().filter(|x| *x == old).for_each(|x| *x = new.to_owned());
    }
    let at = (i + 1).min(g.node.len());
    g.node.splice(at..at, nodes);
}
