//! Sizes that only a run can tell: what meets one stays, what it leaves alone goes.

use onnx_prune::analysis::Analysis;
use onnx_prune::analysis::Sharing;
use onnx_prune::job::Job;
use onnx_prune::onnx::proto::{FunctionProto, ModelProto, NodeProto, OperatorSetIdProto};
use onnx_prune::onnx::{DType, Error, Model};
use onnx_prune::prune::shrink;
use onnx_prune::rewriting;

use super::{frozen, groups, load};
use crate::common::builder::*;
use crate::common::request::request;

/// fc2(f(fc1(x))) with 12 units between, where `f` may read inputs of its own.
fn between(opset: i64, f: impl FnOnce(&mut Builder, &str) -> String) -> ModelProto {
    let mut b = Builder::new(opset);
    let x = b.input("x", "N 6");
    let w = b.weight("fc1", &[6, 12]);
    let a = b.matmul(&x, &w);
    let a = f(&mut b, &a);
    let w = b.weight("fc2", &[12, 4]);
    let y = b.matmul(&a, &w);
    b.output(&y, "");
    b.graph.output[0].r#type = None;
    b.model()
}

/// The units of the first layer go.
fn goes(m: ModelProto) -> bool {
    groups(m).iter().any(|g| g.starts_with("fc1 ") && g.contains(" 12"))
}

fn stays(m: ModelProto, why: &str) -> bool {
    let all = frozen(m.clone());
    groups(m).is_empty() && all.iter().any(|f| f.starts_with("12 ") && f.contains(why))
}

const OPEN: &str = "broadcast of run-time sizes";

#[test]
fn an_open_size_that_is_broadcast_may_be_any() {
    for op in ["Mul", "Add", "Div", "Max", "PRelu", "Pow"] {
        let met = |sizes: &str| {
            between(17, |b, a| {
                let s = b.input("s", sizes);
                b.op(op, &[a, &s], vec![])
            })
        };
        assert!(stays(met("K"), OPEN), "{op}");
        assert!(stays(met("N K"), OPEN), "{op}");
        // What is 1, or what the batch is called, says nothing of the units.
        assert!(goes(met("1")) && goes(met("N 1")) && goes(met("")), "{op}");
    }
    let chosen = between(17, |b, a| {
        let (c, s) = (b.input_of("c", DType::Bool, "K"), b.scalar(0.5));
        b.op("Where", &[&c, a, &s], vec![])
    });
    assert!(stays(chosen, OPEN));
}

#[test]
fn sizes_from_slices_masks_and_inputs_are_open_too() {
    let scaled = |cut: fn(&mut Builder, &str) -> String| {
        between(17, |b, a| {
            let all = b.weight("gains", &[12]);
            let s = cut(b, &all);
            let s = b.relu(&s);
            b.mul(a, &s)
        })
    };
    let sliced = scaled(|b, all| {
        let (from, to) = (b.ints(&[0]), b.input_of("k", DType::Int64, "1"));
        b.op("Slice", &[all, &from, &to], vec![])
    });
    let picked = scaled(|b, all| {
        let mask = b.input_of("mask", DType::Bool, "12");
        b.op("Compress", &[all, &mask], vec![("axis", A::I(0))])
    });
    let shaped = scaled(|b, all| {
        let shape = b.input_of("shape", DType::Int64, "1");
        b.op("Reshape", &[all, &shape], vec![])
    });
    for m in [sliced, picked, shaped] {
        assert!(stays(m, OPEN));
    }
}

