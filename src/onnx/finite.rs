//! Search for NaN and infinity.

use rayon::prelude::*;

use super::Result;
use super::dtype::DType;
use super::proto::TensorProto;
use super::tensor::{Storage, dtype, storage};

/// Elements searched at a time by one thread.
const BLOCK: usize = 1 << 16;

/// Index of the first NaN or infinity of a float tensor; `None` for other types and for types narrower than 8 bits,
/// which have no such values.
pub fn has_non_finite(t: &TensorProto) -> Result<Option<usize>> {
    let dtype = dtype(t)?;
    if !dtype.is_float() {
        return Ok(None);
    }
    Ok(match (dtype, storage(t)?) {
        (DType::Float, Storage::Raw(raw)) => words(raw, |c| u32::from_le_bytes(c) & 0x7f80_0000 == 0x7f80_0000),
        (DType::Float16, Storage::Raw(raw)) => words(raw, |c| bad_code(u16::from_le_bytes(c), dtype)),
        (DType::Bfloat16, Storage::Raw(raw)) => words(raw, |c| bad_code(u16::from_le_bytes(c), dtype)),
        (DType::Double, Storage::Raw(raw)) => words(raw, |c| !f64::from_le_bytes(c).is_finite()),
        (_, Storage::Float(v)) => v.par_iter().with_min_len(BLOCK).position_first(|x| !x.is_finite()),
        (_, Storage::Double(v)) => v.par_iter().with_min_len(BLOCK).position_first(|x| !x.is_finite()),
        (_, Storage::Raw(raw)) => words(raw, |[b]: [u8; 1]| bad_code(u16::from(b), dtype)),
        (_, Storage::Int32(v)) => v.iter().position(|&w| bad_code(w as u16, dtype)),
        _ => None,
    })
}

fn words<const N: usize>(raw: &[u8], bad: impl Fn([u8; N]) -> bool + Sync) -> Option<usize> {
    let (chunks, _) = raw.as_chunks::<N>();
    // A branch-free count per block vectorises; only a hit is searched again.
    let hit = |block: &[[u8; N]]| block.iter().fold(false, |any, c| any | bad(*c));
    let block = chunks.par_chunks(BLOCK).position_first(hit)?;
    let start = block * BLOCK;
    chunks.get(start..)?.iter().position(|c| bad(*c)).map(|i| start + i)
}

fn bad_code(code: u16, dtype: DType) -> bool {
    match dtype {
        DType::Float16 => code & 0x7c00 == 0x7c00,
        DType::Bfloat16 => code & 0x7f80 == 0x7f80,
        DType::Float8e4m3fn => code & 0x7f == 0x7f,
        DType::Float8e5m2 => code & 0x7c == 0x7c,
        DType::Float8e4m3fnuz | DType::Float8e5m2fnuz => code & 0xff == 0x80,
        DType::Float8e8m0 => code & 0xff == 0xff,
        _ => false,
    }
}
