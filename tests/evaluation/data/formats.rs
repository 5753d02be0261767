use onnx_prune::data::{BoundingBox, Content, Label};

use super::made::*;

#[test]
fn images_in_folders_read_the_same_from_an_archive() {
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("train/cat/1.jpg", jpeg(10)),
        ("train/dog/2.jpg", jpeg(20)),
        ("train/emu/3.jpg", jpeg(30)),
        ("test/cat/a.jpg", jpeg(40)),
        ("test/emu/b.jpg", jpeg(50)),
        ("notes.txt", b"nothing".to_vec()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    files.iter().for_each(|(name, bytes)| put(&root.join("plain"), name, bytes));
    put(root, "packed.tar", tar(&files));
    put(root, "packed.tar.gz", gzip(&tar(&files)));
    let inside: Vec<(String, Vec<u8>)> = files.iter().map(|(n, b)| (format!("./set/v1/{n}"), b.clone())).collect();
    let inside: Vec<(&str, Vec<u8>)> = inside.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    put(root, "deeper.tgz", gzip(&tar(&inside)));
    for place in ["plain", "packed.tar", "packed.tar.gz", "deeper.tgz"] {
        let set = open(&root.join(place), "");
        // A class that the test split lacks keeps its index.
        assert_eq!(set.classes(), ["cat", "dog", "emu"], "{place}");
        assert_eq!(summary(&*set), [(Some(0), 40), (Some(2), 50)], "{place}");
        let train = open(&root.join(place), "train");
        assert_eq!(summary(&*train), [(Some(0), 10), (Some(1), 20), (Some(2), 30)], "{place}");
        assert!(train.name(0).ends_with("train/cat/1.jpg"));
    }
}

#[test]
fn images_without_splits_or_classes() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "two/dog/1.jpg", jpeg(10));
    put(folder.path(), "two/cat/1.png", png(20));
    put(folder.path(), "flat/1.jpg", jpeg(30));
    let set = open(&folder.path().join("two"), "");
    assert_eq!(
        (set.classes(), summary(&*set)),
        (&["cat".into(), "dog".into()][..], vec![(Some(0), 20), (Some(1), 10)])
    );
    let flat = open(&folder.path().join("flat"), "");
    assert_eq!((flat.classes().len(), summary(&*flat)), (0, vec![(None, 30)]));
}

fn png(value: u8) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(3, 2, image::Luma([value])).write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

#[test]
fn webdataset_takes_labels_from_either_file() {
    let folder = tempfile::tempdir().unwrap();
    let shard = |from: u8, kind: &str| {
        let label = |n: u8| match kind {
            "cls" => n.to_string().into_bytes(),
            _ => format!("{{\"label\": {n}}}").into_bytes(),
        };
        let (a, b) = (format!("{from:03}.jpg"), format!("{from:03}.{kind}"));
        tar(&[(a.as_str(), jpeg(from)), (b.as_str(), label(from / 10))])
    };
    put(folder.path(), "train-0000.tar", shard(10, "cls"));
    put(folder.path(), "train-0001.tar", shard(20, "json"));
    put(folder.path(), "val-0000.tar", shard(30, "cls"));
    assert_eq!(summary(&*open(folder.path(), "train")), [(Some(1), 10), (Some(2), 20)]);
    assert_eq!(summary(&*open(folder.path(), "")), [(Some(3), 30)]);
    let one = open(&folder.path().join("train-0001.tar"), "");
    assert_eq!((summary(&*one), one.classes()), (vec![(Some(2), 20)], &["0", "1", "2"].map(String::from)[..]));
}

#[test]
fn idx_files_packed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train-images-idx3-ubyte", idx(&[2, 2, 3], &[7; 12]));
    put(folder.path(), "train-labels-idx1-ubyte", idx(&[2], &[4, 1]));
    put(folder.path(), "t10k-images-idx3-ubyte.gz", gzip(&idx(&[1, 2, 3], &[9; 6])));
    put(folder.path(), "t10k-labels-idx1-ubyte.gz", gzip(&idx(&[1], &[3])));
    assert_eq!(summary(&*open(folder.path(), "train")), [(Some(4), 7), (Some(1), 7)]);
    let test = open(folder.path(), "test");
    assert_eq!((summary(&*test), test.classes().len()), (vec![(Some(3), 9)], 4));
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    assert_eq!((open(fixtures.as_ref(), "").len(), open(fixtures.as_ref(), "[:10%]").len()), (500, 50));
}