#[test]
fn other_broadcasts_of_open_sizes() {
    let expanded = |sizes: &str| {
        between(17, |b, a| {
            let s = b.input_of("sizes", DType::Int64, sizes);
            b.op("Expand", &[a, &s], vec![])
        })
    };
    assert!(stays(expanded("2"), OPEN));
    let normed = between(17, |b, a| {
        let s = b.input("s", "K");
        b.op("LayerNormalization", &[a, &s], vec![])
    });
    assert!(stays(normed, OPEN));
    let mut b = Builder::new(17);
    let (x, c) = (b.input("x", "N 6"), b.input("c", "K"));
    let (w, v) = (b.weight("fc1", &[6, 12]), b.weight("fc2", &[12, 4]));
    let a = b.op("Gemm", &[&x, &w, &c], vec![]);
    let y = b.matmul(&a, &v);
    b.output(&y, "N 4");
    assert!(stays(b.model(), OPEN));
    // Twelve matrices, or as many as the caller gives.
    let batch = |size: &str| {
        let mut b = Builder::new(17);
        let (x, other) = (b.input("x", "N 6"), b.input("other", &format!("N {size} 5 5")));
        let w = b.weight("fc1", &[6, 300]);
        let a = b.matmul(&x, &w);
        let a = b.reshape(&a, &[0, 12, 5, 5]);
        let y = b.matmul(&a, &other);
        let v = b.weight("conv", &[4, 12, 1, 1]);
        let y = b.op("Conv", &[&y, &v], vec![]);
        b.output(&y, "N 4 5 5");
        groups(b.model())
    };
    assert!(batch("K").is_empty(), "{:?}", batch("K"));
    assert_eq!(batch("1").len(), 1);
}

/// Units of a layer, repeated along an axis whose length another input tells.
fn repeated(opset: i64) -> ModelProto {
    between(opset, |b, a| {
        let other = b.input("other", "N T");
        let a = b.unsqueeze(a, &[2]);
        let shape = b.op("Shape", &[&other], vec![]);
        let one = b.scalar_int(1);
        let length = b.gather(&shape, &one, 0);
        let length = b.unsqueeze(&length, &[0]);
        let (first, units) = (b.ints(&[1]), b.ints(&[12]));
        let sizes = b.concat(0, &[&first, &units, &length]);
        let a = b.op("Expand", &[a.as_str(), &sizes], vec![]);
        b.transpose(&a, &[0, 2, 1])
    })
}

#[test]
fn expand_to_a_partly_open_shape_follows() {
    let model = load(repeated(17));
    let (plan, small) = shrink(&model, &request(), Job::default()).unwrap();
    assert_eq!(plan.counts(), [6]);
    let mut out = Vec::new();
    onnx_prune::onnx::write_to(&small, &mut out).unwrap();
    let again = Model::from_bytes(out.into()).unwrap();
    let a = rewriting::analyse(&again, &Vec::new(), Sharing::Tied).unwrap();
    assert_eq!(a.groups.iter().map(|g| g.size).collect::<Vec<_>>(), [6]);
}

#[test]
fn what_cannot_follow_is_frozen_and_the_rest_goes() {
    // There is no Where that could choose between numbers and sizes before operator set 9.
    let mut m = repeated(8);
    let g = m.graph.as_mut().unwrap();
    let mut b = Builder::new(8);
    let (w, v) = (b.weight("beside", &[6, 8]), b.weight("beside.out", &[8, 4]));
    let a = b.matmul("x", &w);
    let y = b.matmul(&a, &v);
    b.output(&y, "N 4");
    for n in &mut b.graph.node {
        n.name = Some(format!("beside {}", n.name()));
        n.input.iter_mut().chain(&mut n.output).filter(|t| t.contains(".out") && !t.starts_with("beside")).for_each(
            |t| {
                t.insert_str(0, "beside ");
            },
        );
    }
    let out = format!("beside {}", b.graph.output[0].name());
    b.graph.output[0].name = Some(out);
    g.node.extend(b.graph.node);
    g.initializer.extend(b.graph.initializer);
    g.output.extend(b.graph.output);
    let model = load(m);
    let a = rewriting::analyse(&model, &Vec::new(), Sharing::Tied).unwrap();
    assert_eq!(a.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["beside"]);
    let f = a.frozen.iter().find(|f| f.size == 12).unwrap();
    assert_eq!((f.kind, f.at.starts_with("Expand ")), ("node that cannot follow when it shrinks", true));
    let (plan, _) = shrink(&model, &request(), Job::default()).unwrap();
    assert_eq!(plan.counts(), [4]);
}

