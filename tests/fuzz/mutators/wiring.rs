//! Which node reads what; nodes that come and go.

use onnx_prune::onnx::proto::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{fresh, graph, pick, tensor};
use crate::corpus::Corpus;

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    let g = graph(m, rng)?;
    if g.node.is_empty() {
        return None;
    }
    let (i, other) = (rng.random_range(0..g.node.len()), tensor(g, rng)?);
    let k = rng.random_range(0..g.node[i].input.len().max(1));
    match rng.random_range(0..9) {
        0 | 1 => *g.node[i].input.get_mut(k)? = other,
        2 => g.node[i].input.reverse(),
        3 => drop(g.node[i].input.pop()?),
        4 => g.node[i].input.push(other),
        5 => *g.node[i].input.get_mut(k)? = String::new(),
        6 => {
            // A second node like it, which something else reads.
            let mut n = g.node[i].clone();
            n.output.iter_mut().for_each(|o| *o = fresh(o, rng));
            let new = n.output.first()?.clone();
            let j = rng.random_range(i..g.node.len());
            if let Some(x) = g.node[j].input.first_mut().filter(|_| j > i) {
                *x = new;
            }
            g.node.insert(i + 1, n);
        }
        7 => {
            // What read it reads what it read.
            let n = g.node.remove(i);
            let (from, to) = (n.output.first()?.clone(), pick(&n.input, rng)?.clone());
            let reads = g.node.iter_mut().flat_map(|n| &mut n.input);
            reads.filter(|x| **x == from).for_each(|x| x.clone_from(&to));
            g.output.iter_mut().filter(|v| v.name() == from).for_each(|v| v.name = Some(to.clone()));
        }
        _ => {
            let j = rng.random_range(0..g.node.len());
            g.node.swap(i, j);
        }
    }
    Some(())
}
