//! Integers that stand for real ones: real = (q − zero point) · scale.

use bytes::Bytes;
use rayon::prelude::*;

use super::narrow::{packed, unpacked};
use super::proto::TensorProto;
use super::tensor::{dtype, shape};
use super::{Error, Result, to_f64_any, zero};

/// Scale and zero point of a tensor: one for all of it, one for each position of `axis`, or one for each block of
/// positions on `axis` (then of the tensor's rank).
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Scale; 1 where there is none.
    pub scale: Option<&'a TensorProto>,
    /// Zero point; 0 where there is none.
    pub zero_point: Option<&'a TensorProto>,
    /// The axis that they follow, unless they are one number.
    pub axis: usize,
    /// Where bytes are blocks with a scale and a zero point each, the bits of a number (2, 4 or 8). The last axis is
    /// the bytes of a block; the number in the middle stands for zero where there is no zero point.
    pub packed: Option<u8>,
}

/// Elements converted at a time by one thread.
const BLOCK: usize = 1 << 14;

/// Finds the parameter of an element.
struct Places {
    /// Positions of the axis, and elements within each.
    size: usize,
    inner: usize,
    kind: QuantizedKind,
}

enum QuantizedKind {
    One,
    Each,
    Blocks { length: usize, count: usize },
}

impl Places {
    fn new(t: &TensorProto, parameter: &TensorProto, axis: usize) -> Result<Places> {
        let (dims, own) = (shape(t)?, shape(parameter)?);
        let misfit = || {
            let why = format!("of shape {:?} does not fit '{}' of shape {:?}", parameter.dims, t.name(), t.dims);
            Error::tensor(parameter.name(), why)
        };
        if own.iter().product::<usize>() == 1 {
            return Ok(Places { size: 1, inner: 1, kind: QuantizedKind::One });
        }
        let size = *dims.get(axis).ok_or_else(misfit)?;
        let inner = dims[axis + 1..].iter().product::<usize>();
        let fits = own.len() == dims.len() && own.iter().zip(&dims).enumerate().all(|(k, (o, d))| k == axis || o == d);
        // A vector, which may have been given axes of one to broadcast by.
        if !fits && own.iter().filter(|n| **n != 1).eq([&size]) || own == [size] {
            return Ok(Places { size, inner, kind: QuantizedKind::Each });
        }
        let count = own.get(axis).copied().filter(|c| fits && *c > 0).ok_or_else(misfit)?;
        Ok(Places { size, inner, kind: QuantizedKind::Blocks { length: size.div_ceil(count), count } })
    }

    fn of(&self, element: usize) -> usize {
        let position = element / self.inner % self.size;
        match self.kind {
            QuantizedKind::One => 0,
            QuantizedKind::Each => position,
            QuantizedKind::Blocks { length, count } => {
                let outer = element / (self.inner * self.size);
                (outer * count + position / length) * self.inner + element % self.inner
            }
        }
    }
}

/// A parameter's values and the places of their elements.
type Parameter = Option<(Vec<f64>, Places)>;

fn parameter(t: &TensorProto, p: Option<&TensorProto>, axis: usize) -> Result<Parameter> {
    p.map(|p| Ok((to_f64_any(p)?, Places::new(t, p, axis)?))).transpose()
}

fn value(p: &Parameter, element: usize, default: f64) -> f64 {
    p.as_ref().map_or(default, |(v, at)| v.get(at.of(element)).copied().unwrap_or(default))
}

/// The real numbers that a tensor stands for. Errors when scale or zero point do not fit its shape.
pub fn dequantize(t: &TensorProto, by: &Affine) -> Result<Vec<f32>> {
    if let Some(bits) = by.packed {
        return blocks(t, by, bits.into());
    }
    let numbers = to_f64_any(t)?;
    let (scale, zero) = (parameter(t, by.scale, by.axis)?, parameter(t, by.zero_point, by.axis)?);
    let one = |(i, q): (usize, &f64)| ((q - value(&zero, i, 0.0)) * value(&scale, i, 1.0)) as f32;
    Ok(numbers.par_iter().enumerate().with_min_len(BLOCK).map(one).collect())
}

