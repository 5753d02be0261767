//! Bilinear resizing without antialiasing, with the fixed-point arithmetic of OpenCV.

use super::picture::Picture;

/// Bits behind the point in the weights of pixels.
const BITS: i32 = 11;

/// For one output position: the two input positions and their weights.
struct Pair {
    at: [usize; 2],
    weights: [i32; 2],
}

fn pairs(from: usize, to: usize) -> Vec<Pair> {
    let scale = from as f64 / to as f64;
    let last = from - 1;
    let one = |out: usize| {
        let x = ((out as f64 + 0.5) * scale - 0.5) as f32;
        let (first, part) = match x.floor() {
            f if f < 0.0 => (0, 0.0),
            f if f as usize >= last => (last, 0.0),
            f => (f as usize, x - f),
        };
        let fixed = |w: f32| (w * f32::from(1u16 << BITS)).round_ties_even() as i32;
        Pair { at: [first, (first + 1).min(last)], weights: [fixed(1.0 - part), fixed(part)] }
    };
    (0..to).map(one).collect()
}

/// Makes a picture of another size.
pub(super) fn resize(picture: &Picture, width: usize, height: usize) -> Option<Picture> {
    let channels = picture.channels();
    let (xs, ys) = (pairs(picture.width(), width), pairs(picture.height(), height));
    let wide = |row: &[u8]| -> Option<Vec<i32>> {
        let mut out = Vec::with_capacity(width * channels);
        for p in &xs {
            let [a, b] = p.at.map(|x| row.get(x * channels..(x + 1) * channels));
            let values = a?.iter().zip(b?);
            out.extend(values.map(|(a, b)| i32::from(*a) * p.weights[0] + i32::from(*b) * p.weights[1]));
        }
        Some(out)
    };
    let rows: Vec<&[u8]> = picture.rows().collect();
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
    Picture::new(width, height, channels, out)
}
