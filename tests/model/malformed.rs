//! Broken files give errors that name what is wrong, never a panic.

use crate::common;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::*;
use bytes::Bytes;
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType, Error, Model};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn load(model: &ModelProto) -> onnx::Result<Model> {
    Model::from_bytes(bytes(model))
}

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

/// Everything a caller would do with a model of unknown origin.
fn use_it(model: &Model) {
    let graph = model.graph().unwrap();
    let _ = onnx::GraphIndex::new(graph);
    let _ = onnx::debug_info(&model.proto);
    for t in &graph.initializer {
        let _ = (onnx::to_f32(t), onnx::to_i64(t), onnx::to_f64_any(t), onnx::has_non_finite(t));
        let keep: Vec<Option<&[usize]>> = vec![Some(&[0]); t.dims.len()];
        let _ = (onnx::take(t, &keep), onnx::zero(t, &keep));
    }
    onnx::write_to(model, &mut std::io::sink()).unwrap();
}

#[test]
fn no_prefix_of_a_model_panics() {
    let whole = bytes(&sample());
    for end in (0..whole.len()).filter(|e| e % 7 == 0 || *e < 400 || whole.len() - e < 400) {
        if let Ok(model) = Model::from_bytes(whole.slice(..end)) {
            use_it(&model);
        }
    }
}

#[test]
fn thousands_of_mutations_neither_panic_nor_hang() {
    let whole = bytes(&sample());
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let started = Instant::now();
    let mut loaded = 0;
    // The messages are denser in meaning than the weights: most mutations go there.
    let meaning: Vec<usize> = (0..whole.len()).filter(|&i| i < 700 || i % 16 == 0).collect();
    for round in 0..6000 {
        let mut bytes = whole.to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = meaning[rng.random_range(0..meaning.len())];
            match round % 4 {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => bytes[at] = rng.random(),
                2 => bytes[at] = 0xff,
                _ => drop(bytes.drain(at..(at + rng.random_range(1..9)).min(bytes.len()))),
            }
            if bytes.len() < whole.len() {
                break;
            }
        }
        if let Ok(model) = Model::from_bytes(bytes.into()) {
            use_it(&model);
            loaded += 1;
        }
    }
    assert!(loaded > 100, "the mutations are too harsh to test what follows decoding: {loaded}");
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[test]
fn things_that_are_no_model_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    };
    let why = |path: &Path| match Model::load(path) {
        Err(Error::NotAModel { why, path: p }) if p == path => why,
        other => panic!("{other:?}"),
    };
    assert!(why(&write("empty", b"")).contains("empty"));
    assert!(why(&write("text", b"hello, this is no model\n")).contains("text"));
    assert!(why(&write("lfs", b"version https://git-lfs.github.com/spec/v1\noid 1\n")).contains("git lfs pull"));
    assert!(why(&write("zip", b"PK\x03\x04aaaaaaaaaaaaaaaa")).contains("zip"));
    assert!(why(&write("page", b"<!DOCTYPE html><html></html>")).contains("HTML"));
    assert!(why(folder.path()).contains("folder"));
    assert!(why(&write("nograph", &bytes(&ModelProto { graph: None, ..sample() }))).contains("no graph"));
    assert!(matches!(Model::load(folder.path().join("absent")), Err(Error::Io { .. })));
    let whole = bytes(&sample());
    let cut = write("cut", &whole[..whole.len() / 2]);
    assert!(matches!(Model::load(&cut), Err(Error::Truncated { .. })), "{:?}", Model::load(&cut));
}

#[test]
fn huge_lengths_fail_without_allocation() {
    // Field 7 (graph), length 2^31 - 1; then within a graph, an initializer that claims as much.
    for bytes in [
        &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00][..],
        &[0x08, 0x0a, 0x3a, 0x0a, 0x2a, 0x08, 0x22, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00, 0x00],
        &[0x08, 0x0a, 0x3a, 0x0a, 0x2a, 0x08, 0x4a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00, 0x00],
        &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ] {
        assert!(Model::from_bytes(Bytes::copy_from_slice(bytes)).is_err());
    }
}