/// The shape of what [`dequantize`] gives. Errors when the tensor has no valid shape.
pub fn dequantized_shape(t: &TensorProto, by: &Affine) -> Result<Vec<usize>> {
    let mut dims = shape(t)?;
    if let (Some(bits @ 1..=8), Some(bytes)) = (by.packed, dims.last_mut()) {
        *bytes *= 8 / usize::from(bits);
    }
    Ok(dims)
}

/// Numbers of `bits` bits, blocks of bytes along the last axis.
fn blocks(t: &TensorProto, by: &Affine, bits: usize) -> Result<Vec<f32>> {
    let dims = shape(t)?;
    let misfit = |p: &TensorProto| Error::tensor(p.name(), format!("does not fit the blocks of '{}'", t.name()));
    let ([rows, count, bytes], 1..=8) = (&dims[..], bits) else {
        return Err(Error::tensor(t.name(), "has no blocks".to_owned()));
    };
    let (rows, count, bytes) = (*rows, *count, *bytes);
    let all = unpacked(t)?;
    let one = |codes: &[u8], k: usize| {
        let at = k * bits;
        codes.get(at / 8).map_or(0, |b| (b >> (at % 8)) & (((1u16 << bits) - 1) as u8))
    };
    let scales = by.scale.map(to_f64_any).transpose()?;
    let zeros = match by.zero_point {
        None => None,
        Some(z) if dtype(z)?.is_float() => Some(to_f64_any(z)?),
        Some(z) => {
            let codes = unpacked(z)?;
            let row = (count * bits).div_ceil(8);
            let of = |n: usize, b: usize| f64::from(one(codes.get(n * row..).unwrap_or_default(), b));
            Some((0..rows).flat_map(|n| (0..count).map(move |b| (n, b))).map(|(n, b)| of(n, b)).collect())
        }
    };
    for (p, v) in [(by.scale, &scales), (by.zero_point, &zeros)] {
        if let (Some(p), Some(v)) = (p, v)
            && v.len() != rows * count
        {
            return Err(misfit(p));
        }
    }
    let middle = f64::from(1u16 << (bits - 1));
    let each = |block: usize| {
        let codes = all.get(block * bytes..).unwrap_or_default();
        let (zero, scale) = (zeros.as_ref().map_or(middle, |z| z[block]), scales.as_ref().map_or(1.0, |s| s[block]));
        (0..bytes * 8 / bits).map(|k| ((f64::from(one(codes, k)) - zero) * scale) as f32).collect::<Vec<f32>>()
    };
    Ok((0..rows * count).flat_map(each).collect())
}

