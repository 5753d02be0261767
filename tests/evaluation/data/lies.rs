//! Headers that promise more than there is, files that unpack to more than anyone has, folders without end: each an
//! error that names the file, before anything is made room for.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use onnx_prune::data::{self, Limits};
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::made::*;

#[track_caller]
fn refuses(name: &str, bytes: impl AsRef<[u8]>, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name, bytes);
    let message = refusal(&folder.path().join(name));
    assert!(message.contains(name), "{message}");
    words.iter().for_each(|w| assert!(message.contains(w), "'{w}' is not in: {message}"));
}

fn safetensors(shape: &str) -> Vec<u8> {
    let header = format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}"#);
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
}

#[test]
fn rows_of_nothing_cannot_be_counted() {
    let words = ["no elements", "0]"];
    refuses("a.npy", npy("<f4", "(1099511627776, 0)", &[]), &words);
    refuses("a.npy", npy("<f4", "(1099511627776, 0, 18446744073709551615)", &[]), &["1099511627776"]);
    refuses("a.npy", npy("<f4", "(5, 3, 0)", &[]), &words);
    refuses("a.safetensors", safetensors("[1152921504606846976,0]"), &words);
    refuses("a.npz", npz(&[("x", npy("<f4", "(1099511627776, 0)", &[]))]), &words);
    let many = format!("({})", "1, ".repeat(20_000));
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {many}, }}\n");
    let long = [b"\x93NUMPY\x02\x00", &(header.len() as u32).to_le_bytes()[..], header.as_bytes(), &[0]].concat();
    refuses("a.npy", long, &["20000 axes"]);

    use onnx_prune::onnx::proto::TensorProto;
    use prost::Message;
    let tensor = |dims: &[i64]| TensorProto { dims: dims.to_vec(), data_type: Some(1), ..Default::default() };
    for dims in [&[1 << 40, 0][..], &[i64::MAX, i64::MAX], &[1 << 40, 3], &[-1, 3], &[]] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "test_data_set_0/input_0.pb", tensor(dims).encode_to_vec());
        let message = refusal(folder.path());
        assert!(message.contains("test_data_set_0"), "{dims:?}: {message}");
    }
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let packed = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), packed).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn what_unpacks_is_counted_together() {
    let zeros = npy("|u1", "(41943040,)", &vec![0; 40 << 20]);
    let one = npz(&[("a", zeros.clone())]);
    refuses("bomb.npz", npz(&[("a", zeros.clone()), ("b", zeros.clone()), ("c", zeros)]), &["200 times", "bomb"]);
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        put(folder.path(), &format!("{name}.npz"), &one);
    }
    let message = refusal(folder.path());
    assert!(message.contains(".npz") && message.contains("200 times"), "{message}");
    // Archives in a folder likewise.
    let folder = tempfile::tempdir().unwrap();
    let shard = gzip(&tar(&[("1.jpg", vec![0; 40 << 20])]));
    put(folder.path(), "a.tar.gz", &shard);
    put(folder.path(), "b.tar.gz", &shard);
    let message = refusal(folder.path());
    assert!(message.contains("b.tar.gz") && message.contains("200 times"), "{message}");
}

