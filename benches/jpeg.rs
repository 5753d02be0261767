//! JPEG decoders side by side: `cargo bench --bench jpeg [-- FOLDER]`.
//!
//! Speed on one thread, and how far the pixels are from those of libjpeg-turbo, which Pillow, torchvision and OpenCV
//! use. Without a folder of `.jpg` files, images of CIFAR's and ImageNet's size are made, by each chroma subsampling.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at any error")]

#[path = "common/images.rs"]
mod images;

use std::path::Path;
use std::time::Instant;

use images::photograph;
use libjpeg_turbo_rs::{PixelFormat, Subsampling};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

type Decode = fn(&[u8]) -> Vec<u8>;

/// What is measured; the first is what the program uses.
const DECODERS: [(&str, Decode); 3] = [("libjpeg-turbo-rs", turbo), ("zune-jpeg", zune), ("jpeg-decoder", plain)];

fn turbo(file: &[u8]) -> Vec<u8> {
    let mut decoder = libjpeg_turbo_rs::Decoder::new(file).unwrap();
    decoder.set_output_format(PixelFormat::Rgb);
    decoder.decode_image().unwrap().data
}

fn zune(file: &[u8]) -> Vec<u8> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(file), options).decode().unwrap()
}

fn plain(file: &[u8]) -> Vec<u8> {
    jpeg_decoder::Decoder::new(file).decode().unwrap()
}

fn read(folder: &Path, files: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, files);
        } else if path.extension().is_some_and(|e| e == "jpg" || e == "jpeg" || e == "JPEG") {
            files.push(std::fs::read(path).unwrap());
        }
    }
}

fn compare(what: &str, files: &[Vec<u8>]) {
    let reference: Vec<Vec<u8>> = files.iter().map(|f| turbo(f)).collect();
    for (name, decode) in DECODERS {
        let (mut largest, mut total, mut other, mut count) = (0, 0u64, 0u64, 0u64);
        for (file, wanted) in files.iter().zip(&reference) {
            let pixels = decode(file);
            // A grayscale file stays one in some decoders.
            if pixels.len() != wanted.len() {
                continue;
            }
            for (a, b) in pixels.iter().zip(wanted) {
                let d = a.abs_diff(*b);
                largest = largest.max(d);
                total += u64::from(d);
                other += u64::from(d > 0);
            }
            count += pixels.len() as u64;
        }
        // The best of three passes.
        let seconds = (0..3)
            .map(|_| {
                let clock = Instant::now();
                files.iter().for_each(|file| drop(std::hint::black_box(decode(file))));
                clock.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        println!(
            "| {what} | {name} | {:.0} | {:.1} | {largest} | {:.4} | {:.2} % |",
            files.len() as f64 / seconds,
            count as f64 / 3e6 / seconds,
            total as f64 / count as f64,
            100.0 * other as f64 / count as f64,
        );
    }
}

fn main() {
    println!("| files | decoder | images/s | Mpixel/s | largest difference | mean | values that differ |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if let Some(folder) = arguments.first() {
        let mut files = Vec::new();
        read(folder.as_ref(), &mut files);
        return compare(&format!("{} of {folder}", files.len()), &files);
    }
    for (what, how) in [("4:4:4", Subsampling::S444), ("4:2:2", Subsampling::S422), ("4:2:0", Subsampling::S420)] {
        for (width, height, n) in [(32, 32, 1000), (500, 375, 50)] {
            let files: Vec<Vec<u8>> = (0..n).map(|seed| photograph(width, height, how, seed)).collect();
            compare(&format!("{width}x{height}, {what}"), &files);
        }
    }
}
