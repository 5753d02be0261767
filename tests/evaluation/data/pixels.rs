//! Preprocessing against Pillow, torchvision and OpenCV: `reference.json` is made by `tools/data_reference.py`.

use std::sync::LazyLock;

use onnx_prune::data::{
    self, Batch, Content, Dataset, Image, Interpolation, Label, Loader, LoaderOptions, Preprocess, Sample,
};
use onnx_prune::onnx::DType;
use onnx_prune::runtime::IoInfo;
use serde_json::Value;

use super::made::io;

static REFERENCE: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("reference.json")).unwrap());

/// The image that the tool makes.
fn image() -> Image {
    let value = |i: usize| {
        let (x, y, c) = (i / 3 % 61, i / 183, i % 3);
        ((x * x * 7 + y * y * 3 + x * y * (5 + c) + c * 85) % 256) as u8
    };
    Image::new(61, 43, 3, (0..61 * 43 * 3).map(value).collect()).unwrap()
}

fn fnv1a(bytes: impl Iterator<Item = u8>) -> String {
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

fn ends(values: &[f64]) -> Vec<f64> {
    values[..8].iter().chain(&values[values.len() - 8..]).copied().collect()
}

#[track_caller]
fn same_pixels(made: &Image, expected: &Value, what: &str) {
    let values: Vec<f64> = made.pixels().iter().map(|v| f64::from(*v)).collect();
    let wanted: Vec<f64> = serde_json::from_value(expected["ends"].clone()).unwrap();
    assert_eq!(ends(&values), wanted, "{what}");
    assert_eq!(fnv1a(made.pixels().iter().copied()), expected["fnv1a"].as_str().unwrap(), "{what}");
}

/// One image as a data set.
struct One(Image);

impl Dataset for One {
    fn len(&self) -> usize {
        1
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn name(&self, _: usize) -> String {
        "one".into()
    }
    fn sample(&self, _: usize) -> data::Result<Sample> {
        Ok(Sample { content: Content::Image(self.0.clone()), target: Label::Unknown })
    }
}

fn through(image: Image, how: &str, input: IoInfo) -> data::Result<Batch> {
    let set: Box<dyn Dataset> = Box::new(One(image));
    let preprocess = Preprocess::parse(how)?;
    let mut batches = Loader::new(set, Some(&preprocess), &[input], LoaderOptions::default())?.batches();
    batches.next().unwrap()
}

/// What a pipeline makes of the image, as bytes in the order of pixels.
fn bytes(how: &str, width: usize, height: usize) -> Image {
    let batch = through(image(), how, io("x", DType::Uint8, &[-1, -1, -1, 3])).unwrap();
    let (shape, data) = batch.inputs[0].1.clone().into_parts();
    assert_eq!(shape[1..3], [height, width]);
    let onnx_prune::runtime::Data::U8(pixels) = data else { panic!() };
    Image::new(width, height, 3, pixels).unwrap()
}

#[test]
fn every_interpolation_gives_the_pixels_of_pillow_and_opencv() {
    for case in REFERENCE["resize"].as_array().unwrap() {
        let how: Interpolation = serde_json::from_value(case["how"].clone()).unwrap();
        let [width, height] = serde_json::from_value(case["to"].clone()).unwrap();
        let made = data::resize(&image(), width, height, how).unwrap();
        same_pixels(&made, case, &format!("{how:?} to {width} x {height}"));
    }
}

#[test]
fn jpeg_files_give_the_pixels_of_libjpeg_turbo() {
    for (name, case) in REFERENCE["jpeg"].as_object().unwrap() {
        let hex = case["file"].as_str().unwrap();
        let byte = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        let file: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        same_pixels(&data::decode(&file, &Default::default()).unwrap(), case, name);
    }
}

#[test]
fn the_imagenet_pipeline_gives_the_numbers_of_torchvision() {
    let how = r#"{"steps": [
        {"kind": "resize", "size": 32}, {"kind": "center-crop", "size": 28}, {"kind": "scale", "divide": 255},
        {"kind": "normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}]}"#;
    // The preset does the same: 28 / 224 * 256 is 32.
    for how in [how, "imagenet"] {
        let batch = through(image(), how, io("x", DType::Float, &[-1, 3, 28, 28])).unwrap();
        let tensor = &batch.inputs[0].1;
        let wanted: Vec<f64> = serde_json::from_value(REFERENCE["imagenet"]["ends"].clone()).unwrap();
        assert_eq!((tensor.shape(), ends(&tensor.to_f64_vec())), (&[1, 3, 28, 28][..], wanted));
        let made = fnv1a(tensor.as_f32().unwrap().iter().flat_map(|v| v.to_le_bytes()));
        assert_eq!(made, REFERENCE["imagenet"]["fnv1a"].as_str().unwrap());
    }
}

#[test]
fn crops_letterbox_and_grey_are_those_of_others() {
    let crop = bytes(r#"{"steps": [{"kind": "center-crop", "size": [50, 70]}]}"#, 70, 50);
    same_pixels(&crop, &REFERENCE["small_crop"], "crop");
    let letterbox = bytes(r#"{"steps": [{"kind": "letterbox", "size": 64}]}"#, 64, 64);
    same_pixels(&letterbox, &REFERENCE["letterbox"], "letterbox");
    let how = r#"{"steps": [{"kind": "color", "order": "grey"}]}"#;
    let batch = through(image(), how, io("x", DType::Uint8, &[-1, 1, 43, 61])).unwrap();
    let onnx_prune::runtime::Data::U8(grey) = batch.inputs[0].1.data().clone() else { panic!() };
    same_pixels(&Image::new(61, 43, 1, grey).unwrap(), &REFERENCE["grey"], "grey");
}

#[test]
fn layout_order_type_and_scale_by_hand() {
    let two = || Image::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap();
    let values = |how: &str, input: IoInfo| through(two(), how, input).unwrap().inputs[0].1.to_f64_vec();
    let (nchw, nhwc) = (&[-1, 3, 1, 2], &[-1, -1, 2, 3]);
    assert_eq!(values("none", io("x", DType::Float, nchw)), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(values("none", io("x", DType::Int32, nhwc)), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let bgr = r#"{"steps": [{"kind": "color", "order": "bgr"}]}"#;
    assert_eq!(values(bgr, io("x", DType::Uint8, nhwc)), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    let half = r#"{"steps": [{"kind": "scale", "divide": 2}, {"kind": "normalize", "mean": [0.5], "std": [0.25]}]}"#;
    assert_eq!(values(half, io("x", DType::Float16, nchw)), [0.0, 6.0, 2.0, 8.0, 4.0, 10.0]);
    let layout = r#"{"layout": "nhwc"}"#;
    assert_eq!(values(layout, io("x", DType::Double, &[-1, -1, -1, -1])), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    // Grey becomes three equal channels.
    let grey = Image::new(2, 1, 1, vec![7, 8]).unwrap();
    let three = through(grey, "none", io("x", DType::Float, nchw)).unwrap().inputs[0].1.to_f64_vec();
    assert_eq!(three, [7.0, 8.0, 7.0, 8.0, 7.0, 8.0]);
}

#[test]
fn random_steps_by_hand() {
    let row = || Image::new(3, 1, 1, vec![1, 2, 3]).unwrap();
    let flip = r#"{"steps": [{"kind": "random-flip", "probability": 1}]}"#;
    let batch = through(row(), flip, io("x", DType::Float, &[-1, 1, 1, 3])).unwrap();
    assert_eq!(batch.inputs[0].1.to_f64_vec(), [3.0, 2.0, 1.0]);
    assert_eq!(batch.frames[0].original([0.0, 0.0]), [3.0, 0.0]);
    let crop = r#"{"steps": [{"kind": "random-crop", "size": [1, 3], "padding": 1, "fill": 9}]}"#;
    let batch = through(row(), crop, io("x", DType::Float, &[-1, 1, 1, 3])).unwrap();
    let made = batch.inputs[0].1.to_f64_vec();
    let (rim, inside) = ([9.0; 3], [[9.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 9.0]]);
    assert!(made == rim || inside.iter().any(|w| made == w), "{made:?}");
}

#[test]
fn a_frame_leads_back_to_the_original() {
    let how = r#"{"steps": [{"kind": "letterbox", "size": [32, 64]}]}"#;
    let batch = through(image(), how, io("x", DType::Float, &[-1, 3, 32, 64])).unwrap();
    // 61 x 43 becomes 45 x 32, with 9 columns of ground on the left.
    let frame = batch.frames[0];
    assert_eq!((frame.size, frame.offset), ([61, 43], [9.0, 0.0]));
    let [x, y] = frame.original([9.0 + 45.0, 32.0]);
    assert!((x - 61.0).abs() < 1e-4 && (y - 43.0).abs() < 1e-4, "{x} {y}");
    let how = r#"{"steps": [{"kind": "resize", "size": [86, 122]}, {"kind": "center-crop", "size": 20}]}"#;
    let frame = through(image(), how, io("x", DType::Float, &[-1, 3, 20, 20])).unwrap().frames[0];
    assert_eq!(frame.original([10.0, 10.0]), [30.5, 21.5]);
}
