//! `onnx-prune eval` as users run it.

use crate::common;
use crate::common::schema;
use crate::common::small;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::made::{floats, gzip, npy, put, sized, tar};
use onnx_prune::onnx::proto::GraphProto;
use onnx_prune::onnx::{self, DType};
use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn eval(folder: &Path, args: &[&str]) -> Output {
    let fixtures = fixtures();
    let args = args.iter().map(|a| a.replace("FIXTURES", fixtures.to_str().unwrap()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_onnx-prune"));
    command.current_dir(folder).arg("eval").args(args).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "stdout: {out}\nstderr: {err}");
    out.into_owned()
}

#[track_caller]
fn failed(output: &Output, code: i32, words: &[&str]) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert!(words.iter().all(|w| err.contains(w)), "{err}");
}

const FASHION: [&str; 5] = ["FIXTURES/fashion_resnet.onnx", "--data", "FIXTURES", "--preprocess", "unit"];

#[test]
fn the_fixture_evaluates_without_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--no-latency", "--json", "--report", "r.json", "--confusion", "c.svg", "--predictions", "p.jsonl"];
    let report: Value =
        serde_json::from_str(&succeeded(&eval(folder.path(), &[&FASHION[..], &more].concat()))).unwrap();
    assert_eq!(schema::check(&report, "evaluation.schema.json"), Vec::<String>::new());
    let figures = report["models"][0]["figures"].as_array().unwrap();
    let top1 = figures.iter().find(|f| f["name"] == "top-1").unwrap()["value"].as_f64().unwrap();
    assert!((top1 - 0.936).abs() < 0.0021, "{top1}");
    assert_eq!(report["data"]["origin"]["preprocess"], "unit");
    assert_eq!((&report["data"]["samples"], &report["data"]["left_out"]), (&Value::from(500), &Value::from(0)));

    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read("r.json")).unwrap(), report);
    assert!(read("c.svg").starts_with("<svg"));
    assert_eq!(read("p.jsonl").lines().count(), 500);
    let first: Value = serde_json::from_str(read("p.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(first["classes"][0]["class"], "9");
    // Nothing else is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn several_models_stand_in_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let args = [&FASHION[..], &["FIXTURES/fashion_resnet.onnx", "--samples", "20", "--latency-budget", "20"]].concat();
    let more = ["--latency-batch", "1,4", "--against", "FIXTURES/fashion_resnet.onnx", "-q"];
    let table = succeeded(&eval(folder.path(), &[&args[..], &more].concat()));
    let lines: Vec<&str> = table.lines().filter(|l| l.starts_with("fashion_resnet.onnx")).collect();
    // One row each in every part of the table.
    assert_eq!(lines.len() as f64 / 2.0, table.lines().filter(|l| l.starts_with("model ")).count() as f64, "{table}");
    assert!(table.lines().all(|l| l.chars().count() <= 100), "{table}");
    assert!(table.contains("ratio"), "{table}");
    for head in ["20 samples of 10 classes", "top-1", "loss", "cosine", "latency of 4", "p95", "samples/s", "12.6 M"] {
        assert!(table.contains(head), "{head} is not in\n{table}");
    }
    assert!(!table.contains("precision"));
    let detailed =
        succeeded(&eval(folder.path(), &[&FASHION[..], &["--samples", "20", "--no-latency", "-v"]].concat()));
    assert!(detailed.contains("precision"), "{detailed}");
}

#[test]
fn what_does_not_fit_is_an_error_with_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), common::bytes(&small::classifier())).unwrap();
    let colored = ["model.onnx", "--data", "FIXTURES", "--preprocess", "unit", "--no-latency"];
    failed(&eval(folder.path(), &colored), 1, &["8", "28"]);
    failed(&eval(folder.path(), &["model.onnx", "--data", "nothing"]), 1, &["nothing"]);
    failed(&eval(folder.path(), &["missing.onnx"]), 1, &["missing.onnx"]);
    failed(&eval(folder.path(), &["model.onnx", "--against", "model.onnx"]), 2, &["--data"]);
    failed(&eval(folder.path(), &["model.onnx", "--device", "gpu"]), 2, &["gpu", "cuda"]);
    let args = [&FASHION[..], &["--no-latency", "--confusion", "c.png"]].concat();
    failed(&eval(folder.path(), &args), 2, &[".svg"]);
    let args = [&FASHION[..], &["--no-latency", "--report", "missing/r.json"]].concat();
    failed(&eval(folder.path(), &args), 1, &["missing/r.json"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn without_data_size_and_speed_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let table = succeeded(&eval(folder.path(), &["FIXTURES/fashion_resnet.onnx", "--latency-budget", "20"]));
    assert!(table.contains("latency") && table.contains("1.59 MB") && !table.contains("top-1"), "{table}");
}

/// What `eval` says of the fixture's network and of data that it cannot use.
#[track_caller]
fn refused(folder: &Path, data: &[&str], words: &[&str]) {
    let grey = r#"{"steps": [{"kind": "color", "order": "grey"}, {"kind": "resize", "size": [28, 28]}]}"#;
    let model = ["FIXTURES/fashion_resnet.onnx", "--no-latency", "--data"];
    let images = !data[0].starts_with("arrays");
    let how: &[&str] = if images && data.len() < 2 { &["--preprocess", grey] } else { &[] };
    failed(&eval(folder, &[&model[..], data, how].concat()), 1, words);
}

#[test]
fn bad_data_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let image = || sized(9, 28, 28);

    for class in 0..11 {
        put(folder, &format!("eleven/c{class:02}/1.jpg"), image());
        put(folder, &format!("three/c{}/1.jpg", class % 3), image());
    }
    refused(folder, &["eleven"], &["fashion_resnet.onnx", "10 classes", "has 11"]);
    refused(folder, &["three"], &["fashion_resnet.onnx", "10 classes", "has 3"]);
    refused(folder, &["three", "--preprocess", "unit"], &["c0/1.jpg", "3 channels", "takes 1", "grey"]);
    refused(folder, &["three", "--preprocess", "unit", "--split", "test"], &["three", "no 'test'"]);

    put(folder, "corrupt/0/1.jpg", image());
    put(folder, "corrupt/0/2.jpg", &image()[..200]);
    refused(folder, &["corrupt"], &["1 of 2 samples are bad", "--max-bad", "0/2.jpg"]);

    let values = [vec![0.5; 784], vec![f32::NAN; 784]].concat();
    put(folder, "arrays/x.npy", npy("<f4", "(2, 1, 28, 28)", &floats(&values)));
    put(folder, "arrays/y.npy", npy("|u1", "(2,)", &[0, 1]));
    refused(folder, &["arrays"], &["1 of 2 samples are bad", "element 0", "`image`", "NaN"]);

    // The archive has the right form, but for a name that its maker would not write.
    let name = |bytes: Vec<u8>| {
        let at = bytes.windows(9).position(|w| w == b"cat/1.jpg").unwrap();
        let mut header = tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
        header.as_mut_bytes()[..9].copy_from_slice(b"../..jpg\0");
        header.set_cksum();
        [&bytes[..at], header.as_bytes(), &bytes[at + 512..]].concat()
    };
    put(folder, "escape.tar", name(tar(&[("cat/1.jpg", image())])));
    refused(folder, &["escape.tar"], &["escape.tar", "'../..jpg'", "leads out"]);
    put(folder, "bomb.tar.gz", gzip(&tar(&[("cat/1.jpg", vec![0; 70 << 20])])));
    refused(folder, &["bomb.tar.gz"], &["bomb.tar.gz", "200 times", "bomb"]);

    // Without labels there is something to tell, but no accuracy.
    put(folder, "bare/x.npy", npy("<f4", "(1, 1, 28, 28)", &floats(&values[..784])));
    let args = ["FIXTURES/fashion_resnet.onnx", "--no-latency", "--data", "bare"];
    let output = eval(folder, &args);
    assert!(String::from_utf8_lossy(&output.stderr).contains("bare has no labels"));
    assert!(!succeeded(&output).contains("top-1"));
    let output = eval(folder, &[&args[..], &["--against", "FIXTURES/fashion_resnet.onnx"]].concat());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("no labels"));
    assert!(succeeded(&output).contains("cosine"));
}

