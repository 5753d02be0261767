//! Elements of tensors as Rust numbers.

use std::borrow::Cow;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::dtype::DType;
use super::proto::TensorProto;
use super::tensor::{Storage, dtype, len, storage};
use super::{Error, Result};

/// Elements converted at a time by one thread.
const BLOCK: usize = 1 << 16;

/// Float tensor (float32, float64, float16, bfloat16) as float32; borrowed when stored as such.
/// Errors on other types; float64 is rounded.
pub fn to_f32(t: &TensorProto) -> Result<Cow<'_, [f32]>> {
    let dtype = dtype(t)?;
    match (dtype, storage(t)?) {
        (DType::Float, Storage::Float(v)) => Ok(Cow::Borrowed(v)),
        (DType::Float, Storage::Raw(raw)) => Ok(blocks(raw, 4, |src, dst| {
            words(src, dst, |c: [u8; 4]| f32::from_le_bytes(c));
        })),
        (DType::Double, Storage::Double(v)) => Ok(v.iter().map(|&x| x as f32).collect()),
        (DType::Double, Storage::Raw(raw)) => Ok(blocks(raw, 8, |src, dst| {
            words(src, dst, |c: [u8; 8]| f64::from_le_bytes(c) as f32);
        })),
        (DType::Float16, Storage::Raw(raw)) => Ok(blocks(raw, 2, |src, dst| {
            let mut halves = vec![f16::ZERO; dst.len()];
            words(src, &mut halves, f16::from_le_bytes);
            halves.convert_to_f32_slice(dst);
        })),
        (DType::Bfloat16, Storage::Raw(raw)) => Ok(blocks(raw, 2, |src, dst| {
            words(src, dst, |c: [u8; 2]| bf16::from_le_bytes(c).to_f32());
        })),
        (DType::Float16, Storage::Int32(v)) => Ok(v.iter().map(|&b| f16::from_bits(b as u16).to_f32()).collect()),
        (DType::Bfloat16, Storage::Int32(v)) => Ok(v.iter().map(|&b| bf16::from_bits(b as u16).to_f32()).collect()),
        _ => Err(wrong_type(t, dtype, "float32")),
    }
}

/// Integer or boolean tensor as int64. Errors on other types and on uint64 values beyond int64.
pub fn to_i64(t: &TensorProto) -> Result<Vec<i64>> {
    let dtype = dtype(t)?;
    if !dtype.is_int() {
        return Err(wrong_type(t, dtype, "int64"));
    }
    let count = len(t)?;
    let too_big = |v| Error::tensor(t.name(), format!("{v} does not fit in int64"));
    Ok(match storage(t)? {
        Storage::Int64(v) => v.to_vec(),
        Storage::Uint64(v) => v.iter().map(|&u| i64::try_from(u).map_err(|_| too_big(u))).collect::<Result<_>>()?,
        Storage::Int32(v) => match dtype.bits() {
            bits @ (2 | 4) => {
                let bytes: Vec<u8> = v.iter().map(|&w| w as u8).collect();
                unpack(&bytes, bits, count, dtype).collect()
            }
            _ => v.iter().map(|&w| narrow(w, dtype)).collect(),
        },
        Storage::Raw(raw) => match dtype {
            DType::Int64 => each(raw, i64::from_le_bytes),
            DType::Int32 => each(raw, |c| i64::from(i32::from_le_bytes(c))),
            DType::Uint32 => each(raw, |c| i64::from(u32::from_le_bytes(c))),
            DType::Int16 => each(raw, |c| i64::from(i16::from_le_bytes(c))),
            DType::Uint16 => each(raw, |c| i64::from(u16::from_le_bytes(c))),
            DType::Int8 => each(raw, |[b]: [u8; 1]| i64::from(b as i8)),
            DType::Uint8 | DType::Bool => each(raw, |[b]: [u8; 1]| i64::from(b)),
            DType::Uint64 => {
                let values: Vec<u64> = each(raw, u64::from_le_bytes);
                values.into_iter().map(|u| i64::try_from(u).map_err(|_| too_big(u))).collect::<Result<_>>()?
            }
            _ => unpack(raw, dtype.bits(), count, dtype).collect(),
        },
        _ => return Err(wrong_type(t, dtype, "int64")),
    })
}

/// Any real numeric tensor as float64, exact but for 64-bit integers beyond 2^53. Errors on strings and complex
/// numbers.
pub fn to_f64_any(t: &TensorProto) -> Result<Vec<f64>> {
    let dtype = dtype(t)?;
    if dtype == DType::Uint64 {
        return Ok(match storage(t)? {
            Storage::Raw(raw) => each(raw, |c| u64::from_le_bytes(c) as f64),
            Storage::Uint64(v) => v.iter().map(|&u| u as f64).collect(),
            _ => return Err(wrong_type(t, dtype, "float64")),
        });
    }
    if dtype.is_int() {
        return Ok(to_i64(t)?.into_iter().map(|v| v as f64).collect());
    }
    Ok(match (dtype, storage(t)?) {
        (DType::Double, Storage::Double(v)) => v.to_vec(),
        (DType::Double, Storage::Raw(raw)) => each(raw, f64::from_le_bytes),
        (DType::Float | DType::Float16 | DType::Bfloat16, _) => to_f32(t)?.iter().map(|&v| f64::from(v)).collect(),
        (d, Storage::Raw(raw)) if d.is_float() => {
            codes(raw, d.bits(), len(t)?).map(|code| small_float(code, d)).collect()
        }
        (DType::Float4e2m1, Storage::Int32(v)) => {
            let bytes: Vec<u8> = v.iter().map(|&w| w as u8).collect();
            codes(&bytes, 4, len(t)?).map(|code| small_float(code, dtype)).collect()
        }
        (d, Storage::Int32(v)) if d.is_float() => v.iter().map(|&w| small_float(w as u8, d)).collect(),
        _ => return Err(wrong_type(t, dtype, "float64")),
    })
}