#[test]
fn tensors_that_contradict_themselves() {
    let with = |change: &dyn Fn(&mut TensorProto)| {
        let mut m = sample();
        change(&mut graph(&mut m).initializer[0]);
        match load(&m) {
            Err(Error::Tensor { name, why }) => format!("{name}: {why}"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    assert!(with(&|t| t.dims = vec![1 << 40]).contains("w1: holds 16384 bytes"));
    assert!(with(&|t| (t.dims, t.raw_data) = (vec![1 << 40], None)).contains("holds 0 entries"));
    assert!(with(&|t| t.dims = vec![i64::MAX, i64::MAX]).contains("overflow"));
    assert!(with(&|t| t.dims = vec![0, i64::MAX, i64::MAX]).contains("overflow"));
    assert!(with(&|t| t.dims = vec![1 << 62]).contains("overflow"));
    assert!(with(&|t| t.dims[0] = -1).contains("out of range"));
    assert!(with(&|t| t.data_type = Some(99)).contains("99"));
    assert!(with(&|t| t.data_type = None).contains("not known"));
    assert!(with(&|t| t.dims = vec![64, 63]).contains("need 16128"));
}

#[test]
fn deep_nesting_is_refused() {
    // Graph, node, attribute, graph and so on, from the inside out.
    let mut bytes: Vec<u8> = Vec::new();
    for tag in std::iter::repeat_n([0x32u8, 0x2a, 0x0a], 2000).flatten().chain([0x3a]) {
        let mut next = vec![tag];
        prost::encoding::encode_varint(bytes.len() as u64, &mut next);
        next.extend_from_slice(&bytes);
        bytes = next;
    }
    assert!(matches!(Model::from_bytes(bytes.into()), Err(Error::NotAModel { .. })));
}

#[test]
fn versions_that_are_not_understood() {
    let version = |ir, opset| {
        let mut m = sample();
        m.ir_version = Some(ir);
        m.opset_import[0].version = Some(opset);
        load(&m)
    };
    assert!(matches!(version(2, 20), Err(Error::UnsupportedVersion { what: "IR version", found: 2, .. })));
    assert!(matches!(version(10, 6), Err(Error::UnsupportedVersion { what: "opset", found: 6, .. })));
    assert!(version(3, 7).unwrap().warnings.is_empty());
    assert!(version(onnx::NEWEST_IR, onnx::NEWEST_OPSET).unwrap().warnings.is_empty());
    assert!(version(onnx::NEWEST_IR + 1, 20).unwrap().warnings[0].contains("IR version 15"));
    assert!(version(10, onnx::NEWEST_OPSET + 1).unwrap().warnings[0].contains("opset 29"));
    let mut m = sample();
    m.opset_import.clear();
    assert!(load(&m).unwrap().warnings[0].contains("not imported"));
    m.opset_import = vec![OperatorSetIdProto { domain: Some("ai.onnx".into()), version: Some(17) }];
    assert_eq!(onnx::opset(&load(&m).unwrap().proto, ""), 17);
}

#[test]
fn order_cycles_and_names() {
    let mut reversed = sample();
    graph(&mut reversed).node.reverse();
    let model = load(&reversed).unwrap();
    assert!(model.warnings[0].contains("out of order"), "{:?}", model.warnings);
    assert_eq!(model.graph().unwrap().node.last().unwrap().op_type(), "If");

    let mut cyclic = sample();
    graph(&mut cyclic).node[0].input[0] = "r".into();
    let Err(Error::Cycle { node }) = load(&cyclic) else { panic!() };
    assert!(node.contains("→ a") || node.contains("→ r"), "{node}");

    let mut through_subgraph = sample();
    graph(&mut through_subgraph).node[0].input[0] = "y".into();
    assert!(matches!(load(&through_subgraph), Err(Error::Cycle { .. })));

    let mut twice = sample();
    graph(&mut twice).node[2].output[0] = "a".into();
    assert!(matches!(load(&twice), Err(Error::DuplicateName { tensor, .. }) if tensor == "a"));

    let mut over_weight = sample();
    graph(&mut over_weight).node[2].output[0] = "w1".into();
    assert!(matches!(load(&over_weight), Err(Error::DuplicateName { tensor, .. }) if tensor == "w1"));

    let mut in_function = sample();
    in_function.functions.push(FunctionProto {
        name: Some("f".into()),
        domain: Some("local".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: vec![common::node("Add", &["a", "nowhere"], &["b"])],
        ..Default::default()
    });
    assert!(matches!(load(&in_function), Err(Error::UndefinedTensor { tensor, .. }) if tensor == "nowhere"));
    let mut undefined = sample();
    graph(&mut undefined).node[2].input[0] = "nowhere".into();
    let Err(Error::UndefinedTensor { node, tensor }) = load(&undefined) else { panic!() };
    assert_eq!((node.as_str(), tensor.as_str()), ("Reshape #2 → r", "nowhere"));

    let mut in_subgraph = sample();
    graph(&mut in_subgraph).node[4].attribute[0].g.as_mut().unwrap().node[0].input[0] = "nowhere".into();
    assert!(matches!(load(&in_subgraph), Err(Error::UndefinedTensor { tensor, .. }) if tensor == "nowhere"));

    let mut output = sample();
    graph(&mut output).output[0].name = Some("nowhere".into());
    assert!(matches!(load(&output), Err(Error::UndefinedTensor { node, .. }) if node == "graph output"));
}

#[test]
fn external_data_that_cannot_be_used() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("model");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    std::fs::write(outer.path().join("secret"), vec![1u8; 64]).unwrap();
    std::fs::write(folder.join("short"), vec![1u8; 15]).unwrap();
    std::fs::write(folder.join("sub/good"), vec![1u8; 16]).unwrap();
    std::os::unix::fs::symlink(outer.path().join("secret"), folder.join("link")).unwrap();
    std::os::unix::fs::symlink(outer.path(), folder.join("linked")).unwrap();
    std::os::unix::fs::symlink("sub/good", folder.join("inside")).unwrap();
    let path = folder.join("m.onnx");
    let load = |entries: &[(&str, &str)]| {
        let mut t = onnx::from_f32("w", &[4], &[0.0; 4], DType::Float).unwrap();
        t.raw_data = None;
        t.data_location = Some(1);
        t.external_data = entries
            .iter()
            .map(|(k, v)| StringStringEntryProto { key: Some(k.to_string()), value: Some(v.to_string()) })
            .collect();
        let m = model(GraphProto { initializer: vec![t], ..Default::default() });
        std::fs::write(&path, bytes(&m)).unwrap();
        match Model::load(&path) {
            Err(Error::ExternalData { tensor, why, .. }) if tensor == "w" => Err(why),
            Ok(m) => Ok(m),
            other => panic!("{other:?}"),
        }
    };
    let absolute = outer.path().join("secret");
    let why = |entries: &[(&str, &str)]| load(entries).unwrap_err();
    assert!(why(&[("location", "absent")]).contains("missing"));
    assert!(why(&[("location", "short")]).contains("behind the file's 15 bytes"));
    assert!(why(&[("location", "sub/good"), ("offset", "1")]).contains("behind"));
    assert!(why(&[("location", "sub/good"), ("offset", "18446744073709551615")]).contains("behind"));
    assert!(why(&[("location", "sub/good"), ("offset", "-1")]).contains("no number"));
    assert!(why(&[("location", "sub/good"), ("length", "8")]).contains("length 8"));
    assert!(why(&[("location", "../secret")]).contains("inside"));
    assert!(why(&[("location", "sub/../../secret")]).contains("inside"));
    assert!(why(&[("location", absolute.to_str().unwrap())]).contains("inside"));
    assert!(why(&[("location", "..\\secret")]).contains("inside"));
    assert!(why(&[("location", "")]).contains("inside"));
    assert!(why(&[]).contains("inside"));
    assert!(why(&[("location", "link")]).contains("link"));
    assert!(why(&[("location", "linked/secret")]).contains("link"));
    assert!(why(&[("location", "sub")]).contains("folder"));
    for good in ["sub/good", "./sub/good", "inside"] {
        let loaded = load(&[("location", good)]).unwrap();
        let t = &loaded.graph().unwrap().initializer[0];
        assert_eq!((t.raw_data().len(), t.data_location, t.external_data.len()), (16, None, 0));
        assert_eq!(loaded.external.unwrap().location, good);
    }
    let mut streamed = std::fs::read(&path).unwrap();
    assert!(matches!(Model::from_bytes(std::mem::take(&mut streamed).into()), Err(Error::ExternalData { .. })));
}

#[test]
fn not_a_number_is_found_where_it_stands() {
    for dtype in [DType::Float, DType::Double, DType::Float16, DType::Bfloat16] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut data = vec![1.0f32; 200_001];
            let clean = onnx::from_f32("t", &[200_001], &data, dtype).unwrap();
            assert_eq!(onnx::has_non_finite(&clean).unwrap(), None);
            (data[150_001], data[199_999]) = (bad, bad);
            let t = onnx::from_f32("t", &[200_001], &data, dtype).unwrap();
            assert_eq!(onnx::has_non_finite(&t).unwrap(), Some(150_001), "{dtype:?}");
        }
    }
    assert_eq!(onnx::has_non_finite(&onnx::from_i64("i", &[1], &[-1]).unwrap()).unwrap(), None);
}
