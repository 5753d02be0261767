//! A page of bad data: every message says what is wrong and where.

use onnx_prune::data::{self, Error, Limits, Loader, LoaderOptions, OpenOptions, Preprocess};
use onnx_prune::onnx::DType;
use onnx_prune::runtime::IoInfo;

use super::made::*;

/// Opens one file, or several in a folder, and returns the message.
fn refused(files: &[(&str, Vec<u8>)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| put(folder.path(), name, bytes));
    match files {
        [(name, _)] if !name.contains('/') => refusal(&folder.path().join(name)),
        _ => refusal(folder.path()),
    }
}

#[track_caller]
fn says(message: &str, words: &[&str]) {
    words.iter().for_each(|w| assert!(message.contains(w), "'{w}' is not in: {message}"));
}

#[test]
fn nothing_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    says(&refusal(folder.path()), &["it is empty", "IDX"]);
    says(&refusal(&folder.path().join("missing")), &["missing", "cannot read"]);
    says(&refused(&[("notes.txt", b"hello".to_vec())]), &["notes.txt", "no data set"]);
}

#[test]
fn labels_that_are_missing_or_do_not_fit() {
    let images = idx(&[2, 1, 1], &[1, 2]);
    says(
        &refused(&[("a/train-images-idx3-ubyte", images.clone()), ("b/x", vec![])]),
        &["train-labels-idx1-ubyte is missing"],
    );
    let three = [("d/train-images-idx3-ubyte", images), ("d/train-labels-idx1-ubyte", idx(&[3], &[0, 1, 2]))];
    says(&refused(&three), &["[3]", "2 images"]);
    says(
        &refused(&[("cat/1.jpg", jpeg(1)), ("2.jpg", jpeg(2)), ("dog/3.jpg", jpeg(3))]),
        &["2.jpg", "no folder of a class"],
    );
    let wds = tar(&[("1.jpg", jpeg(1)), ("1.cls", b"0".to_vec()), ("2.jpg", jpeg(2))]);
    says(&refused(&[("s.tar", wds)]), &["2", "neither .cls nor .json"]);
    let wds = tar(&[("1.jpg", jpeg(1)), ("1.cls", b"cat".to_vec())]);
    says(&refused(&[("s.tar", wds)]), &["1.cls", "'cat' is no number"]);
    let negative: Vec<u8> = [-1i64].iter().flat_map(|v| v.to_le_bytes()).collect();
    let arrays = [("d/x.npy", npy("|u1", "(1, 1, 1)", &[1])), ("d/y.npy", npy("<i8", "(1,)", &negative))];
    says(&refused(&arrays), &["'y'", "-1 is no class"]);
    let arrays = [("d/x.npy", npy("|u1", "(1, 1, 1)", &[1])), ("d/y.npy", npy("|u1", "(2,)", &[0, 0]))];
    says(&refused(&arrays), &["'x' has 1", "'y' has 2"]);
    let record = [vec![10u8], vec![0; 3072]].concat();
    says(&refused(&[("d/test_batch.bin", record), ("d/x", vec![])]), &["class 10 is not one of 10"]);
    let json = |boxes: &str| {
        let text =
            format!(r#"{{"images": [{{"id": 1, "file_name": "a.jpg"}}], "categories": [], "annotations": [{boxes}]}}"#);
        [("d/instances_a.json", text.into_bytes()), ("d/a.jpg", jpeg(1))]
    };
    let unknown = r#"{"image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1]}"#;
    says(&refused(&json(unknown)), &["category 5"]);
}

#[test]
fn files_that_are_not_what_they_say() {
    let header = |rest: &[u8]| [&[0, 0, 8, 3][..], rest].concat();
    for (name, bytes, word) in [
        ("a-images-idx3-ubyte", header(&[0, 0]), "header is cut off"),
        ("a-images-idx3-ubyte", idx(&[2, 2, 2], &[0; 7]), "7 bytes"),
        ("a-images-idx3-ubyte", idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 7]), "need others"),
        ("a-images-idx3-ubyte", b"\x1f\x8bxx".to_vec(), "gzip"),
        ("a-images-idx3-ubyte", vec![1, 2, 3, 4], "does not begin"),
        ("data_batch_1.bin", vec![0; 3072], "not a whole number"),
        ("a.npy", b"\x93NUMPY\x09\x00".to_vec(), "version"),
        ("a.npy", npy("<f4", "(3,)", &[0; 4]), "[3]"),
        ("a.npy", npy("<f4", &format!("({0}, {0})", usize::MAX), &[0; 4]), "elements"),
        ("a.npy", npy(">f4", "(1,)", &[0; 4]), ">f4"),
        ("a.npy", npy("<f4", "(-1,)", &[0; 4]), "no shape"),
        ("a.npz", b"PK\x03\x04".to_vec(), "a.npz"),
        ("a.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\xff{}".to_vec(), "a.safetensors"),
        ("a.parquet", b"PAR1 and no more".to_vec(), "a.parquet"),
        ("a.tar", vec![7; 1024], "tar"),
        ("a.tar.gz", gzip(&tar(&[("1.jpg", jpeg(1))]))[..60].to_vec(), "gzip"),
    ] {
        says(&refused(&[(name, bytes)]), &[name, word]);
    }
    says(&refused(&[("d/instances_a.json", b"{}".to_vec()), ("d/a.jpg", jpeg(1))]), &["instances_a.json", "images"]);
}

