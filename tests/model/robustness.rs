//! Whatever a file says, the whole job gives a result or a clear error: never a panic, never a hang.

use std::time::{Duration, Instant};

use crate::common::request::request;
use crate::common::*;
use onnx_prune::analysis::AxisKind;
use onnx_prune::job::Job;
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType, Model};
use onnx_prune::ops;
use onnx_prune::prune::prune;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn ints(name: &str, v: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(attribute_proto::AttributeType::Ints as i32),
        ints: v.to_vec(),
        ..Default::default()
    }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(attribute_proto::AttributeType::Int as i32),
        i: Some(i),
        ..Default::default()
    }
}

/// A small network with one of many kinds of operator.
fn zoo() -> ModelProto {
    let mut g = GraphProto { name: Some("zoo".into()), ..Default::default() };
    let weight = |g: &mut GraphProto, name: &str, shape: &[usize]| {
        let n: usize = shape.iter().product();
        let data: Vec<f32> = (0..n).map(|i| ((i * 7919) % 31) as f32 / 16.0 - 1.0).collect();
        g.initializer.push(onnx::from_f32(name, shape, &data, DType::Float).unwrap());
    };
    let shape = |g: &mut GraphProto, name: &str, v: &[i64]| {
        g.initializer.push(onnx::from_i64(name, &[v.len()], v).unwrap());
    };
    g.input.push(value("x", &[1, 3, 8, 8]));
    g.output.push(value("y", &[1, 5]));
    weight(&mut g, "w1", &[8, 3, 3, 3]);
    weight(&mut g, "b1", &[8]);
    weight(&mut g, "dw", &[8, 1, 3, 3]);
    weight(&mut g, "w2", &[8, 8, 1, 1]);
    weight(&mut g, "gamma", &[8]);
    weight(&mut g, "w3", &[12, 16, 1, 1]);
    weight(&mut g, "qkv", &[12, 36]);
    weight(&mut g, "w4", &[12, 5]);
    shape(&mut g, "tokens", &[0, 12, -1]);
    shape(&mut g, "heads", &[1, 64, 3, 2, 6]);
    shape(&mut g, "flat", &[0, -1, 12]);
    shape(&mut g, "i0", &[0]);
    shape(&mut g, "i1", &[1]);
    shape(&mut g, "i2", &[2]);
    shape(&mut g, "halves", &[6, 6]);
    let mut add = |op: &str, i: &[&str], o: &[&str], a: Vec<AttributeProto>| {
        let mut n = node(op, i, o);
        n.name = Some(format!("node_{}", o[0]));
        n.attribute = a;
        g.node.push(n);
    };
    add("Conv", &["x", "w1", "b1"], &["c1"], vec![ints("pads", &[1, 1, 1, 1])]);
    add("BatchNormalization", &["c1", "gamma", "gamma", "gamma", "gamma"], &["n1"], vec![]);
    add("Relu", &["n1"], &["r1"], vec![]);
    add("Conv", &["r1", "dw"], &["d1"], vec![ints("pads", &[1, 1, 1, 1]), int("group", 8)]);
    add("Conv", &["d1", "w2"], &["c2"], vec![]);
    add("Add", &["r1", "c2"], &["s1"], vec![]);
    add("Concat", &["s1", "c2"], &["cat"], vec![int("axis", 1)]);
    add("Conv", &["cat", "w3"], &["c3"], vec![]);
    add("Split", &["c3", "halves"], &["h1", "h2"], vec![int("axis", 1)]);
    add("Sigmoid", &["h1"], &["g1"], vec![]);
    add("Concat", &["h2", "g1"], &["c4"], vec![int("axis", 1)]);
    add("Reshape", &["c4", "tokens"], &["t1"], vec![]);
    add("Transpose", &["t1"], &["t2"], vec![ints("perm", &[0, 2, 1])]);
    add("MatMul", &["t2", "qkv"], &["a1"], vec![]);
    add("Reshape", &["a1", "heads"], &["a2"], vec![]);
    add("Transpose", &["a2"], &["a3"], vec![ints("perm", &[2, 0, 3, 1, 4])]);
    for (i, q) in [("i0", "q"), ("i1", "k"), ("i2", "v")] {
        add("Gather", &["a3", i], &[&format!("{q}4")], vec![int("axis", 0)]);
        add("Squeeze", &[&format!("{q}4"), "i0"], &[q], vec![]);
    }
    add("Transpose", &["k"], &["kt"], vec![ints("perm", &[0, 1, 3, 2])]);
    add("MatMul", &["q", "kt"], &["qk"], vec![]);
    add("Softmax", &["qk"], &["sm"], vec![int("axis", -1)]);
    add("MatMul", &["sm", "v"], &["o1"], vec![]);
    add("Transpose", &["o1"], &["o2"], vec![ints("perm", &[0, 2, 1, 3])]);
    add("Reshape", &["o2", "flat"], &["o3"], vec![]);
    add("ReduceMean", &["o3", "i1"], &["p"], vec![int("keepdims", 0)]);
    add("MatMul", &["p", "w4"], &["y"], vec![]);
    model(g)
}

