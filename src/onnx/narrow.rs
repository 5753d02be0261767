//! Elements narrower than a byte: one to a byte while they are worked on, packed again afterwards.

use bytes::Bytes;

use super::decode::codes;
use super::proto::TensorProto;
use super::tensor::{Storage, dtype, len, storage};
use super::{Error, Result};

/// The elements of a tensor of at most 8 bits, one to a byte, without a sign.
pub(super) fn unpacked(t: &TensorProto) -> Result<Vec<u8>> {
    let (bits, count) = (dtype(t)?.bits(), len(t)?);
    if !(1..=8).contains(&bits) {
        return Err(Error::tensor(t.name(), format!("has elements of {bits} bits where at most 8 are expected")));
    }
    Ok(match storage(t)? {
        Storage::Raw(raw) => codes(raw, bits, count).collect(),
        // An entry for each, or an entry for a byte of them.
        Storage::Int32(v) if v.len() == count => v.iter().map(|&w| w as u8).collect(),
        Storage::Int32(v) => {
            let bytes: Vec<u8> = v.iter().map(|&w| w as u8).collect();
            codes(&bytes, bits, count).collect()
        }
        _ => Vec::new(),
    })
}

/// Elements of `bits` bits as a bit stream, lowest bits first.
pub(super) fn packed(codes: &[u8], bits: usize) -> Bytes {
    let mut out = vec![0u8; (codes.len() * bits).div_ceil(8)];
    for (i, &code) in codes.iter().enumerate() {
        let at = i * bits;
        let window = u16::from(code) << (at % 8);
        for (k, byte) in window.to_le_bytes().into_iter().enumerate() {
            if let Some(slot) = out.get_mut(at / 8 + k) {
                *slot |= byte;
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_the_inverse_of_unpacking() {
        for bits in [2, 4, 6, 8] {
            let all: Vec<u8> = (0..37u8).map(|i| i.wrapping_mul(91) & ((1u16 << bits) - 1) as u8).collect();
            assert_eq!(codes(&packed(&all, bits), bits, all.len()).collect::<Vec<_>>(), all, "{bits} bits");
        }
    }
}
