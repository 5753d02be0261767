//! Small files of every kind.

use std::path::Path;

use libjpeg_turbo_rs::{PixelFormat, Subsampling};
use onnx_prune::data::{self, Content, Dataset, Label, OpenOptions, Split};
use onnx_prune::onnx::DType;
use onnx_prune::runtime::{Dim, IoInfo};

pub const WIDTH: usize = 8;
pub const HEIGHT: usize = 6;

/// A JPEG file of one brightness.
pub fn jpeg(value: u8) -> Vec<u8> {
    sized(value, WIDTH, HEIGHT)
}

pub fn sized(value: u8, width: usize, height: usize) -> Vec<u8> {
    let pixels = vec![value; width * height * 3];
    libjpeg_turbo_rs::compress(&pixels, width, height, PixelFormat::Rgb, 95, Subsampling::S444).unwrap()
}

/// Writes a file, with the folders above it.
pub fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A tar archive.
pub fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// An IDX file of bytes.
pub fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|s| out.extend(s.to_be_bytes()));
    out.extend(bytes);
    out
}

/// A NumPy array file.
pub fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.bytes());
    out.extend(bytes);
    out
}

pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub fn options(split: &str) -> OpenOptions {
    let split = (!split.is_empty()).then(|| split.parse::<Split>().unwrap());
    OpenOptions { split, ..OpenOptions::default() }
}

pub fn open(path: &Path, split: &str) -> Box<dyn Dataset> {
    data::open(path, &options(split)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The message of a data set that must not open.
pub fn refusal(path: &Path) -> String {
    match data::open(path, &OpenOptions::default()) {
        Ok(set) => panic!("{} opened with {} samples", path.display(), set.len()),
        Err(e) => e.to_string(),
    }
}

/// The classes of all samples, and of each image the first value.
pub fn summary(set: &dyn Dataset) -> Vec<(Option<usize>, u8)> {
    let one = |i: usize| {
        let sample = set.sample(i).unwrap();
        let class = match sample.target {
            Label::Class(c) => Some(c),
            Label::Unknown => None,
            other => panic!("{other:?}"),
        };
        let image = match sample.content {
            Content::Encoded(bytes) => data::decode(&bytes, &Default::default()).unwrap(),
            Content::Image(image) => image,
            other => panic!("{other:?}"),
        };
        (class, image.pixels()[0])
    };
    (0..set.len()).map(one).collect()
}

/// An input of a model; -1 is an open axis.
pub fn io(name: &str, dtype: DType, dims: &[i64]) -> IoInfo {
    let dim = |d: &i64| usize::try_from(*d).map_or(Dim::Unknown, Dim::Fixed);
    IoInfo { name: name.into(), dtype, dims: Some(dims.iter().map(dim).collect()) }
}
