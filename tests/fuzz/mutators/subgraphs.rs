//! Subgraphs of control flow: exchanged, moved, made of nodes that had none.

use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{DType, walk};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{fresh, graph, ints, new_node, number, pick};
use crate::common::builder::{A, attr, declared};
use crate::corpus::Corpus;

pub fn mutate(m: &mut ModelProto, corpus: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    if rng.random_ratio(1, 3) {
        return exchange(m, corpus, rng);
    }
    let g = graph(m, rng)?;
    let i = rng.random_range(0..g.node.len().max(1));
    let inner = g.node.get(i)?.clone();
    let out = inner.output.first()?.clone();
    let subgraph = |suffix: &str, input: Vec<ValueInfoProto>, mut first: Vec<ValueInfoProto>| {
        let mut n = inner.clone();
        n.output.iter_mut().for_each(|o| *o = format!("{o}{suffix}"));
        first.push(declared(&format!("{out}{suffix}"), DType::Float, ""));
        first.iter_mut().for_each(|v| v.r#type = v.r#type.take().filter(|_| v.name().starts_with("going")));
        GraphProto { name: Some(format!("body{suffix}")), node: vec![n], input, output: first, ..Default::default() }
    };
    let tag = fresh("", rng);
    let node = if rng.random() {
        let (yes, no) = (subgraph(&format!("{tag}y"), vec![], vec![]), subgraph(&format!("{tag}n"), vec![], vec![]));
        let condition = fresh("condition", rng);
        match rng.random_range(0..3) {
            0 => g.input.push(declared(&condition, DType::Bool, "")),
            k => g.initializer.push(TensorProto {
                name: Some(condition.clone()),
                data_type: Some(DType::Bool as i32),
                int32_data: vec![k - 1],
                ..Default::default()
            }),
        }
        let mut branches = vec![attr("then_branch", A::G(yes)), attr("else_branch", A::G(no))];
        if rng.random() {
            branches.reverse();
        }
        NodeProto { attribute: branches, ..new_node("If", &[&condition], &out) }
    } else {
        let (count, going) = (fresh("count", rng), format!("going{tag}"));
        g.initializer.push(TensorProto { dims: vec![], ..ints(&count, &[number(rng)]) });
        let state = pick(&inner.input, rng)?.clone();
        let inside = format!("{state}{tag}");
        let given = vec![
            declared(&format!("round{tag}"), DType::Int64, ""),
            declared(&going, DType::Bool, ""),
            ValueInfoProto { name: Some(inside.clone()), ..Default::default() },
        ];
        let mut b = subgraph(&tag, given, vec![declared(&going, DType::Bool, "")]);
        b.node[0].input.iter_mut().filter(|x| **x == state).for_each(|x| x.clone_from(&inside));
        NodeProto { attribute: vec![attr("body", A::G(b))], ..new_node("Loop", &[&count, "", &state], &out) }
    };
    g.node[i] = node;
    Some(())
}

/// A subgraph of this model or of another one, in the place of one here.
fn exchange(m: &mut ModelProto, corpus: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    let all = |m: &ModelProto| -> Vec<GraphProto> {
        m.graph.iter().flat_map(|g| &g.node).flat_map(walk::subgraphs).cloned().collect()
    };
    let other = if rng.random() { all(&corpus.any(rng)) } else { all(m) };
    let new = pick(&other, rng)?.clone();
    let nodes = m.graph.iter_mut().flat_map(|g| &mut g.node);
    let mut here: Vec<&mut GraphProto> = nodes.flat_map(walk::subgraphs_mut).collect();
    **super::pick_mut(&mut here, rng)? = new;
    Some(())
}
