//! Resizing images of bytes, with the arithmetic of Pillow so that every pixel is the same as there.

use serde::{Deserialize, Serialize};

use super::image::Image;

/// How pixels in between are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The nearest pixel, as Pillow's `NEAREST`.
    Nearest,
    /// The mean of the pixels below, as Pillow's `BOX`.
    Box,
    /// A triangle that grows when the image shrinks (antialiasing), as Pillow's `BILINEAR`.
    #[default]
    Bilinear,
    /// A short window, as Pillow's `HAMMING`.
    Hamming,
    /// Cubic with a = -0.5 and antialiasing, as Pillow's `BICUBIC`.
    Bicubic,
    /// Three lobes of a windowed sinc, as Pillow's `LANCZOS`.
    Lanczos,
    /// Between the four nearest pixels, whatever the scale, as OpenCV's `INTER_LINEAR`.
    Linear,
}

/// Bits behind the point in the weights of pixels.
const PRECISION: u32 = 32 - 8 - 2;

/// Makes an image of another size; `None` when a size is 0.
pub fn resize(image: &Image, width: usize, height: usize, how: Interpolation) -> Option<Image> {
    let same = (image.width(), image.height()) == (width, height);
    let weights = |from, to| match how {
        Interpolation::Nearest => None,
        Interpolation::Box => Some(antialiased(from, to, 0.5, |x| f64::from(u8::from(x > -0.5 && x <= 0.5)))),
        Interpolation::Bilinear => Some(antialiased(from, to, 1.0, |x| (1.0 - x.abs()).max(0.0))),
        Interpolation::Hamming => Some(antialiased(from, to, 1.0, hamming)),
        Interpolation::Bicubic => Some(antialiased(from, to, 2.0, bicubic)),
        Interpolation::Lanczos => Some(antialiased(from, to, 3.0, lanczos)),
        Interpolation::Linear => None,
    };
    if same {
        return Some(image.clone());
    }
    if width == 0 || height == 0 {
        return None;
    }
    match how {
        Interpolation::Nearest => nearest(image, width, height),
        Interpolation::Linear => super::linear::resize(image, width, height),
        _ => {
            // The width first, as Pillow does. Sums of whole rows are fast, so columns become rows for it.
            let wide = match image.width() == width {
                true => None,
                false => Some(vertical(&image.turned()?, &weights(image.width(), width)?)?.turned()?),
            };
            let wide = wide.as_ref().unwrap_or(image);
            if wide.height() == height {
                return Some(wide.clone());
            }
            vertical(wide, &weights(wide.height(), height)?)
        }
    }
}

/// For one output position: the first input position, and the weights from there on.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn antialiased(from: usize, to: usize, support: f64, filter: impl Fn(f64) -> f64) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = support * stretch;
    let one = |out: usize| {
        let center = (out as f64 + 0.5) * scale;
        // Casts from float to integer cut off towards 0 and stay in range.
        let first = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        // Divided by the stretch as Pillow does, by a factor: the last bit depends on it.
        let factor = 1.0 / stretch;
        let raw: Vec<f64> = (first..end).map(|x| filter((x as f64 - center + 0.5) * factor)).collect();
        let total: f64 = raw.iter().sum();
        let fixed = |w: &f64| {
            let w = if total == 0.0 { *w } else { w / total } * f64::from(1u32 << PRECISION);
            (if w < 0.0 { w - 0.5 } else { w + 0.5 }) as i32
        };
        Taps { first, weights: raw.iter().map(fixed).collect() }
    };
    (0..to).map(one).collect()
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x == 0.0 { 1.0 } else { x.sin() / x }
}

fn lanczos(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

fn hamming(x: f64) -> f64 {
    let x = x.abs();
    match x {
        _ if x == 0.0 => 1.0,
        _ if x >= 1.0 => 0.0,
        _ => {
            let x = x * std::f64::consts::PI;
            x.sin() / x * (0.54 + 0.46 * x.cos())
        }
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    match x {
        _ if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

/// A sum of weighted bytes as a byte.
fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Each row becomes a weighted sum of rows.
fn vertical(image: &Image, taps: &[Taps]) -> Option<Image> {
    let length = image.width() * image.channels();
    let mut out = Vec::with_capacity(taps.len() * length);
    let mut sums = vec![0i32; length];
    for t in taps {
        sums.fill(1 << (PRECISION - 1));
        let window = image.pixels().chunks_exact(length).skip(t.first);
        for (row, weight) in window.zip(&t.weights) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += i32::from(*value) * weight;
            }
        }
        out.extend(sums.iter().map(|sum| byte(*sum)));
    }
    Image::new(image.width(), taps.len(), image.channels(), out)
}

fn nearest(image: &Image, width: usize, height: usize) -> Option<Image> {
    // Positions are summed up as Pillow sums them, with the same rounding.
    let positions = |from: usize, to: usize| {
        let step = from as f64 / to as f64;
        let mut at = step * 0.5;
        let mut positions = Vec::with_capacity(to);
        for _ in 0..to {
            positions.push((at as usize).min(from - 1));
            at += step;
        }
        positions
    };
    let (xs, ys) = (positions(image.width(), width), positions(image.height(), height));
    let channels = image.channels();
    let mut out = Vec::with_capacity(width * height * channels);
    let rows: Vec<&[u8]> = image.rows().collect();
    for y in ys {
        let row = rows.get(y)?;
        for x in &xs {
            out.extend_from_slice(row.get(x * channels..(x + 1) * channels)?);
        }
    }
    Image::new(width, height, channels, out)
}