/// A detector with the raw head of the YOLOv8 family: it sees four boxes in a white image, and none in a black one.
fn detector() -> Vec<u8> {
    #[rustfmt::skip]
    let head = [
        // Centres and sizes in the input of 64 x 64: a cat, nearly the same again, a dog, and a dog where there is
        // none.
        16.0, 17.0, 45.0, 2.0,   28.0, 28.0, 31.75, 18.0,
        16.0, 16.0, 10.0, 4.0,   16.0, 16.0, 15.5, 4.0,
        0.9, 0.8, 0.0, 0.0,      0.0, 0.0, 0.7, 0.95,
    ];
    let mut brightest = common::node("ReduceMax", &["x"], &["brightest"]);
    brightest.attribute = vec![onnx::proto::AttributeProto {
        name: Some("keepdims".into()),
        r#type: Some(onnx::proto::attribute_proto::AttributeType::Int as i32),
        i: Some(0),
        ..Default::default()
    }];
    let model = common::model(GraphProto {
        name: Some("detector".into()),
        node: vec![brightest, common::node("Mul", &["head", "brightest"], &["y"])],
        initializer: vec![onnx::from_f32("head", &[1, 6, 4], &head, DType::Float).unwrap()],
        input: vec![common::value("x", &[1, 3, 64, 64])],
        output: vec![common::value("y", &[1, 6, 4])],
        ..Default::default()
    });
    common::bytes(&model).to_vec()
}

