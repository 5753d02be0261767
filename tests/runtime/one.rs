//! Both runtimes on a small model built here, and every way in which a library can be missing.
//! The tests of onnxruntime need a library; without one they say so and pass.

use onnx_prune::onnx::proto::*;
use onnx_prune::runtime::latency::{LatencyOptions, measure, measure_pair};
use onnx_prune::runtime::{self, Choice, Dim, Runtime, SessionOptions, Tensor, random_inputs, select};
use onnx_prune::tensor::DType;
use prost::Message;
use std::path::Path;
use std::time::Duration;

const FLOAT: DType = DType::Float;

/// `x [N, 3, 8, 8] → Conv(4, 3×3) → Relu → GlobalAveragePool → Flatten → Gemm → y [N, 5]`, and the tensor after
/// Relu as a second output.
fn model() -> ModelProto {
    let weight = |name: &str, dims: &[i64], seed: u64| {
        let shape: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
        let values = Tensor::random(FLOAT, &shape, seed, 0..1).unwrap();
        let raw: Vec<u8> = values.as_f32().unwrap().iter().flat_map(|x| x.to_le_bytes()).collect();
        TensorProto {
            name: Some(name.into()),
            dims: dims.to_vec(),
            data_type: Some(FLOAT as i32),
            raw_data: Some(raw.into()),
            ..Default::default()
        }
    };
    let node = |op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
        op_type: Some(op.into()),
        name: Some(format!("{op}_{output}")),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
    };
    let ints = |name: &str, values: &[i64]| AttributeProto {
        name: Some(name.into()),
        ints: values.to_vec(),
        r#type: Some(attribute_proto::AttributeType::Ints as i32),
        ..Default::default()
    };
    let transposed = AttributeProto {
        name: Some("transB".into()),
        i: Some(1),
        r#type: Some(attribute_proto::AttributeType::Int as i32),
        ..Default::default()
    };
    let graph = GraphProto {
        name: Some("small".into()),
        node: vec![
            node("Conv", &["x", "w1", "b1"], "c", vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])]),
            node("Relu", &["c"], "r", vec![]),
            node("GlobalAveragePool", &["r"], "p", vec![]),
            node("Flatten", &["p"], "f", vec![]),
            node("Gemm", &["f", "w2", "b2"], "y", vec![transposed]),
        ],
        initializer: vec![
            weight("w1", &[4, 3, 3, 3], 1),
            weight("b1", &[4], 2),
            weight("w2", &[5, 4], 3),
            weight("b2", &[5], 4),
        ],
        input: vec![value("x", &["N", "3", "8", "8"])],
        output: vec![value("y", &["N", "5"]), value("r", &["N", "4", "8", "8"])],
        ..Default::default()
    };
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
        graph: Some(graph),
        ..Default::default()
    }
}

fn value(name: &str, dims: &[&str]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |text: &&str| Dimension {
        value: Some(text.parse().map_or_else(|_| Value::DimParam(text.to_string()), Value::DimValue)),
        ..Default::default()
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(FLOAT as i32), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}

fn inputs(batch: usize) -> Vec<(String, Tensor)> {
    vec![("x".to_owned(), Tensor::random(FLOAT, &[batch, 3, 8, 8], 11, 0..1).unwrap())]
}

fn tract() -> Option<Box<dyn Runtime>> {
    cfg!(feature = "tract").then(|| select(Choice::Tract, None).unwrap().runtime)
}

fn ort() -> Option<Box<dyn Runtime>> {
    match select(Choice::Ort, None) {
        Ok(selected) => Some(selected.runtime),
        Err(e) => {
            println!("SKIPPED: {e}");
            None
        }
    }
}

fn all() -> Vec<Box<dyn Runtime>> {
    tract().into_iter().chain(ort()).collect()
}

fn assert_close(a: &[(String, Tensor)], b: &[(String, Tensor)], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert_eq!(name, other);
        let difference = a.max_abs_diff(b).unwrap();
        assert!(difference <= tolerance, "{name} differs by {difference}");
    }
}

#[test]
fn both_runtimes_agree_at_any_batch() {
    let bytes = model().encode_to_vec();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    for optimize in [true, false] {
        let options = SessionOptions { optimize, threads: Some(1), ..Default::default() };
        let mut answers = Vec::new();
        for runtime in all() {
            let mut from_file = runtime.open(file.path(), &options).unwrap();
            let mut from_bytes = runtime.open_bytes(&bytes, None, &options).unwrap();
            // Back to a batch seen before: a prepared model must not be taken for another shape's.
            let answer: Vec<_> = [1, 3, 1].iter().map(|&n| from_file.run(&inputs(n)).unwrap()).collect();
            assert_eq!(answer[0], answer[2]);
            assert_eq!(answer[1], from_bytes.run(&inputs(3)).unwrap());
            assert_eq!(answer[1].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["y", "r"]);
            assert_eq!(answer[1][0].1.shape(), [3, 5]);
            assert_eq!(answer[1][1].1.shape(), [3, 4, 8, 8]);
            assert!(answer[1][0].1.max_abs() > 0.0 && answer[1][0].1.first_non_finite().is_none());
            answers.push(answer);
        }
        if let [a, b] = &answers[..] {
            a.iter().zip(b).for_each(|(a, b)| assert_close(a, b, 1e-5));
        }
    }
}

