//! What is computed of constants is what a runtime computes, for every operator that is known.

use crate::common;
use std::sync::LazyLock;

use crate::common::builder::{A, Builder};
use onnx_prune::analysis::Analysis;
use onnx_prune::onnx::{self, Model};
use onnx_prune::runtime::{self, Choice, Data, Selected, SessionOptions, Tensor};

static RUNTIME: LazyLock<Selected> = LazyLock::new(|| runtime::select(Choice::Auto, None).unwrap());

type Step = fn(&mut Builder, &str, &str) -> String;

fn reduce(b: &mut Builder, op: &str, x: &str, axes: &[i64]) -> String {
    let x = b.op("Abs", &[x], vec![]);
    b.op(op, &[&x], vec![("axes", A::Is(axes)), ("keepdims", A::I(1))])
}

fn unary(b: &mut Builder, op: &str, x: &str) -> String {
    b.op(op, &[x], vec![])
}

/// What is made of a weight of 4 by 6 and another one.
const STEPS: &[(&str, Step)] = &[
    ("Abs", |b, v, _| unary(b, "Abs", v)),
    ("Add", |b, v, w| b.add(v, w)),
    ("BatchNormalization", |b, v, _| {
        let [s, t, m] = ["s", "t", "m"].map(|n| b.weight(n, &[6]));
        let d = b.filled("d", &[6], &[0.5, 1.0, 1.5, 0.7, 0.9, 1.1]);
        b.op("BatchNormalization", &[v, &s, &t, &m, &d], vec![])
    }),
    ("BatchNormalization in training", |b, v, _| {
        let [s, t, m, d] = ["s", "t", "m", "d"].map(|n| b.weight(n, &[6]));
        b.ops("BatchNormalization", &[v, &s, &t, &m, &d], vec![("training_mode", A::I(1))], 3).remove(0)
    }),
    ("Cast", |b, v, w| {
        let half = b.op("Cast", &[v], vec![("to", A::I(10))]);
        let whole = b.op("Cast", &[&half], vec![("to", A::I(1))]);
        b.add(&whole, w)
    }),
    ("Ceil", |b, v, w| {
        let x = unary(b, "Ceil", v);
        b.add(&x, w)
    }),
    ("Clip", |b, v, _| {
        let (low, high) = (b.scalar(-0.2), b.scalar(0.3));
        b.op("Clip", &[v, &low, &high], vec![])
    }),
    ("Concat", |b, v, w| {
        let all = b.concat(1, &[v, w]);
        b.mul(&all, &all)
    }),
    ("Cos", |b, v, _| unary(b, "Cos", v)),
    ("Div", |b, v, w| b.op("Div", &[v, w], vec![])),
    ("Exp", |b, v, _| unary(b, "Exp", v)),
    ("Expand", |b, v, w| {
        let column = b.slice(v, 1, 2, 3);
        let shape = b.ints(&[4, 6]);
        let all = b.op("Expand", &[&column, &shape], vec![]);
        b.mul(&all, w)
    }),
    ("Flatten", |b, v, w| {
        let x = b.reshape(v, &[4, 2, 3]);
        let x = b.op("Flatten", &[&x], vec![("axis", A::I(1))]);
        b.mul(&x, w)
    }),
    ("Floor", |b, v, w| {
        let x = unary(b, "Floor", v);
        b.add(&x, w)
    }),
    ("Gather", |b, v, w| {
        let at = b.ints(&[2, -1, 0, 0]);
        let x = b.gather(v, &at, 0);
        b.mul(&x, w)
    }),
    ("Gemm", |b, v, w| {
        let bias = b.weight("bias", &[4]);
        let square = vec![("transB", A::I(1)), ("alpha", A::F(0.7)), ("beta", A::F(1.3))];
        b.op("Gemm", &[v, w, &bias], square)
    }),
    ("InstanceNormalization", |b, v, _| {
        let x = b.reshape(v, &[1, 4, 6]);
        let (s, t) = (b.weight("s", &[4]), b.weight("t", &[4]));
        let x = b.op("InstanceNormalization", &[&x, &s, &t], vec![]);
        b.reshape(&x, &[4, 6])
    }),
    ("LayerNormalization", |b, v, _| b.layernorm("norm", v, 6)),
    ("LeakyRelu", |b, v, _| b.op("LeakyRelu", &[v], vec![("alpha", A::F(0.3))])),
    ("Log", |b, v, _| {
        let x = unary(b, "Abs", v);
        unary(b, "Log", &x)
    }),
    ("LpNormalization", |b, v, _| b.op("LpNormalization", &[v], vec![("axis", A::I(0)), ("p", A::I(1))])),
    ("MatMul", |b, v, w| {
        let t = b.transpose(w, &[1, 0]);
        b.matmul(v, &t)
    }),
    ("MatMul of vectors", |b, v, w| {
        let (u, t) = (b.weight("u", &[4]), b.weight("t", &[6]));
        let x = b.matmul(v, &t);
        let sigma = b.matmul(&u, &x);
        b.op("Div", &[w, &sigma], vec![])
    }),
    ("MatMul of batches", |b, v, w| {
        let (x, y) = (b.reshape(v, &[2, 1, 2, 6]), b.reshape(w, &[2, 6, 2]));
        let x = b.matmul(&x, &y);
        b.reshape(&x, &[4, 4])
    }),
    ("Max", |b, v, w| b.op("Max", &[v, w], vec![])),
    ("Mean", |b, v, w| b.op("Mean", &[v, w, v], vec![])),
    ("Min", |b, v, w| b.op("Min", &[v, w], vec![])),
    ("Mul", |b, v, w| b.mul(v, w)),
    ("Neg", |b, v, _| unary(b, "Neg", v)),
    ("PRelu", |b, v, w| b.op("PRelu", &[v, w], vec![])),
    ("Pow", |b, v, _| {
        let two = b.scalar(2.0);
        b.op("Pow", &[v, &two], vec![])
    }),
    ("Reciprocal", |b, v, _| unary(b, "Reciprocal", v)),
    ("ReduceL1", |b, v, w| {
        let n = reduce(b, "ReduceL1", v, &[1]);
        b.op("Div", &[w, &n], vec![])
    }),
    ("ReduceL2", |b, v, w| {
        let n = reduce(b, "ReduceL2", v, &[0]);
        b.op("Div", &[w, &n], vec![])
    }),
    ("ReduceLogSum", |b, v, w| {
        let n = reduce(b, "ReduceLogSum", v, &[0, 1]);
        b.op("Div", &[w, &n], vec![])
    }),
    ("ReduceMax", |b, v, w| {
        let n = reduce(b, "ReduceMax", v, &[-1]);
        b.op("Sub", &[w, &n], vec![])
    }),
    ("ReduceMean", |b, v, w| {
        let n = reduce(b, "ReduceMean", v, &[-2]);
        b.op("Sub", &[w, &n], vec![])
    }),
    ("ReduceMin", |b, v, w| {
        let n = reduce(b, "ReduceMin", v, &[0]);
        b.op("Sub", &[w, &n], vec![])
    }),
    ("ReduceProd", |b, v, w| {
        let n = reduce(b, "ReduceProd", v, &[0]);
        b.op("Sub", &[w, &n], vec![])
    }),
    ("ReduceSum", |b, v, w| {
        let axes = b.ints(&[1]);
        let n = b.op("ReduceSum", &[v, &axes], vec![("keepdims", A::I(0))]);
        let n = b.unsqueeze(&n, &[1]);
        b.op("Sub", &[w, &n], vec![])
    }),
    ("ReduceSumSquare", |b, v, w| {
        let n = reduce(b, "ReduceSumSquare", v, &[0]);
        b.op("Div", &[w, &n], vec![])
    }),
    ("Relu", |b, v, _| unary(b, "Relu", v)),
    ("Round", |b, v, w| {
        let x = unary(b, "Round", v);
        b.add(&x, w)
    }),
    ("Sigmoid", |b, v, _| b.sigmoid(v)),
    ("Sign", |b, v, w| {
        let x = unary(b, "Sign", v);
        b.mul(&x, w)
    }),
    ("Sin", |b, v, _| unary(b, "Sin", v)),
    ("Slice", |b, v, w| {
        let x = b.slices(v, &[1, 0], &[1, -3], &[i64::MAX, -1], &[2, 1]);
        let y = b.slice(w, 0, 0, 2);
        let y = b.slice(&y, 1, 0, 3);
        b.mul(&x, &y)
    }),
    ("Softmax", |b, v, _| b.softmax(v, 1)),
    ("Softplus", |b, v, _| unary(b, "Softplus", v)),
    ("Split", |b, v, w| {
        let parts = b.split(v, 1, &[2, 4]);
        let part = b.slice(w, 1, 0, 4);
        b.mul(&parts[1], &part)
    }),
    ("Sqrt", |b, v, _| {
        let x = unary(b, "Abs", v);
        unary(b, "Sqrt", &x)
    }),
    ("Squeeze", |b, v, w| {
        let x = b.reshape(v, &[4, 1, 6]);
        let x = b.squeeze(&x, &[1]);
        b.mul(&x, w)
    }),
    ("Sub", |b, v, w| b.op("Sub", &[v, w], vec![])),
    ("Sum", |b, v, w| b.op("Sum", &[v, w, v], vec![])),
    ("Tanh", |b, v, _| unary(b, "Tanh", v)),
    ("Transpose", |b, v, w| {
        let (x, y) = (b.reshape(v, &[2, 3, 4]), b.reshape(w, &[2, 4, 3]));
        let x = b.transpose(&x, &[0, 2, 1]);
        let x = b.mul(&x, &y);
        b.reshape(&x, &[4, 6])
    }),
];