/// A tar header that says anything.
fn entry(name: &str, kind: tar::EntryType, size: u64, link: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    if !link.is_empty() {
        header.set_link_name(link).unwrap();
    }
    header.set_cksum();
    [&header.as_bytes()[..], &[0; 1024]].concat()
}

#[test]
fn archives_that_lead_out_or_lie() {
    use tar::EntryType;
    for (bytes, words) in [
        (entry("../evil.jpg", EntryType::Regular, 0, ""), ["../evil.jpg", "leads out"]),
        (entry("a/../../b.jpg", EntryType::Regular, 0, ""), ["a/../../b.jpg", "leads out"]),
        (entry("/etc/passwd", EntryType::Regular, 0, ""), ["/etc/passwd", "place inside"]),
        (entry("a.jpg", EntryType::Symlink, 0, "/etc/passwd"), ["a.jpg", "not followed"]),
        (entry("a.jpg", EntryType::Link, 0, "b.jpg"), ["a.jpg", "not followed"]),
        (entry("dev", EntryType::Char, 0, ""), ["dev", "neither a file"]),
        (entry("a.jpg", EntryType::Regular, 1 << 40, ""), ["a.jpg", "more than are left"]),
    ] {
        says(&refused(&[("a.tar", bytes)]), &words);
    }
}

#[test]
fn bombs_are_not_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let zeros = gzip(&vec![0; 70 << 20]);
    put(folder.path(), "a.tar.gz", &zeros);
    put(folder.path(), "train-images-idx3-ubyte.gz", &zeros);
    let limits = Limits { ratio: 20, ..Limits::default() };
    for name in ["a.tar.gz", "train-images-idx3-ubyte.gz"] {
        let options = OpenOptions { limits: limits.clone(), ..Default::default() };
        let error = data::open(&folder.path().join(name), &options).err().unwrap();
        assert!(matches!(error, Error::Limit { .. }));
        says(&error.to_string(), &[name, "20 times", "bomb"]);
        let options = OpenOptions { limits: Limits { unpacked: 1 << 20, ..Limits::default() }, ..Default::default() };
        let error = data::open(&folder.path().join(name), &options).err().unwrap();
        says(&error.to_string(), &[name, "1048576"]);
    }
    let limits = Limits { pixels: 47, ..Limits::default() };
    says(&data::decode(&jpeg(1), &limits).unwrap_err(), &["8 x 6", "47"]);
    let limits = Limits { files: 1, ..Limits::default() };
    let two = tempfile::tempdir().unwrap();
    put(two.path(), "1.jpg", jpeg(1));
    put(two.path(), "2.jpg", jpeg(1));
    says(
        &data::open(two.path(), &OpenOptions { limits, ..Default::default() }).err().unwrap().to_string(),
        &["1 files"],
    );
}

#[test]
fn annotations_that_lead_out() {
    let json = br#"{"images": [{"id": 1, "file_name": "../../etc/passwd"}], "categories": [], "annotations": []}"#;
    let message = refused(&[("d/instances_a.json", json.to_vec()), ("d/a.jpg", jpeg(1))]);
    says(&message, &["../../etc/passwd", "place inside"]);
}

#[cfg(unix)]
#[test]
fn links_in_folders_are_followed_but_never_in_circles() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "store/1.jpg", jpeg(10));
    put(folder.path(), "set/cat/0.jpg", jpeg(20));
    symlink(folder.path().join("store/1.jpg"), folder.path().join("set/cat/1.jpg")).unwrap();
    assert_eq!(summary(&*open(&folder.path().join("set"), "")), [(Some(0), 20), (Some(0), 10)]);
    symlink(folder.path().join("set"), folder.path().join("set/cat/again")).unwrap();
    says(&refusal(&folder.path().join("set")), &["again", "leads back"]);
}

#[test]
fn splits_that_are_empty_or_unknown() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train/cat/1.jpg", jpeg(1));
    let error = |split: &str| data::open(folder.path(), &options(split)).err().unwrap().to_string();
    says(&error("test"), &["no split 'test'", "train"]);
    says(&error("train[:10%]"), &["no sample", "'train'"]);
    put(folder.path(), "empty/x.npy", npy("<f4", "(0, 3)", &[]));
    says(&refusal(&folder.path().join("empty")), &["no sample"]);
}

fn unfit(files: &[(&str, Vec<u8>)], how: &str, inputs: &[IoInfo]) -> String {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| put(folder.path(), name, bytes));
    let preprocess = (!how.is_empty()).then(|| Preprocess::parse(how).unwrap());
    let loader = Loader::new(open(folder.path(), ""), preprocess.as_ref(), inputs, LoaderOptions::default());
    let error = loader.and_then(|l| l.batches().try_for_each(|b| b.map(drop))).unwrap_err();
    error.to_string()
}