#[test]
fn declared_inputs_and_outputs_are_told_alike() {
    let bytes = model().encode_to_vec();
    for runtime in all() {
        let session = runtime.open_bytes(&bytes, None, &SessionOptions::default()).unwrap();
        let [x] = session.inputs() else { panic!("{:?}", session.inputs()) };
        assert_eq!((x.name.as_str(), x.dtype), ("x", FLOAT));
        let dims = [Dim::Symbol("N".into()), Dim::Fixed(3), Dim::Fixed(8), Dim::Fixed(8)];
        assert_eq!(x.dims.as_deref(), Some(&dims[..]));
        assert_eq!(session.outputs().iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["y", "r"]);
        let drawn = random_inputs(session.inputs(), &|_, _, symbol| if symbol == Some("N") { 2 } else { 0 }, 5, 0..9);
        assert_eq!(drawn.unwrap()[0].1.shape(), [2, 3, 8, 8]);
        assert!(!runtime.version().is_empty());
    }
}

#[test]
fn unfit_inputs_are_refused_by_name() {
    let bytes = model().encode_to_vec();
    let tensor = |shape: &[usize]| Tensor::random(FLOAT, shape, 1, 0..1).unwrap();
    let x = |t: Tensor| ("x".to_owned(), t);
    for runtime in all() {
        let mut session = runtime.open_bytes(&bytes, None, &SessionOptions::default()).unwrap();
        let mut why = |inputs: &[(String, Tensor)]| session.run(inputs).unwrap_err().to_string();
        let cases = [
            (why(&[]), "missing"),
            (why(&[x(tensor(&[1, 4, 8, 8]))]), "[N, 3, 8, 8]"),
            (why(&[x(tensor(&[3, 8, 8]))]), "[N, 3, 8, 8]"),
            (why(&[x(Tensor::new([1, 3, 8, 8], vec![0i64; 192]).unwrap())]), "int64"),
            (why(&[x(tensor(&[1, 3, 8, 8])), x(tensor(&[1, 3, 8, 8]))]), "twice"),
            (why(&[x(tensor(&[1, 3, 8, 8])), ("z".to_owned(), tensor(&[1]))]), "not an input"),
        ];
        for (message, part) in cases {
            assert!(message.contains(part) && message.contains(runtime.name()), "{message}");
        }
        assert!(session.run(&inputs(1)).is_ok());
    }
}

#[test]
fn broken_models_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let whole = model().encode_to_vec();
    let mut dangling = model();
    dangling.graph.as_mut().unwrap().output[0].name = Some("nothing".into());
    let mut unresolved = model();
    unresolved.graph.as_mut().unwrap().node[1].input[0] = "nothing".into();
    let mut short = model();
    short.graph.as_mut().unwrap().initializer[0].raw_data = Some(vec![0; 7].into());
    let mut huge = model();
    huge.graph.as_mut().unwrap().initializer[0].dims = vec![i64::MAX, i64::MAX];
    let mut negative = model();
    negative.graph.as_mut().unwrap().initializer[0].dims = vec![-4, 27];
    let mut unknown = model();
    unknown.graph.as_mut().unwrap().node[1].op_type = Some("NoSuchOperator".into());
    let mut foreign = model();
    foreign.graph.as_mut().unwrap().node[1].domain = Some("com.acme".into());
    let mut cases: Vec<(&str, Vec<u8>)> =
        vec![("text", b"this is no model".to_vec()), ("empty", Vec::new()), ("cut", whole[..whole.len() / 2].to_vec())];
    let models = [dangling, unresolved, short, huge, negative, unknown, foreign];
    let names = ["dangling", "unresolved", "short", "huge", "negative", "unknown", "foreign"];
    cases.extend(names.into_iter().zip(models.iter().map(Message::encode_to_vec)));
    for runtime in all() {
        for (name, bytes) in &cases {
            let path = folder.path().join(format!("{name}.onnx"));
            std::fs::write(&path, bytes).unwrap();
            let Err(error) = runtime.open(&path, &SessionOptions::default()) else {
                panic!("{} opened {name}", runtime.name());
            };
            let message = error.to_string();
            assert!(message.contains(runtime.name()) && message.contains(name), "{message}");
            assert!(runtime.open_bytes(bytes, None, &SessionOptions::default()).is_err(), "{name}");
        }
        for path in [folder.path(), Path::new("no/such/model.onnx"), Path::new("nul\0byte.onnx")] {
            assert!(runtime.open(path, &SessionOptions::default()).is_err(), "{path:?}");
        }
    }
}