/// A copy in which every element whose position along any axis is listed stands for zero.
pub fn mask(t: &TensorProto, gone: &[Option<&[usize]>], by: &Affine) -> Result<TensorProto> {
    let points = parameter(t, by.zero_point, by.axis)?;
    if points.as_ref().is_none_or(|(v, _)| v.iter().all(|z| *z == 0.0)) {
        return zero(t, gone);
    }
    let bits = dtype(t)?.bits();
    if bits > 8 {
        return Err(Error::tensor(t.name(), format!("zero points of {bits} bits are not followed")));
    }
    let dims = shape(t)?;
    let mut codes = unpacked(t)?;
    for (axis, positions) in gone.iter().enumerate() {
        let (Some(positions), Some(&size)) = (positions, dims.get(axis)) else { continue };
        let inner = dims[axis + 1..].iter().product::<usize>();
        let mut away = vec![false; size];
        positions.iter().filter_map(|p| away.get_mut(*p).map(|a| *a = true)).for_each(drop);
        for (i, code) in codes.iter_mut().enumerate() {
            if away[i / inner % size] {
                *code = (value(&points, i, 0.0) as i64 & ((1 << bits) - 1)) as u8;
            }
        }
    }
    let mut out = t.clone();
    out.int32_data = Vec::new();
    out.raw_data = Some(if bits == 8 { Bytes::from(codes) } else { packed(&codes, bits) });
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::DType;
    use super::super::tensor::from_f32;
    use super::*;

    fn codes(name: &str, dims: &[i64], dtype: DType, bytes: &[u8]) -> TensorProto {
        TensorProto {
            name: Some(name.into()),
            dims: dims.to_vec(),
            data_type: Some(dtype as i32),
            raw_data: Some(Bytes::copy_from_slice(bytes)),
            ..TensorProto::default()
        }
    }

    #[test]
    fn one_scale_or_one_for_each_position() {
        let q = codes("q", &[2, 3], DType::Uint8, &[128, 129, 130, 10, 11, 12]);
        let zero = codes("z", &[2], DType::Uint8, &[128, 10]);
        let scale = from_f32("s", &[2], &[0.5, 2.0], DType::Float).unwrap();
        let by = Affine { scale: Some(&scale), zero_point: Some(&zero), axis: 0, packed: None };
        assert_eq!(dequantize(&q, &by).unwrap(), [0.0, 0.5, 1.0, 0.0, 2.0, 4.0]);
        let gone = mask(&q, &[None, Some(&[1])], &by).unwrap();
        assert_eq!(gone.raw_data(), [128, 128, 130, 10, 10, 12]);
        assert_eq!(dequantize(&gone, &by).unwrap(), [0.0, 0.0, 1.0, 0.0, 0.0, 4.0]);
        let three = from_f32("s", &[3], &[1.0, 1.0, 1.0], DType::Float).unwrap();
        assert!(dequantize(&q, &Affine { scale: Some(&three), ..by }).is_err());
    }

    #[test]
    fn blocks_have_a_scale_each() {
        // Signed 4-bit numbers 1 2 3 4, −1 −2 −3 −4; blocks of two on the last axis.
        let q = codes("q", &[2, 4], DType::Int4, &[0x21, 0x43, 0xef, 0xcd]);
        let scale = from_f32("s", &[2, 2], &[1.0, 10.0, 100.0, 1000.0], DType::Float).unwrap();
        let by = Affine { scale: Some(&scale), zero_point: None, axis: 1, packed: None };
        assert_eq!(dequantize(&q, &by).unwrap(), [1.0, 2.0, 30.0, 40.0, -100.0, -200.0, -3000.0, -4000.0]);
    }

    /// Two rows of two blocks of four 4-bit numbers; zero points of a row share a byte.
    #[test]
    fn packed_blocks_have_scales_and_zero_points() {
        let q = codes("q", &[2, 2, 2], DType::Uint8, &[0x98, 0xba, 0x10, 0x32, 0x88, 0x88, 0xff, 0x08]);
        let scale = from_f32("s", &[4], &[1.0, 10.0, 100.0, 0.5], DType::Float).unwrap();
        let by = Affine { scale: Some(&scale), zero_point: None, axis: 1, packed: Some(4) };
        let plain = dequantize(&q, &by).unwrap();
        assert_eq!(plain[..8], [0.0, 1.0, 2.0, 3.0, -80.0, -70.0, -60.0, -50.0]);
        assert_eq!(plain[8..], [0.0, 0.0, 0.0, 0.0, 3.5, 3.5, 0.0, -4.0]);
        assert_eq!(dequantized_shape(&q, &by).unwrap(), [2, 2, 4]);
        let zero = codes("z", &[2], DType::Uint8, &[0x08, 0xf8]);
        let moved = dequantize(&q, &Affine { zero_point: Some(&zero), ..by }).unwrap();
        assert_eq!(moved[..8], [0.0, 1.0, 2.0, 3.0, 0.0, 10.0, 20.0, 30.0]);
        assert_eq!(moved[8..], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -3.5, -7.5]);
    }

    #[test]
    fn narrow_numbers_are_masked_to_their_zero_point() {
        let q = codes("q", &[3], DType::Uint4, &[0x21, 0x03]);
        let zero = codes("z", &[], DType::Uint4, &[0x08]);
        let by = Affine { scale: None, zero_point: Some(&zero), axis: 0, packed: None };
        assert_eq!(mask(&q, &[Some(&[1])], &by).unwrap().raw_data(), [0x81, 0x03]);
    }
}
