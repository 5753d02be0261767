//! Bilinear resizing without antialiasing, with the fixed-point arithmetic of OpenCV.

use super::image::Image;

/// Bits behind the point in the weights of pixels.
const BITS: i32 = 11;

/// For one output position: the two input positions and their weights.
struct Pair {
    at: [usize; 2],
    weights: [i32; 2],
}

/// At the edges columns are taken alone, while rows are blended with themselves, which rounds otherwise.
fn pairs(from: usize, to: usize, columns: bool) -> Vec<Pair> {
    let scale = from as f64 / to as f64;
    let last = from - 1;
    let one = |out: usize| {
        let x = ((out as f64 + 0.5) * scale - 0.5) as f32;
        let part = x - x.floor();
        let first = x.floor() as isize;
        let outside = first < 0 || first as usize >= last;
        let part = if columns && outside { 0.0 } else { part };
        let inside = |x: isize| x.clamp(0, last as isize) as usize;
        let fixed = |w: f32| (w * f32::from(1u16 << BITS)).round_ties_even() as i32;
        Pair { at: [inside(first), inside(first + 1)], weights: [fixed(1.0 - part), fixed(part)] }
    };
    (0..to).map(one).collect()
}

/// Makes an image of another size.
pub(super) fn resize(image: &Image, width: usize, height: usize) -> Option<Image> {
    let channels = image.channels();
    let (xs, ys) = (pairs(image.width(), width, true), pairs(image.height(), height, false));
    let wide = |row: &[u8]| -> Option<Vec<i32>> {
        let mut out = Vec::with_capacity(width * channels);
        for p in &xs {
            let [a, b] = p.at.map(|x| row.get(x * channels..(x + 1) * channels));
            let values = a?.iter().zip(b?);
            out.extend(values.map(|(a, b)| i32::from(*a) * p.weights[0] + i32::from(*b) * p.weights[1]));
        }
        Some(out)
    };
    let rows: Vec<&[u8]> = image.rows().collect();
    // The last two rows made: rows are asked for from the top, and each twice or more.
    let mut made: [Option<(usize, Vec<i32>)>; 2] = [None, None];
    let mut out = Vec::with_capacity(width * height * channels);
    for p in &ys {
        for (slot, y) in p.at.into_iter().enumerate() {
            if made[slot].as_ref().is_none_or(|(at, _)| *at != y) {
                made[slot] = Some((y, wide(rows.get(y)?)?));
            }
        }
        let [Some((_, above)), Some((_, below))] = &made else { return None };
        let blend = |(a, b): (&i32, &i32)| {
            let sum = ((p.weights[0] * (a >> 4)) >> 16) + ((p.weights[1] * (b >> 4)) >> 16);
            ((sum + 2) >> 2).clamp(0, 255) as u8
        };
        out.extend(above.iter().zip(below).map(blend));
    }
    Image::new(width, height, channels, out)
}