fn wrong_type(t: &TensorProto, dtype: DType, wanted: &str) -> Error {
    Error::tensor(t.name(), format!("is of type {}, which cannot be read as {wanted}", dtype.name()))
}

fn words<const N: usize, T>(src: &[u8], dst: &mut [T], convert: impl Fn([u8; N]) -> T) {
    let (chunks, _) = src.as_chunks::<N>();
    for (d, c) in dst.iter_mut().zip(chunks) {
        *d = convert(*c);
    }
}

fn each<const N: usize, T>(src: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    src.as_chunks::<N>().0.iter().map(|c| convert(*c)).collect()
}

/// Converts in blocks, on all cores when there is more than one block.
fn blocks(raw: &[u8], width: usize, convert: impl Fn(&[u8], &mut [f32]) + Sync) -> Cow<'static, [f32]> {
    let mut out = vec![0.0f32; raw.len() / width];
    if out.len() <= BLOCK {
        convert(raw, &mut out);
    } else {
        out.par_chunks_mut(BLOCK).zip(raw.par_chunks(BLOCK * width)).for_each(|(dst, src)| convert(src, dst));
    }
    Cow::Owned(out)
}

fn narrow(w: i32, dtype: DType) -> i64 {
    match dtype {
        DType::Int8 => i64::from(w as i8),
        DType::Uint8 => i64::from(w as u8),
        DType::Int16 => i64::from(w as i16),
        DType::Uint16 => i64::from(w as u16),
        _ => i64::from(w),
    }
}

/// Elements narrower than a byte, as a bit stream, lowest bits first.
pub(super) fn codes(bytes: &[u8], bits: usize, count: usize) -> impl Iterator<Item = u8> {
    let mask = ((1u16 << bits) - 1) as u8;
    (0..count).map(move |i| {
        let at = i * bits;
        let byte = |k: usize| u16::from(bytes.get(k).copied().unwrap_or_default());
        let window = byte(at / 8) | (byte(at / 8 + 1) << 8);
        (window >> (at % 8)) as u8 & mask
    })
}

fn unpack(bytes: &[u8], bits: usize, count: usize, dtype: DType) -> impl Iterator<Item = i64> {
    let signed = matches!(dtype, DType::Int4 | DType::Int2);
    codes(bytes, bits, count).map(move |code| {
        let value = i64::from(code);
        if signed && code >> (bits - 1) & 1 == 1 { value - (1 << bits) } else { value }
    })
}

/// Value of a float of at most 8 bits.
fn small_float(code: u8, dtype: DType) -> f64 {
    use DType::*;
    let (exponent_bits, mantissa_bits, bias) = match dtype {
        Float8e8m0 if code == 0xff => return f64::NAN,
        Float8e8m0 => return 2f64.powi(i32::from(code) - 127),
        Float8e4m3fn => (4, 3, 7),
        Float8e4m3fnuz => (4, 3, 8),
        Float8e5m2 => (5, 2, 15),
        Float8e5m2fnuz => (5, 2, 16),
        Float6e2m3 => (2, 3, 1),
        Float6e3m2 => (3, 2, 3),
        _ => (2, 1, 1),
    };
    let mantissa = code & ((1 << mantissa_bits) - 1);
    let exponent = code >> mantissa_bits & ((1 << exponent_bits) - 1);
    let sign = if code >> (mantissa_bits + exponent_bits) & 1 == 1 { -1.0 } else { 1.0 };
    match dtype {
        Float8e4m3fn if code & 0x7f == 0x7f => return f64::NAN,
        Float8e4m3fnuz | Float8e5m2fnuz if code == 0x80 => return f64::NAN,
        Float8e5m2 if exponent == 0x1f => return if mantissa == 0 { sign * f64::INFINITY } else { f64::NAN },
        _ => {}
    }
    let fraction = f64::from(mantissa) / f64::from(1u32 << mantissa_bits);
    match exponent {
        0 => sign * fraction * 2f64.powi(1 - bias),
        e => sign * (1.0 + fraction) * 2f64.powi(i32::from(e) - bias),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_floats_have_the_published_values() {
        assert_eq!(small_float(0x7e, DType::Float8e4m3fn), 448.0);
        assert_eq!(small_float(0x7b, DType::Float8e5m2), 57344.0);
        assert_eq!(small_float(0x7f, DType::Float8e4m3fnuz), 240.0);
        assert_eq!(small_float(0x7f, DType::Float8e5m2fnuz), 57344.0);
        assert_eq!(small_float(0x7, DType::Float4e2m1), 6.0);
        assert_eq!(small_float(0x1f, DType::Float6e2m3), 7.5);
        assert_eq!(small_float(0x1f, DType::Float6e3m2), 28.0);
        assert_eq!(small_float(127, DType::Float8e8m0), 1.0);
        assert!(small_float(0x7c, DType::Float8e5m2).is_infinite());
    }

    #[test]
    fn narrow_integers_unpack_lowest_bits_first() {
        assert_eq!(unpack(&[0x2f, 0x08], 4, 3, DType::Int4).collect::<Vec<_>>(), [-1, 2, -8]);
        assert_eq!(unpack(&[0b11_10_01_00], 2, 4, DType::Uint2).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(codes(&[0x41, 0x30, 0x04], 6, 3).collect::<Vec<_>>(), [1, 1, 3]);
    }
}
