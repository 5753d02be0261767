//! Whole numbers that stand for real ones: real = (q − zero point) · scale.

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
}

/// Elements converted at a time by one thread.
const BLOCK: usize = 1 << 14;

/// Finds the parameter of an element.
struct Places {
    /// Positions of the axis, and elements within each.
    size: usize,
    inner: usize,
    kind: Kind,
}

enum Kind {
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
            return Ok(Places { size: 1, inner: 1, kind: Kind::One });
        }
        let size = *dims.get(axis).ok_or_else(misfit)?;
        let inner = dims[axis + 1..].iter().product::<usize>();
        if own == [size] {
            return Ok(Places { size, inner, kind: Kind::Each });
        }
        let fits = own.len() == dims.len() && own.iter().zip(&dims).enumerate().all(|(k, (o, d))| k == axis || o == d);
        let count = own.get(axis).copied().filter(|c| fits && *c > 0).ok_or_else(misfit)?;
        Ok(Places { size, inner, kind: Kind::Blocks { length: size.div_ceil(count), count } })
    }

    fn of(&self, element: usize) -> usize {
        let position = element / self.inner % self.size;
        match self.kind {
            Kind::One => 0,
            Kind::Each => position,
            Kind::Blocks { length, count } => {
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
    let numbers = to_f64_any(t)?;
    let (scale, zero) = (parameter(t, by.scale, by.axis)?, parameter(t, by.zero_point, by.axis)?);
    let one = |(i, q): (usize, &f64)| ((q - value(&zero, i, 0.0)) * value(&scale, i, 1.0)) as f32;
    Ok(numbers.par_iter().enumerate().with_min_len(BLOCK).map(one).collect())
}

/// A copy in which every element whose position along any axis is listed stands for zero.
pub fn silence(t: &TensorProto, gone: &[Option<&[usize]>], by: &Affine) -> Result<TensorProto> {
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
        let by = Affine { scale: Some(&scale), zero_point: Some(&zero), axis: 0 };
        assert_eq!(dequantize(&q, &by).unwrap(), [0.0, 0.5, 1.0, 0.0, 2.0, 4.0]);
        let gone = silence(&q, &[None, Some(&[1])], &by).unwrap();
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
        let by = Affine { scale: Some(&scale), zero_point: None, axis: 1 };
        assert_eq!(dequantize(&q, &by).unwrap(), [1.0, 2.0, 30.0, 40.0, -100.0, -200.0, -3000.0, -4000.0]);
    }

    #[test]
    fn narrow_numbers_are_silenced_to_their_zero_point() {
        let q = codes("q", &[3], DType::Uint4, &[0x21, 0x03]);
        let zero = codes("z", &[], DType::Uint4, &[0x08]);
        let by = Affine { scale: None, zero_point: Some(&zero), axis: 0 };
        assert_eq!(silence(&q, &[Some(&[1])], &by).unwrap().raw_data(), [0x81, 0x03]);
    }
}
