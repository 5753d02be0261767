//! Both runtimes give the same on every network that is there, and what data needs of them works with both.

use crate::common;
use crate::zoo;
use onnx_prune::analysis::Analysis;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::onnx::{Model, add_outputs, untyped};
use onnx_prune::rewriting::concrete_inputs;
use onnx_prune::runtime::{Choice, Device, Error, Runtime, SessionOptions, Tensor, fixed_batch, run_samples, select};
use prost::Message;

fn options() -> SessionOptions {
    SessionOptions { threads: Some(1), ..Default::default() }
}

/// tract, and onnxruntime where one is found.
fn runtimes() -> Vec<Box<dyn Runtime>> {
    let mut all: Vec<Box<dyn Runtime>> = Vec::new();
    for choice in [Choice::Tract, Choice::Auto] {
        let runtime = select(choice, None).unwrap().runtime;
        if all.iter().all(|other| other.name() != runtime.name()) {
            all.push(runtime);
        }
    }
    all
}

fn fashion() -> ModelProto {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/fashion_resnet.onnx");
    ModelProto::decode(bytes::Bytes::from(std::fs::read(path).unwrap())).unwrap()
}

fn networks() -> Vec<(&'static str, ModelProto)> {
    let zoo = zoo::ALL.iter().map(|animal| (animal.name, (animal.build)()));
    zoo.chain([("fashion_resnet", fashion())]).collect()
}

fn inputs(proto: &ModelProto) -> Vec<(String, Tensor)> {
    let model = Model::from_bytes(proto.encode_to_vec().into()).unwrap();
    concrete_inputs(&Analysis::new(&model, &Vec::new()).unwrap(), 3).unwrap()
}

#[track_caller]
fn assert_close(name: &str, a: &[(String, Tensor)], b: &[(String, Tensor)]) {
    assert_eq!(a.len(), b.len(), "{name}");
    for ((output, a), (other, b)) in a.iter().zip(b) {
        assert_eq!((output, a.shape(), a.dtype()), (other, b.shape(), b.dtype()), "{name}");
        let (difference, size) = (a.max_abs_diff(b).unwrap(), a.max_abs());
        assert!(difference <= 1e-4 * size.max(1.0), "{name}: {output} differs by {difference} of {size}");
    }
}