#[test]
fn a_detector_is_judged_from_files_to_mean_average_precision() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "detector.onnx", detector());
    put(folder.path(), "set/white.jpg", sized(255, 64, 32));
    put(folder.path(), "set/black.jpg", sized(0, 32, 32));
    let object = |id: u32, image: u32, class: u32, bbox: [f64; 4]| json!({"id": id, "image_id": image, "category_id": class, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0});
    // The white image lies 16 rows below the edge of the model's input, the black one is doubled.
    let coco = json!({
        "images": [
            {"id": 10, "file_name": "white.jpg", "width": 64, "height": 32},
            {"id": 20, "file_name": "black.jpg", "width": 32, "height": 32},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [
            object(1, 10, 1, [8.0, 4.0, 16.0, 16.0]),
            object(2, 10, 7, [40.0, 8.0, 10.0, 20.0]),
            object(3, 20, 1, [4.0, 4.0, 8.0, 8.0]),
        ],
    });
    put(folder.path(), "set/coco.json", coco.to_string());
    for runtime in ["auto", "tract"] {
        let args = ["detector.onnx", "--data", "set/coco.json", "--preprocess", "yolo", "--no-latency", "--json"];
        let out = succeeded(&eval(folder.path(), &[&args[..], &["--runtime", runtime]].concat()));
        let report: Value = serde_json::from_str(&out).unwrap();
        let figures = report["models"][0]["figures"].as_array().unwrap();
        let figure = |name: &str| figures.iter().find(|f| f["name"] == name).unwrap()["value"].as_f64().unwrap();
        // One of two cats is found, without error: 51 of 101 points of recall. The dog comes after a false one, so with
        // a precision of 1/2; 155 of 200 pixels overlap, which is enough for 6 of 10 thresholds.
        let (cat, dog) = (51.0 / 101.0, 0.5);
        assert!((figure("mAP50") - (cat + dog) / 2.0).abs() < 1e-9, "{figures:?}");
        assert!((figure("mAP") - (cat + 0.6 * dog) / 2.0).abs() < 1e-9, "{figures:?}");
        assert_eq!(report["models"][0]["classes"][1]["class"], "dog");
    }
}