#[test]
fn external_data_beside_the_model_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = model();
    let whole = model.encode_to_vec();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    std::fs::write(folder.path().join("weights.bin"), tensor.raw_data.take().unwrap()).unwrap();

    tensor.data_location = Some(tensor_proto::DataLocation::External as i32);
    tensor.external_data =
        vec![StringStringEntryProto { key: Some("location".into()), value: Some("weights.bin".into()) }];
    let bytes = model.encode_to_vec();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, &bytes).unwrap();
    let options = SessionOptions::default();
    for runtime in all() {
        let expected = runtime.open_bytes(&whole, None, &options).unwrap().run(&inputs(2)).unwrap();
        assert_eq!(runtime.open(&path, &options).unwrap().run(&inputs(2)).unwrap(), expected);
        let mut in_memory = runtime.open_bytes(&bytes, Some(folder.path()), &options).unwrap();
        assert_eq!(in_memory.run(&inputs(2)).unwrap(), expected);
        assert!(runtime.open_bytes(&bytes, None, &options).is_err());
    }
}

#[test]
fn two_sessions_run_at_once() {
    let bytes = model().encode_to_vec();
    for runtime in all() {
        let open = || runtime.open_bytes(&bytes, None, &SessionOptions::default()).unwrap();
        let (mut one, mut two) = (open(), open());
        let expected = open().run(&inputs(4)).unwrap();
        std::thread::scope(|scope| {
            for session in [&mut one, &mut two] {
                let expected = &expected;
                scope.spawn(move || {
                    (0..20).for_each(|_| assert_close(&session.run(&inputs(4)).unwrap(), expected, 1e-5))
                });
            }
        });
    }
}

#[test]
fn latency_is_measured_in_turn() {
    let bytes = model().encode_to_vec();
    let options = LatencyOptions { warmup: 2, runs: 20, budget: Duration::from_secs(5), ..LatencyOptions::default() };
    for runtime in all() {
        let open = || runtime.open_bytes(&bytes, None, &SessionOptions::default()).unwrap();
        let (mut a, mut b) = (open(), open());
        let alone = measure(a.as_mut(), &inputs(1), &options).unwrap();
        assert_eq!(alone.runs.len(), 20);
        assert!(alone.min > 0.0 && alone.min <= alone.median && alone.median <= alone.max);
        let pair = measure_pair((a.as_mut(), &inputs(1)), (b.as_mut(), &inputs(1)), &options).unwrap();
        assert_eq!((pair.a.runs.len(), pair.b.runs.len()), (20, 20));
        assert!(pair.ratio_range.0 <= pair.ratio && pair.ratio <= pair.ratio_range.1);
        let none = LatencyOptions { budget: Duration::ZERO, ..options };
        assert_eq!(measure(a.as_mut(), &inputs(1), &none).unwrap().runs.len(), runtime::latency::LEAST_RUNS);
    }
}

/// Integer input, integer and floating outputs, shape arithmetic, and a `ConstantOfShape` that leaves its value to the
/// standard: `ids [N, T] → Gather(table [10, 4]) + ConstantOfShape(Shape(·)) → y`, `Shape(ids) → s`.
#[test]
fn integers_and_default_fill_values_agree() {
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: Some(op.into()),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let table = TensorProto {
        name: Some("table".into()),
        dims: vec![10, 4],
        data_type: Some(FLOAT as i32),
        float_data: (0..40).map(|i| i as f32 / 8.0).collect(),
        ..Default::default()
    };
    let int64 = |mut value: ValueInfoProto| {
        let Some(type_proto::Value::TensorType(tensor)) = value.r#type.as_mut().and_then(|t| t.value.as_mut()) else {
            panic!("no tensor");
        };
        tensor.elem_type = Some(tensor_proto::DataType::Int64 as i32);
        value
    };
    let graph = GraphProto {
        name: Some("embedding".into()),
        node: vec![
            node("Gather", &["table", "ids"], "e"),
            node("Shape", &["e"], "es"),
            node("ConstantOfShape", &["es"], "zeros"),
            node("Add", &["e", "zeros"], "y"),
            node("Shape", &["ids"], "s"),
        ],
        initializer: vec![table],
        input: vec![int64(value("ids", &["N", "T"]))],
        output: vec![value("y", &["N", "T", "4"]), int64(value("s", &["2"]))],
        ..Default::default()
    };
    let bytes = ModelProto { graph: Some(graph), ..model() }.encode_to_vec();
    for runtime in all() {
        let mut session = runtime.open_bytes(&bytes, None, &SessionOptions::default()).unwrap();
        let outputs = session.run(&[("ids".to_owned(), Tensor::new([1, 2], vec![9i64, 1]).unwrap())]).unwrap();
        let y: Vec<f32> = [36, 37, 38, 39, 4, 5, 6, 7].iter().map(|&i| i as f32 / 8.0).collect();
        assert_eq!(outputs[0].1, Tensor::new([1, 2, 4], y).unwrap(), "{}", runtime.name());
        assert_eq!(outputs[1].1, Tensor::new([2], vec![1i64, 2]).unwrap(), "{}", runtime.name());
    }
}
