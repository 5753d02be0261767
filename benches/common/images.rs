//! JPEG files to measure decoders and loaders with.

use libjpeg_turbo_rs::{PixelFormat, Subsampling};

/// A photograph-like image: waves, edges and a little noise.
pub fn photograph(width: usize, height: usize, how: Subsampling, seed: usize) -> Vec<u8> {
    let value = |i: usize| {
        let (x, y, c) = (i / 3 % width, i / 3 / width, i % 3);
        let (fx, fy) = (x as f32 / width as f32, y as f32 / height as f32);
        let wave = (fx * (9.0 + c as f32) + seed as f32).sin() * (fy * 7.0).cos() * 70.0;
        let edge = if (x * 5 / width + y * 3 / height + seed).is_multiple_of(2) { 30.0 } else { 0.0 };
        let noise = (i.wrapping_mul(2_654_435_761) >> 13) % 17;
        (110.0 + wave + edge + noise as f32) as u8
    };
    let pixels: Vec<u8> = (0..width * height * 3).map(value).collect();
    libjpeg_turbo_rs::compress(&pixels, width, height, PixelFormat::Rgb, 90, how).unwrap()
}