#[test]
fn cifar_of_both_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let record = |labels: &[u8], value: u8| [labels.to_vec(), vec![value; 3072]].concat();
    let ten = folder.path().join("ten");
    put(&ten, "data_batch_1.bin", [record(&[3], 1), record(&[9], 2)].concat());
    put(&ten, "data_batch_2.bin", record(&[0], 3));
    put(&ten, "test_batch.bin", record(&[5], 4));
    put(&ten, "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    assert_eq!(summary(&*open(&ten, "train")), [(Some(3), 1), (Some(9), 2), (Some(0), 3)]);
    let test = open(&ten, "");
    assert_eq!((summary(&*test), test.classes()[5].as_str()), (vec![(Some(5), 4)], "f"));
    let hundred = folder.path().join("hundred");
    put(&hundred, "train.bin", record(&[19, 99], 1));
    put(&hundred, "test.bin", record(&[3, 42], 2));
    assert_eq!(summary(&*open(&hundred, "test")), [(Some(42), 2)]);
    // Planes on disk, pixels here.
    let planes: Vec<u8> = [vec![1], vec![10; 1024], vec![20; 1024], vec![30; 1024]].concat();
    put(&ten, "test_batch.bin", planes);
    let Content::Image(p) = open(&ten, "").sample(0).unwrap().content else { panic!() };
    assert_eq!(p.pixels()[..6], [10, 20, 30, 10, 20, 30]);
}

#[test]
fn coco_boxes_belong_to_their_images() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{
        "images": [{"id": 7, "file_name": "a.jpg", "width": 8, "height": 6}, {"id": 3, "file_name": "b.jpg"}],
        "categories": [{"id": 90, "name": "zebra"}, {"id": 2, "name": "ant"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 3.5, 4], "area": 14, "segmentation": [[1]]},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 1, 1], "iscrowd": 1}]}"#;
    put(folder.path(), "annotations/instances_val2017.json", json);
    put(folder.path(), "annotations/captions_val2017.json", "{}");
    put(folder.path(), "val2017/a.jpg", jpeg(10));
    put(folder.path(), "val2017/b.jpg", jpeg(20));
    put(folder.path(), "train2017/a.jpg", jpeg(99));
    let file = folder.path().join("annotations/instances_val2017.json");
    for set in [open(folder.path(), ""), open(folder.path(), "val"), open(&file, "")] {
        assert_eq!(set.classes(), ["ant", "zebra"]);
        let sample = set.sample(0).unwrap();
        let zebra = BoundingBox { xywh: [1.0, 2.0, 3.5, 4.0], class: 1, crowd: false, area: Some(14.0) };
        let ants = BoundingBox { xywh: [0.0, 0.0, 1.0, 1.0], class: 0, crowd: true, area: None };
        assert_eq!(sample.target, Label::Boxes(vec![zebra, ants]));
        assert_eq!(sample.content, Content::Encoded(jpeg(10).into()));
        assert_eq!(set.sample(1).unwrap().target, Label::Boxes(vec![]));
    }
}

#[test]
fn token_lines_of_both_kinds() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train.jsonl", "[1, 2, 3]\n\n{\"input_ids\": [4, 5], \"label\": 2, \"text\": \"x\"}\n");
    put(folder.path(), "test.jsonl", "[9]\n");
    let set = open(folder.path(), "train");
    assert_eq!((set.len(), set.classes().len()), (2, 3));
    let tokens = |ids: &[i64]| Content::Tokens(vec![("input_ids".into(), ids.to_vec())]);
    let (first, second) = (set.sample(0).unwrap(), set.sample(1).unwrap());
    assert_eq!((first.content, first.target), (tokens(&[1, 2, 3]), Label::Unknown));
    assert_eq!((second.content, second.target), (tokens(&[4, 5]), Label::Class(2)));
    assert!(set.name(1).starts_with("line 3 of"));
    assert_eq!(open(folder.path(), "").len(), 1);
}