#[test]
fn the_zoo_itself_is_pruned() {
    let m = Model::from_bytes(bytes(&zoo())).unwrap();
    let outcome = prune(m, &request(), Job::default()).unwrap();
    assert!(outcome.report.after.params < 0.6 * outcome.report.before.params);
    assert!(outcome.report.groups.iter().any(|g| g.kind == AxisKind::Heads), "{:?}", outcome.report.groups);
}

#[test]
fn thousands_of_wrong_graphs_neither_panic_nor_hang() {
    let names: Vec<(&str, &str)> = ops::all().map(|(domain, d)| (domain, d.name)).collect();
    let extreme = [0, 1, -1, 2, 3, 7, -8, i64::MAX, i64::MIN, i64::MAX / 2, 1 << 31, 1 << 40];
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut slowest, mut done) = (Duration::ZERO, 0);
    for _ in 0..3000 {
        let mut m = zoo();
        let g = m.graph.as_mut().unwrap();
        for _ in 0..rng.random_range(1..4) {
            let i = rng.random_range(0..g.node.len());
            let any = extreme[rng.random_range(0..extreme.len())];
            match rng.random_range(0..9) {
                0 => {
                    let (domain, name) = names[rng.random_range(0..names.len())];
                    g.node[i].domain = Some(domain.to_owned());
                    g.node[i].op_type = Some(name.to_owned());
                }
                1 if !g.node[i].input.is_empty() => {
                    let tensors: Vec<String> = g.node.iter().flat_map(|n| n.output.clone()).collect();
                    let k = rng.random_range(0..g.node[i].input.len());
                    g.node[i].input[k] = tensors[rng.random_range(0..tensors.len())].clone();
                }
                2 => drop(g.node[i].input.pop()),
                3 => g.node[i].attribute.iter_mut().for_each(|a| {
                    a.ints.iter_mut().for_each(|x| *x = any);
                    a.i = a.i.map(|_| any);
                }),
                4 => drop(g.node[i].attribute.pop()),
                5 => {
                    let k = rng.random_range(0..g.initializer.len());
                    let t = &mut g.initializer[k];
                    if t.data_type() == 7 {
                        t.raw_data = Some((0..t.dims[0]).flat_map(|_| any.to_le_bytes()).collect::<Vec<_>>().into());
                    } else {
                        t.dims.reverse();
                    }
                }
                6 => g.input[0] = value("x", &[any, 3, any, 8]),
                7 => g.value_info.push(value("t1", &[any, any, 1])),
                _ => {
                    let o = g.node[i].output[0].clone();
                    g.node[i].attribute.push(int("axis", any));
                    g.node[i].attribute.push(int("group", any));
                    g.output.push(value(&o, &[]));
                }
            }
        }
        let clock = Instant::now();
        if let Ok(model) = Model::from_bytes(bytes(&m))
            && prune(&model, &request(), Job::default()).is_ok()
        {
            done += 1;
        }
        slowest = slowest.max(clock.elapsed());
    }
    assert!(done > 300, "only {done} mutants were still models");
    assert!(slowest < Duration::from_secs(20), "one took {slowest:?}");
}