#[test]
fn squeeze_without_axes_leaves_what_shrank_to_one() {
    let m = between(17, |b, a| {
        let a = b.unsqueeze(a, &[1]);
        b.op("Squeeze", &[&a], vec![])
    });
    let model = load(m);
    let request = onnx_prune::prune::PruneRequest {
        targets: onnx_prune::planning::targets::Targets::one(&onnx_prune::planning::targets::Ratio, 0.92),
        ..request()
    };
    let (plan, small) = shrink(&model, &request, Job::default()).unwrap();
    assert_eq!(plan.counts(), [1]);
    let graph = small.proto.graph.as_ref().unwrap();
    let squeeze = graph.node.iter().find(|n| n.op_type() == "Squeeze").unwrap();
    let axes = graph.initializer.iter().find(|t| Some(t.name()) == squeeze.input.get(1).map(String::as_str)).unwrap();
    assert_eq!(onnx_prune::onnx::to_i64(axes).unwrap(), [1]);
}

fn call(function: &str, output: &str) -> NodeProto {
    NodeProto { domain: Some("own".into()), ..crate::common::node(function, &["x"], &[output]) }
}

fn function(name: &str, node: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: Some(name.into()),
        domain: Some("own".into()),
        input: vec!["x".into()],
        output: vec!["y".into()],
        node,
        opset_import: vec![OperatorSetIdProto { domain: Some("own".into()), version: Some(1) }],
        ..Default::default()
    }
}

#[test]
fn functions_that_call_themselves_are_an_error() {
    let with = |functions: Vec<FunctionProto>| {
        let mut m = between(17, |b, a| b.relu(a));
        m.graph.as_mut().unwrap().node.push(call("F", "unused"));
        m.functions = functions;
        Model::from_bytes(crate::common::bytes(&m))
    };
    let itself = with(vec![function("F", vec![call("F", "y")])]);
    assert!(matches!(itself, Err(Error::Recursion { function }) if function == "F"));
    let around = with(vec![function("F", vec![call("G", "y")]), function("G", vec![call("F", "y")])]);
    assert!(matches!(around, Err(Error::Recursion { .. })));
}

#[test]
fn functions_that_grow_as_a_power_stay_calls() {
    let mut m = between(17, |b, a| b.relu(a));
    m.graph.as_mut().unwrap().node.push(call("F30", "unused"));
    m.opset_import.push(OperatorSetIdProto { domain: Some("own".into()), version: Some(1) });
    m.functions = (1..=30)
        .map(|k| {
            let below = format!("F{}", k - 1);
            function(&format!("F{k}"), vec![call(&below, "a"), call(&below, "b"), call(&below, "y")])
        })
        .collect();
    m.functions.push(function("F0", vec![crate::common::node("Relu", &["x"], &["y"])]));
    let model = load(m);
    let nodes = model.proto.graph.as_ref().unwrap().node.len();
    assert!(nodes < 1000, "{nodes}");
    assert!(model.warnings.iter().any(|w| w.contains("stay as they are")), "{:?}", model.warnings);
}

/// What is taken away on trial before a plan is made finds nothing in networks as exporters write them.
#[test]
fn no_rule_promises_more_than_it_holds() {
    let check = |name: &str, model: &Model| {
        let (plain, tried) = (
            Analysis::new(model, &Vec::new()).unwrap(),
            rewriting::analyse(model, &Vec::new(), Sharing::Tied).unwrap(),
        );
        let names = |a: &Analysis| a.groups.iter().map(|g| g.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&plain), names(&tried), "{name}");
    };
    for z in crate::zoo::ALL {
        check(z.name, &load((z.build)()));
    }
    let mut exported = 0;
    for file in std::fs::read_dir("fixtures/tiny").unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "onnx") {
            check(&path.to_string_lossy(), &Model::load(&path).unwrap());
            exported += 1;
        }
    }
    assert!(exported > 30, "{exported}");
}

/// Runtimes keep a reduced axis where `keepdims` is 1, and take any other number for 0.
#[test]
fn only_one_keeps_a_reduced_axis() {
    for (keep, rank) in [(1, 3), (0, 2), (-1, 2), (2, 2)] {
        let mut b = Builder::new(13);
        let x = b.input("x", "N 6 5");
        let y = b.op("ReduceMean", &[&x], vec![("axes", A::Is(&[1])), ("keepdims", A::I(keep))]);
        b.output(&y, "");
        b.graph.output[0].r#type = None;
        let model = load(b.model());
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        let shape = a.facts.tensors[a.graph.id(&y).unwrap()].shape.clone().unwrap();
        assert_eq!(shape.len(), rank, "keepdims = {keep}");
    }
}
