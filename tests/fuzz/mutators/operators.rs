//! Other operators, and new ones between two nodes.

use onnx_prune::onnx::proto::*;
use onnx_prune::ops;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{fresh, graph, insert_behind, ints, new_node, number, pick, tensor};
use crate::common::builder::{A, attr};
use crate::corpus::Corpus;

const ONE: &[&str] =
    &["Relu", "Identity", "Neg", "Shape", "Size", "Flatten", "Squeeze", "Transpose", "Softmax", "NonZero", "Cast"];
const TWO: &[&str] =
    &["Add", "Mul", "Div", "MatMul", "Concat", "Reshape", "Expand", "Tile", "Gather", "Pow", "Equal", "Mod"];

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    let g = graph(m, rng)?;
    if g.node.is_empty() {
        return None;
    }
    let i = rng.random_range(0..g.node.len());
    let out = g.node[i].output.first().cloned()?;
    let new = fresh("new", rng);
    let axis = attr("axis", A::I(rng.random_range(-2..3)));
    match rng.random_range(0..8) {
        0 => {
            let names: Vec<(&str, &str)> = ops::all().map(|(domain, d)| (domain, d.name)).collect();
            let (domain, op) = *pick(&names, rng)?;
            g.node[i].domain = Some(domain.to_owned());
            g.node[i].op_type = Some(op.to_owned());
        }
        1 => {
            let mut n = new_node(pick(ONE, rng)?, &[&out], &new);
            n.attribute.push(axis);
            insert_behind(g, i, vec![n], &out, &new);
        }
        2 => {
            let other = tensor(g, rng)?;
            let mut n = new_node(pick(TWO, rng)?, &[&out, &other], &new);
            n.attribute.push(axis);
            insert_behind(g, i, vec![n], &out, &new);
        }
        3 => {
            // To the same elements in another shape.
            let sizes: Vec<i64> = (0..rng.random_range(0..5)).map(|_| number(rng)).collect();
            let operand = fresh("sizes", rng);
            g.initializer.push(ints(&operand, &sizes));
            let op = *pick(&["Reshape", "Expand", "Tile", "ConstantOfShape", "Unsqueeze", "Squeeze"], rng)?;
            let n = if op == "ConstantOfShape" {
                new_node(op, &[&operand], &new)
            } else {
                new_node(op, &[&out, &operand], &new)
            };
            insert_behind(g, i, vec![n], &out, &new);
        }
        4 => {
            // Rolled by some positions.
            let (at, axis) = (rng.random_range(1..6), rng.random_range(-2..4));
            let names: Vec<String> = (0..4).map(|k| fresh(&format!("roll{k}"), rng)).collect();
            for (name, n) in names.iter().zip([0, at, i64::MAX, axis]) {
                g.initializer.push(ints(name, &[n]));
            }
            let (a, b) = (fresh("a", rng), fresh("b", rng));
            let parts = vec![
                new_node("Slice", &[&out, &names[1], &names[2], &names[3]], &a),
                new_node("Slice", &[&out, &names[0], &names[1], &names[3]], &b),
                NodeProto { attribute: vec![attr("axis", A::I(axis))], ..new_node("Concat", &[&a, &b], &new) },
            ];
            let both = fresh("both", rng);
            let sum = new_node("Add", &[&out, &new], &both);
            insert_behind(g, i, [parts, vec![sum]].concat(), &out, &both);
            // The parts themselves read what was there before.
            for n in g.node.iter_mut().filter(|n| n.output == [a.clone()] || n.output == [b.clone()]) {
                n.input[0].clone_from(&out);
            }
        }
        5 => {
            // Its own shape, again and again.
            let (s, t) = (fresh("shape", rng), fresh("twice", rng));
            let op = *pick(&["Mul", "Add", "Concat", "Div", "Mod", "Max"], rng)?;
            let nodes = vec![
                new_node("Shape", &[&out], &s),
                NodeProto { attribute: vec![attr("axis", A::I(0))], ..new_node(op, &[&s, &s], &t) },
                new_node(pick(&["Reshape", "Expand", "Tile"], rng)?, &[&out, &t], &new),
            ];
            insert_behind(g, i, nodes, &out, &new);
        }
        6 => {
            // Doubled many times.
            let mut last = out.clone();
            let op = *pick(&["Concat", "Mul", "MatMul", "Add"], rng)?;
            let mut nodes = Vec::new();
            for k in 0..rng.random_range(2..40) {
                let next = fresh(&format!("d{k}"), rng);
                nodes.push(NodeProto { attribute: vec![axis.clone()], ..new_node(op, &[&last, &last], &next) });
                last = next;
            }
            insert_behind(g, i, nodes, &out, &last);
        }
        _ => {
            let j = rng.random_range(0..g.node.len());
            let op = g.node[j].op_type.clone();
            g.node[i].op_type = op;
        }
    }
    Some(())
}