/// Images and labels in one row group.
fn parquet(images: &[Vec<u8>], labels: &[i64], compression: Compression) -> Vec<u8> {
    let schema = "message m { optional group image { optional binary bytes; optional binary path (UTF8); } \
                  optional int64 label; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let values: Vec<ByteArray> = images.iter().map(|p| ByteArray::from(p.clone())).collect();
    let count = images.len();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&values, Some(&vec![2; count]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![1; count]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(labels, Some(&vec![1; count]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn try_all(path: &Path) -> Result<usize, String> {
    let set = data::open(path, &Default::default()).map_err(|e| e.to_string())?;
    // A loader makes room for an index of every sample.
    assert!(set.len() < 1 << 22, "{} samples are believed", set.len());
    for i in 0..set.len().min(8) {
        let _ = set.sample(i);
    }
    Ok(set.len())
}

#[test]
fn parquet_headers_are_held_against_the_file() {
    let whole = parquet(&[jpeg(1), jpeg(2), jpeg(3)], &[0, 1, 2], Compression::SNAPPY);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(try_all(&path), Ok(3));
    let length = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let footer = whole.len() - 8 - length;
    // Every number three of the footer becomes another: rows, values, whatever it is.
    let mut refused = 0;
    for at in footer..whole.len() - 8 {
        if whole[at] != 6 {
            continue;
        }
        for n in [1u64 << 41, 1 << 61, u64::MAX, 5, 1 << 30] {
            let new = varint(n);
            let size = (length - 1 + new.len()) as u32;
            let parts = [&whole[..at], &new, &whole[at + 1..whole.len() - 8], &size.to_le_bytes(), b"PAR1"];
            std::fs::write(&path, parts.concat()).unwrap();
            match try_all(&path) {
                Ok(n) => assert_eq!(n, 3),
                Err(message) => {
                    assert!(message.contains("a.parquet"), "{message}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused >= 10, "{refused}");
}

/// Any byte of it may be any other: an error or a data set of believable size.
#[test]
fn changed_parquet_files_never_panic() {
    let images = [1, 2, 3].map(|b| vec![b; 5]);
    let whole = parquet(&images, &[0, 1, 2], Compression::GZIP(GzipLevel::default()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for at in 0..whole.len() {
        for value in [0, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at].wrapping_add(2)] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            std::fs::write(&path, &bytes).unwrap();
            if let Err(message) = try_all(&path) {
                assert!(message.contains("a.parquet"), "{message}");
            }
        }
    }
}

#[test]
fn pages_are_no_bombs() {
    for codec in [Compression::GZIP(GzipLevel::default()), Compression::ZSTD(ZstdLevel::default())] {
        refuses("a.parquet", parquet(&[vec![0; 100 << 20]], &[0], codec), &["bomb"]);
    }
}

/// The header of a page says less than what comes out.
#[test]
fn pages_do_not_unpack_to_more_than_they_say() {
    let whole = parquet(&[vec![7; 3 << 20]], &[0], Compression::GZIP(GzipLevel::default()));
    // The size before compression: image, its length, levels; as a varint behind the type of the page.
    let size = varint(2 * (3 << 20) + 2 * 10);
    let at = whole.windows(size.len()).position(|w| w[1..] == size[1..]).unwrap();
    let mut short = whole.clone();
    short[at + size.len() - 1] = 0;
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.parquet", short);
    let set = open(&folder.path().join("a.parquet"), "");
    let message = set.sample(0).unwrap_err().to_string();
    assert!(message.contains("a.parquet") && message.contains("more than the"), "{message}");
}

/// Any byte of any file may be any other.
#[test]
fn changed_files_never_panic() {
    let ids = b"[1, 2]\n{\"input_ids\": [3], \"label\": 1}\n";
    let files = [
        ("a.npz", npz(&[("x", npy("<f4", "(2, 1)", &floats(&[1.0, 2.0]))), ("y", npy("|u1", "(2,)", &[0, 1]))])),
        ("a.npy", npy("<f4", "(2, 1)", &floats(&[1.0, 2.0]))),
        ("a.safetensors", {
            let header = r#"{"x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#;
            [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &floats(&[1.0, 2.0])].concat()
        }),
        ("train-images-idx3-ubyte", idx(&[2, 1, 1], &[1, 2])),
        ("a.jsonl", ids.to_vec()),
        ("a.tar", tar(&[("1.jpg", jpeg(1)), ("1.cls", b"0".to_vec())])),
        ("a.tar.gz", gzip(&tar(&[("1.jpg", jpeg(1)), ("1.cls", b"0".to_vec())]))),
        ("test_data_set_0/input_0.pb", {
            use prost::Message;
            onnx_prune::onnx::from_f32("x", &[2, 1], &[1.0, 2.0], onnx_prune::onnx::DType::Float)
                .unwrap()
                .encode_to_vec()
        }),
    ];
    for (name, whole) in files {
        let folder = tempfile::tempdir().unwrap();
        let root = if name.contains('/') { folder.path().to_owned() } else { folder.path().join(name) };
        put(folder.path(), name, &whole);
        assert!(try_all(&root).is_ok(), "{name}");
        for at in (0..whole.len()).step_by(1 + whole.len() / 400) {
            for value in [0, 0x7f, 0xff, whole[at] ^ 1, b'9'] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                put(folder.path(), name, &bytes);
                if let Err(message) = try_all(&root) {
                    assert!(!message.contains("unforeseen"), "{name}, byte {at} is {value}: {message}");
                }
            }
        }
    }
}

#[test]
fn schemas_without_end() {
    let whole = parquet(&[jpeg(1)], &[0], Compression::UNCOMPRESSED);
    let file = |footer: &[u8]| [&whole[..4], footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat();
    // Version 1, then a list of groups of one group each.
    let nested = |n: usize| {
        let element = [0x48, 1, b'a', 0x15, 2, 0x00];
        let mut footer = vec![0x15, 2, 0x19, 0xfc];
        footer.extend(varint(n as u64));
        footer.extend(element.repeat(n));
        footer.push(0);
        footer
    };
    refuses("a.parquet", file(&nested(100_000)), &["groups of columns"]);
    refuses("a.parquet", file(&[0x15, 2, 0x19, 0x1c, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0]), &[]);
    refuses("a.parquet", file(&[0x1c].repeat(1000)), &["footer"]);
    refuses("a.parquet", b"PAR1", &["does not end"]);
}

#[test]
fn images_say_their_size_before_they_are_decoded() {
    let limits = Limits::default();
    let [w, h] = [16383u32, 16383];
    let mut webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0\x2f".to_vec();
    webp.extend(((w - 1) | ((h - 1) << 14)).to_le_bytes());
    webp.extend([0; 9]);
    let mut bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend([w.to_le_bytes(), h.to_le_bytes()].concat());
    bmp.extend([1, 0, 24, 0]);
    bmp.extend([0; 64]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        png.extend((data.len() as u32).to_be_bytes());
        let body = [kind, data].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        png.extend(&body);
        png.extend(crc.sum().to_be_bytes());
    };
    chunk(b"IHDR", &[&w.to_be_bytes()[..], &h.to_be_bytes(), &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", &[]);
    for (kind, bytes) in [("webp", webp), ("bmp", bmp), ("png", png)] {
        let message = data::decode(&bytes, &limits).unwrap_err();
        assert!(message.contains("16383 x 16383") && message.contains("allowed"), "{kind}: {message}");
    }
}

#[test]
fn a_line_without_end_is_no_sample() {
    let line = format!("[1]\n[{}1]\n", "1,".repeat(9 << 20));
    refuses("a.jsonl", line, &["line 2", "18874371 bytes"]);
}

#[test]
fn annotations_of_huge_numbers() {
    for image in [r#"{"id": 1e40, "file_name": "a.jpg"}"#, r#"{"id": 99999999999999999999, "file_name": "a.jpg"}"#] {
        let text = format!(r#"{{"images": [{image}], "categories": [], "annotations": []}}"#);
        refuses("a.json", text, &["broken"]);
    }
    let object = r#"{"image_id": 1, "category_id": 1, "bbox": [1e300, 0, 1, 1]}"#;
    let text = format!(
        r#"{{"images": [{{"id": 1, "file_name": "a.jpg"}}], "categories": [{{"id": 1, "name": "c"}}], "annotations": [{object}]}}"#
    );
    refuses("a.json", text, &["broken", "out of range"]);
    refuses("a.json", format!(r#"{{"annotations": {}"#, "[".repeat(100_000)), &["broken"]);
}

#[cfg(unix)]
#[test]
fn folders_of_links_are_not_walked_forever() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for i in 0..24 {
        std::fs::create_dir(root.join(format!("f{i}"))).unwrap();
    }
    for i in 0..23 {
        for link in ["a", "b"] {
            symlink(root.join(format!("f{}", i + 1)), root.join(format!("f{i}/{link}"))).unwrap();
        }
    }
    put(root, "f23/1.jpg", jpeg(1));
    let message = refusal(&root.join("f0"));
    assert!(message.contains("16 paths"), "{message}");
    // Splits and classes may share what they hold.
    put(root, "store/cat/1.jpg", jpeg(7));
    std::fs::create_dir(root.join("set")).unwrap();
    symlink(root.join("store"), root.join("set/train")).unwrap();
    symlink(root.join("store"), root.join("set/test")).unwrap();
    for split in ["train", "test"] {
        assert_eq!(summary(&*open(&root.join("set"), split)), [(Some(0), 7)]);
    }
    // Nor is a folder too deep.
    std::fs::create_dir_all(root.join(format!("deep{}", "/d".repeat(70)))).unwrap();
    assert!(refusal(&root.join("deep")).contains("64 folders"));
}
