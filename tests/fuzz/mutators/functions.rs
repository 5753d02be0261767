//! Functions of the model: calls, calls within calls, and calls that never end.

use onnx_prune::onnx::edit::NewNode;
use onnx_prune::onnx::proto::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::graph;
use crate::corpus::Corpus;

const DOMAIN: &str = "local";

/// `inputs` in, one output, by these nodes.
fn function(m: &mut ModelProto, name: &str, inputs: Vec<String>, output: &str, nodes: Vec<NodeProto>) {
    let opset_import = m.opset_import.clone();
    m.functions.push(FunctionProto {
        name: Some(name.to_owned()),
        domain: Some(DOMAIN.to_owned()),
        input: inputs,
        output: vec![output.to_owned()],
        node: nodes,
        opset_import,
        ..Default::default()
    });
}

fn call(name: &str, inputs: &[&str], output: &str) -> NodeProto {
    NewNode::new(name).domain(DOMAIN).inputs(inputs.iter().copied()).output(output).build()
}

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    if let Some(f) = m.functions.first().filter(|_| rng.random_ratio(1, 4)).cloned() {
        // The function calls itself, or one of the others.
        let k = rng.random_range(0..m.functions.len());
        let n = NewNode::new(f.name()).domain(f.domain()).output("again").build();
        m.functions[k].node.push(n);
        return Some(());
    }
    if !m.opset_import.iter().any(|o| o.domain() == DOMAIN) {
        m.opset_import.push(OperatorSetIdProto { domain: Some(DOMAIN.to_owned()), version: Some(1) });
    }
    let g = graph(m, rng)?;
    let i = rng.random_range(0..g.node.len().max(1));
    let n = g.node.get(i)?.clone();
    let out = n.output.first()?.clone();
    let depth = *super::pick(&[1, 1, 2, 3, 30, 40], rng)?;
    let times = rng.random_range(1..4);
    let tag: u32 = rng.random();
    let name = |d: usize| format!("F{d}_{tag}");
    let inputs: Vec<&str> = n.input.iter().map(String::as_str).collect();
    g.node[i] = call(&name(depth), &inputs, &out);
    function(m, &name(1), n.input.clone(), &out, vec![n.clone()]);
    for d in 2..=depth {
        // Each calls the one below it, maybe more than once: what they make grows as a power.
        let results = (1..times).map(|k| call(&name(d - 1), &inputs, &format!("unused{k}")));
        let nodes = results.chain([call(&name(d - 1), &inputs, &out)]).collect();
        function(m, &name(d), n.input.clone(), &out, nodes);
    }
    Some(())
}
