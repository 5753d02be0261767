//! Formats of arrays and tables.

use std::io::{Cursor, Write};
use std::sync::Arc;

use onnx_prune::data::{self, Content, Dataset, Label};
use onnx_prune::onnx::{self, DType};
use onnx_prune::runtime::Tensor;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use prost::Message;

use super::made::*;

fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(shape, values.to_vec()).unwrap()
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn check_named(set: &dyn Dataset) {
    assert_eq!(set.len(), 2);
    let sample = set.sample(1).unwrap();
    let ids = Tensor::new([1], vec![8i64]).unwrap();
    let Content::Tensors(mut given) = sample.content else { panic!() };
    given.sort_by(|a, b| a.0.cmp(&b.0));
    // `image` alone means the only input.
    assert_eq!(given, [(String::new(), tensor(&[2], &[3.0, 4.0])), ("ids".to_owned(), ids)]);
    assert_eq!(sample.target, Label::Outputs(vec![("score".into(), tensor(&[1], &[0.5]))]));
}

#[test]
fn arrays_by_name_from_numpy_and_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<u8> = [7i64, 8].iter().flat_map(|v| v.to_le_bytes()).collect();
    let arrays = [
        ("image", npy("<f4", "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.0]))),
        ("ids", npy("<i8", "(2, 1)", &ids)),
        ("output_score", npy("<f4", "(2, 1)", &floats(&[0.25, 0.5]))),
    ];
    arrays.iter().for_each(|(name, bytes)| put(&folder.path().join("npy"), &format!("{name}.npy"), bytes));
    put(folder.path(), "all.npz", npz(&arrays));
    let image = floats(&[1.0, 2.0, 3.0, 4.0]);
    let score = floats(&[0.25, 0.5]);
    let view =
        |dtype, shape: &[usize], bytes| safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = vec![
        ("image", view(safetensors::Dtype::F32, &[2, 2], &image)),
        ("ids", view(safetensors::Dtype::I64, &[2, 1], &ids)),
        ("output_score", view(safetensors::Dtype::F32, &[2, 1], &score)),
    ];
    put(folder.path(), "all.safetensors", safetensors::serialize(tensors, None).unwrap());
    for place in ["npy", "all.npz", "all.safetensors"] {
        check_named(&*open(&folder.path().join(place), ""));
    }
}

#[test]
fn arrays_of_bytes_are_images_with_splits_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<u8> = [1i64, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let arrays = [
        ("x_train", npy("|u1", "(2, 2, 2)", &[5, 5, 5, 5, 6, 6, 6, 6])),
        ("y_train", npy("<i8", "(2,)", &labels)),
        ("x_test", npy("|u1", "(1, 3, 1, 2)", &[1, 2, 3, 4, 5, 6])),
        ("y_test", npy("|u1", "(1, 1)", &[3])),
    ];
    put(folder.path(), "mnist.npz", npz(&arrays));
    let path = folder.path().join("mnist.npz");
    assert_eq!(summary(&*open(&path, "train")), [(Some(1), 5), (Some(0), 6)]);
    let test = open(&path, "");
    assert_eq!((summary(&*test), test.classes().len()), (vec![(Some(3), 1)], 4));
    let Content::Image(p) = test.sample(0).unwrap().content else { panic!() };
    assert_eq!((p.width(), p.height(), p.pixels()), (2, 1, &[1, 3, 5, 2, 4, 6][..]));
}

#[test]
fn onnx_test_data_is_cut_into_samples() {
    let folder = tempfile::tempdir().unwrap();
    for (set, values) in [("0", [1.0f32, 2.0, 3.0, 4.0]), ("10", [5.0; 4]), ("9", [6.0; 4])] {
        let x = onnx::from_f32("x", &[2, 2], &values, DType::Float).unwrap();
        let y = onnx::from_i64("y", &[2], &[1, 2]).unwrap();
        put(folder.path(), &format!("m/test_data_set_{set}/input_0.pb"), x.encode_to_vec());
        put(folder.path(), &format!("m/test_data_set_{set}/output_0.pb"), y.encode_to_vec());
    }
    put(folder.path(), "m/model.onnx", b"the model itself");
    let set = open(folder.path(), "");
    assert_eq!(set.len(), 6);
    let sample = set.sample(1).unwrap();
    assert_eq!(sample.content, Content::Tensors(vec![("x".into(), tensor(&[2], &[3.0, 4.0]))]));
    let two = Tensor::new([], vec![2i64]).unwrap();
    assert_eq!(sample.target, Label::Outputs(vec![("y".into(), two)]));
    // The ninth set comes before the tenth.
    assert_eq!(set.sample(2).unwrap().content, Content::Tensors(vec![("x".into(), tensor(&[2], &[6.0; 2]))]));
}

/// An image file, which may be missing, and its label.
type Row = (Option<Vec<u8>>, i64);

/// Row groups of images and labels, as Hugging Face writes them.
fn parquet(groups: &[&[Row]], names: Option<&str>) -> Vec<u8> {
    let schema = "message schema { \
        optional group image { optional binary bytes; optional binary path (UTF8); } \
        optional int64 label; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let metadata = names.map(|n| {
        let text = format!(r#"{{"info": {{"features": {{"label": {{"names": {n}, "_type": "ClassLabel"}}}}}}}}"#);
        vec![KeyValue::new("huggingface".to_owned(), text)]
    });
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_key_value_metadata(metadata)
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        let images: Vec<ByteArray> = rows.iter().filter_map(|(p, _)| p.clone()).map(ByteArray::from).collect();
        let levels: Vec<i16> = rows.iter().map(|(p, _)| if p.is_some() { 2 } else { 1 }).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&images, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![1; rows.len()]), None).unwrap();
        column.close().unwrap();
        let labels: Vec<i64> = rows.iter().map(|(_, l)| *l).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&labels, Some(&vec![1; rows.len()]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[test]
fn parquet_with_splits_row_groups_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let names = Some(r#"["cat", "dog"]"#);
    let some = |v| Some(jpeg(v));
    put(
        folder.path(),
        "data/train-00000-of-00002.parquet",
        parquet(&[&[(some(10), 0), (some(20), 1)], &[(some(30), 0)]], names),
    );
    put(folder.path(), "data/train-00001-of-00002.parquet", parquet(&[&[(some(40), 1)]], names));
    put(folder.path(), "data/test-00000-of-00001.parquet", parquet(&[&[(some(50), 1), (None, 0)]], None));
    let train = open(folder.path(), "train");
    assert_eq!(train.classes(), ["cat", "dog"]);
    assert_eq!(summary(&*train), [(Some(0), 10), (Some(1), 20), (Some(0), 30), (Some(1), 40)]);
    assert!(train.name(3).starts_with("row 3 of") && train.name(3).ends_with("train-00001-of-00002.parquet"));
    let test = open(folder.path(), "");
    assert_eq!((test.len(), test.classes()), (2, &["0".to_owned(), "1".to_owned()][..]));
    let error = test.sample(1).unwrap_err().to_string();
    assert!(error.contains("row 1") && error.contains("missing"), "{error}");
}

/// Whole tensors by the name of an input: no samples.
#[test]
fn tensors_are_read_by_the_name_of_an_input() {
    use onnx_prune::runtime::{Data, Tensor};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rate = npy("<i8", "()", &16000i64.to_le_bytes());
    let mask = npy("<f4", "(1, 2)", &[1f32, 0.0].map(f32::to_le_bytes).concat());
    std::fs::write(path("all.npz"), npz(&[("sr", rate.clone()), ("input_1", mask.clone())])).unwrap();
    let inputs = ["sr", "mask"];
    let wanted = [
        ("sr".to_owned(), Tensor::new([], vec![16000i64]).unwrap()),
        ("mask".to_owned(), Tensor::new([1, 2], Data::from(vec![1f32, 0.0])).unwrap()),
    ];
    assert_eq!(data::tensors(&path("all.npz"), &inputs).unwrap(), wanted);
    std::fs::remove_file(path("all.npz")).unwrap();
    std::fs::write(path("sr.npy"), rate).unwrap();
    let proto = onnx_prune::onnx::from_f32("mask", &[1, 2], &[1.0, 0.0], onnx_prune::onnx::DType::Float).unwrap();
    std::fs::write(path("input_1.pb"), prost::Message::encode_to_vec(&proto)).unwrap();
    let mut found = data::tensors(folder.path(), &inputs).unwrap();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    assert_eq!(found, wanted);
    assert_eq!(data::tensors(&path("sr.npy"), &["any"]).unwrap()[0].0, "any", "a single file is for the only input");
    let e = data::tensors(folder.path(), &["x", "y"]).unwrap_err().to_string();
    assert!(e.contains("'sr' is no input of the model, which has x, y"), "{e}");
    std::fs::write(path("sr.npy"), b"nothing").unwrap();
    assert!(data::tensors(folder.path(), &inputs).is_err());
}