#[test]
fn every_operator_gives_what_a_runtime_gives() {
    let mut compared = 0;
    for (name, step) in STEPS {
        let mut b = Builder::new(17);
        let x = b.input("x", "1");
        let (v, w) = (b.weight("v", &[4, 6]), b.weight("w", &[4, 6]));
        let weight = step(&mut b, &v, &w);
        let factor = b.scalar(0.7);
        let weight = b.mul(&weight, &factor);
        let y = b.mul(&x, &weight);
        b.graph.output.push(onnx::untyped(&y));
        let m = b.model();
        let model = Model::from_bytes(common::bytes(&m)).unwrap();
        let a = Analysis::new(&model, &Vec::new()).unwrap();
        let Some(id) = a.graph.folded.keys().next().copied() else { panic!("{name} is not folded") };
        let folded = onnx::to_f32(a.graph.tensor(id).unwrap()).unwrap();
        let mut shown = m.clone();
        let g = shown.graph.as_mut().unwrap();
        g.output = vec![onnx::untyped(a.graph.name(id))];
        let Ok(mut session) = RUNTIME.runtime.open_bytes(&common::bytes(&shown), None, &SessionOptions::default())
        else {
            assert_ne!(RUNTIME.runtime.name(), "onnxruntime", "{name}");
            continue;
        };
        let given = vec![("x".to_owned(), Tensor::random(onnx_prune::tensor::DType::Float, &[1], 0, 0..1).unwrap())];
        let Ok(out) = session.run(&given) else {
            assert_ne!(RUNTIME.runtime.name(), "onnxruntime", "{name}");
            continue;
        };
        let expected = &out[0].1;
        let shape: Vec<usize> = a.facts.tensors[id].known_shape().unwrap();
        assert_eq!(expected.shape(), &shape[..], "{name}");
        let ours = Tensor::new(shape, Data::F32(folded.into_owned())).unwrap();
        let far = expected.max_abs_diff(&ours).unwrap() / expected.max_abs().max(1e-12);
        assert!(far < 1e-5, "{name}: {far:e}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}