#[test]
fn data_that_does_not_fit_the_model() {
    let folder = [("cat/1.jpg", jpeg(1))];
    let image = |c, h, w| [io("image", DType::Float, &[-1, c, h, w])];
    says(&unfit(&folder, "", &image(3, 6, 8)), &["`preprocess`", "imagenet"]);
    says(&unfit(&folder, "unit", &image(3, 224, 224)), &["6 x 8", "224 x 224", "resize", "`image`"]);
    says(&unfit(&folder, "unit", &image(1, 6, 8)), &["3 channels", "takes 1", "grey"]);
    says(&unfit(&folder, "cifar", &image(1, 6, 8)), &["normalize has 3", "takes 1"]);
    says(&unfit(&folder, "imagenet", &image(3, -1, -1)), &["'imagenet'", "input size open"]);
    says(&unfit(&folder, "unit", &[io("x", DType::Float, &[-1, 10])]), &["`x` has 2 axes"]);
    says(&unfit(&folder, "unit", &[io("x", DType::Uint8, &[-1, 3, 6, 8])]), &["0.00392", "uint8"]);
    let two = [io("x", DType::Float, &[-1, 3, 6, 8]), io("scale", DType::Float, &[-1, 1])];
    says(&unfit(&folder, "unit", &two), &["2: x, scale"]);
    let float16 = r#"{"dtype": "float16"}"#;
    says(&unfit(&folder, float16, &image(3, 6, 8)), &["float16", "float32"]);
    let uneven = [("cat/1.jpg", jpeg(1)), ("cat/2.jpg", sized(2, 9, 9))];
    says(&unfit(&uneven, "unit", &image(3, -1, -1)), &["one batch", "resize"]);

    let array = [("x.npy", npy("<f4", "(1, 2)", &floats(&[1.0, 2.0])))];
    says(&unfit(&array, "", &[io("x", DType::Float, &[-1, 3])]), &["[2]", "[3]"]);
    says(&unfit(&array, "imagenet", &[io("x", DType::Float, &[-1, 3, 8, 8])]), &["no images"]);
    let named = [("a.npy", npy("<f4", "(1, 2)", &floats(&[1.0, 2.0])))];
    says(&unfit(&named, "", &[io("b", DType::Float, &[-1, 2])]), &["`b`", "a"]);
    let half = [("x.npy", npy("<f4", "(1, 1)", &floats(&[0.5])))];
    says(&unfit(&half, "", &[io("x", DType::Int64, &[-1, 1])]), &["0.5 is no int64"]);
    let tokens = [("t.jsonl", b"[1, 2]\n".to_vec())];
    let strange =
        [io("input_ids", DType::Int64, &[-1, -1]), io("a", DType::Int64, &[-1, -1]), io("b", DType::Int64, &[-1, -1])];
    says(&unfit(&tokens, "", &strange), &["`b`"]);
    says(&unfit(&tokens, r#"{"tokens": {"length": 9}}"#, &[io("input_ids", DType::Int64, &[-1, 4])]), &["9", "4"]);
}

#[test]
fn samples_that_cannot_be_used() {
    let nan = [("x.npy", npy("<f4", "(1, 2)", &floats(&[1.0, f32::NAN])))];
    says(&unfit(&nan, "", &[io("x", DType::Float, &[-1, 2])]), &["element 1", "NaN"]);
    let image = [io("image", DType::Float, &[-1, 3, 6, 8])];
    says(&unfit(&[("cat/1.jpg", vec![])], "unit", &image), &["1.jpg", "empty"]);
    says(&unfit(&[("cat/1.jpg", b"\xff\xd8\xff".to_vec())], "unit", &image), &["1.jpg"]);
    says(&unfit(&[("cat/1.png", b"\x89PNG\r\n\x1a\n".to_vec())], "unit", &image), &["1.png"]);
    says(&unfit(&[("t.jsonl", b"{\"a\": 1}\n".to_vec())], "", &[io("x", DType::Int64, &[-1, -1])]), &["line 1"]);
    let json = br#"{"images": [{"id": 1, "file_name": "gone.jpg"}], "categories": [], "annotations": []}"#;
    says(&refused(&[("d/instances_a.json", json.to_vec()), ("d/a.jpg", jpeg(1))]), &["gone.jpg", "none of its images"]);
}

/// Decoders get what nobody meant to write: an error or an image, never a panic.
#[test]
fn broken_images_never_panic() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let whole = sized(77, 40, 24);
    for _ in 0..2000 {
        let mut file = whole.clone();
        for _ in 0..rng.random_range(1..8) {
            let at = rng.random_range(0..file.len());
            file[at] = rng.random();
        }
        file.truncate(rng.random_range(file.len() / 2..=file.len()));
        let _ = data::decode(&file, &Limits { pixels: 1 << 20, ..Limits::default() });
    }
}