/// tract 0.23 alone sums such an axis as if it had one element.
#[test]
fn sums_over_broadcast_axes_are_whole() {
    use common::builder::*;
    for runtime in runtimes() {
        for (how, by) in [("Tile", [1, 1, 6]), ("Expand", [2, 3, 6])] {
            let mut b = Builder::new(17);
            b.input("x", "2 3 1");
            let (by, w) = (b.ints(&by), b.filled("w", &[6, 4], &[1.0; 24]));
            let wide = b.op(how, &["x", &by], vec![]);
            let y = b.matmul(&wide, &w);
            b.output(&y, "2 3 4");
            let mut session = runtime.open_bytes(&common::bytes(&b.model()), None, &options()).unwrap();
            let x = Tensor::new(vec![2, 3, 1], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
            let y = session.run(&[("x".into(), x.clone())]).unwrap().remove(0).1;
            let sums: Vec<f64> = x.to_f64_vec().iter().flat_map(|v| [6.0 * v; 4]).collect();
            assert_eq!(y.to_f64_vec(), sums, "{how} with {}", runtime.name());
        }
    }
}

#[test]
fn runtimes_agree_on_every_network() {
    let runtimes = runtimes();
    let [a, b] = &runtimes[..] else { return println!("SKIPPED: one runtime only") };
    let mut compared = 0;
    for (name, proto) in networks() {
        let (bytes, inputs) = (proto.encode_to_vec(), inputs(&proto));
        // tract does not cover everything; then it says so.
        let Ok(mut own) = a.open_bytes(&bytes, None, &options()) else { continue };
        let Ok(answer) = own.run(&inputs) else { continue };
        let mut other = b.open_bytes(&bytes, None, &options()).unwrap();
        assert_close(name, &answer, &other.run(&inputs).unwrap());
        compared += 1;
    }
    // Fused operators and the newest ones are not tract's; the rest of the zoo is.
    assert!(4 * compared >= 3 * networks().len(), "only {compared} of {}", networks().len());
}

#[test]
fn intermediate_tensors_come_out_as_extra_outputs() {
    let mut proto = fashion();
    let tensors: Vec<String> = proto.graph.as_ref().unwrap().node.iter().map(|n| n.output[0].clone()).collect();
    let inputs = inputs(&proto);
    let plain = proto.encode_to_vec();
    add_outputs(proto.graph.as_mut().unwrap(), tensors.iter().map(|t| untyped(t))).unwrap();
    let bytes = proto.encode_to_vec();
    let mut answers = Vec::new();
    for runtime in runtimes() {
        let logits = runtime.open_bytes(&plain, None, &options()).unwrap().run(&inputs).unwrap();
        let all = runtime.open_bytes(&bytes, None, &options()).unwrap().run(&inputs).unwrap();
        assert_eq!(all.len(), tensors.len());
        // What was an output stays the first.
        assert_close(runtime.name(), &all[..1], &logits);
        answers.push(all);
    }
    if let [a, b] = &answers[..] {
        assert_close("intermediate", a, b);
    }
}

#[test]
fn a_fixed_batch_is_filled_and_cut() {
    let mut proto = fashion();
    let many = Tensor::random(onnx_prune::tensor::DType::Float, &[7, 1, 28, 28], 5, 0..1).unwrap();
    let given = [("image".to_owned(), many)];
    let open = proto.encode_to_vec();
    use onnx_prune::onnx::proto::{tensor_shape_proto::dimension::Value as Size, type_proto::Value};
    let graph = proto.graph.as_mut().unwrap();
    for value in graph.input.iter_mut().chain(&mut graph.output) {
        let Some(Value::TensorType(tensor)) = value.r#type.as_mut().and_then(|t| t.value.as_mut()) else { panic!() };
        tensor.shape.as_mut().unwrap().dim[0].value = Some(Size::DimValue(3));
    }
    let fixed = proto.encode_to_vec();
    for runtime in runtimes() {
        let mut free = runtime.open_bytes(&open, None, &options()).unwrap();
        let mut threes = runtime.open_bytes(&fixed, None, &options()).unwrap();
        assert_eq!((fixed_batch(free.inputs()), fixed_batch(threes.inputs())), (None, Some(3)));
        assert!(threes.run(&given).is_err());
        assert_close(runtime.name(), &run_samples(&mut *threes, &given).unwrap(), &free.run(&given).unwrap());
        assert_eq!(run_samples(&mut *free, &given).unwrap(), free.run(&given).unwrap());
    }
}

/// `y = x + x` and `n = number of elements above zero`, whose shape no declaration tells.
fn doubling() -> Vec<u8> {
    use onnx_prune::onnx::{DType, value_info};
    let mut graph = onnx_prune::onnx::proto::GraphProto { name: Some("doubling".into()), ..Default::default() };
    graph.node = vec![common::node("Add", &["x", "x"], &["y"]), common::node("NonZero", &["x"], &["where"])];
    graph.input = vec![value_info("x", DType::Float, &[None, Some(2)])];
    graph.output =
        vec![value_info("y", DType::Float, &[None, Some(2)]), value_info("where", DType::Int64, &[Some(2), None])];
    common::model(graph).encode_to_vec()
}

#[test]
fn bound_values_stay_until_they_are_replaced() {
    let tensor = |values: &[f32]| Tensor::new([values.len() / 2, 2], values.to_vec()).unwrap();
    for runtime in runtimes() {
        let session = runtime.open_bytes(&doubling(), None, &options()).unwrap();
        let mut bound = session.bind().unwrap();
        assert!(bound.run().is_err() && bound.get("y").is_err() && bound.feed("y", "x").is_err());
        assert!(bound.set("z", &tensor(&[0.0, 0.0])).unwrap_err().to_string().contains('z'));
        assert!(bound.set("x", &Tensor::new([2], vec![0f32; 2]).unwrap()).is_err());
        bound.set("x", &tensor(&[1.0, 2.0])).unwrap();
        // The input stays.
        for _ in 0..2 {
            bound.run().unwrap();
            assert_eq!(bound.get("y").unwrap(), tensor(&[2.0, 4.0]), "{}", runtime.name());
        }
        // An output becomes the input, again and again.
        for power in 1..5 {
            bound.feed("y", "x").unwrap();
            bound.run().unwrap();
            let factor = f32::from(1u8 << power);
            assert_eq!(bound.get("y").unwrap(), tensor(&[2.0 * factor, 4.0 * factor]), "{}", runtime.name());
        }
        // Another shape, and outputs whose shape follows from nothing.
        bound.set("x", &tensor(&[0.0, 1.0, 0.0, 3.0])).unwrap();
        bound.run().unwrap();
        assert_eq!(bound.get("y").unwrap(), tensor(&[0.0, 2.0, 0.0, 6.0]));
        assert_eq!(bound.get("where").unwrap().shape(), [2, 2]);
        bound.set("x", &tensor(&[5.0, 1.0, 0.0, 3.0])).unwrap();
        bound.run().unwrap();
        assert_eq!(bound.get("where").unwrap().shape(), [2, 3]);
        assert!(bound.get("nothing").unwrap_err().to_string().contains("nothing"));
        assert!(bound.feed("where", "x").is_err());
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error_with_the_library_looked_for() {
    let bytes = fashion().encode_to_vec();
    for runtime in runtimes() {
        for device in [Device::Cuda(0), Device::TensorRt(1), Device::OpenVino, Device::MiGraphX(0), Device::CoreMl] {
            let options = SessionOptions { device, ..options() };
            // A machine may have it.
            let Err(error) = runtime.open_bytes(&bytes, None, &options) else { continue };
            let message = error.to_string();
            assert!(matches!(error, Error::Device { .. }), "{message}");
            assert!(message.contains(device.name()), "{message}");
            match runtime.library() {
                Some(_) if device == Device::Cuda(0) => {
                    assert!(message.contains("onnxruntime_providers_cuda"), "{message}");
                }
                Some(library) => assert!(message.contains(&*library.parent().unwrap().to_string_lossy()), "{message}"),
                None => assert!(message.contains("onnxruntime"), "{message}"),
            }
        }
    }
}
