//! Elements of a tensor as bytes, for what does not fit in memory.

use std::io::{self, Read, Write};

use half::{bf16, f16};

use super::values::{element_count, for_each_type};
use super::{DType, Data, Error, Result, Tensor};

/// Elements that are turned into bytes at a time.
const CHUNK: usize = 1 << 14;

/// An element as bytes of this machine.
trait Raw: Copy {
    const SIZE: usize;
    fn put(self, to: &mut [u8]);
    fn get(from: &[u8]) -> Option<Self>;
}

macro_rules! raw {
    ($($ty:ty)*) => {$(
        impl Raw for $ty {
            const SIZE: usize = size_of::<$ty>();
            fn put(self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_ne_bytes());
            }
            fn get(from: &[u8]) -> Option<Self> {
                Some(<$ty>::from_ne_bytes(from.try_into().ok()?))
            }
        }
    )*};
}
raw!(f32 f64 f16 bf16 i64 i32 i16 i8 u64 u32 u16 u8);

impl Raw for bool {
    const SIZE: usize = 1;
    fn put(self, to: &mut [u8]) {
        to[0] = u8::from(self);
    }
    fn get(from: &[u8]) -> Option<Self> {
        from.first().map(|b| *b != 0)
    }
}

impl Tensor {
    /// Bytes that the elements take.
    pub fn bytes(&self) -> u64 {
        for_each_type!(self.data(), v => size_of_val(v.as_slice())) as u64
    }

    /// Writes the elements, as this machine holds them.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_raw(&self, to: &mut dyn Write) -> io::Result<()> {
        for_each_type!(self.data(), v => write(v, to))
    }

    /// The elements as files hold them: little-endian, one after the other.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        for_each_type!(self.data(), v => le_bytes(v))
    }

    /// A tensor from elements as files hold them.
    ///
    /// # Errors
    /// When there are more or fewer than the shape says, or for an element type that no tensor has.
    pub fn from_le_bytes(dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Tensor> {
        let refuse = || Error { why: format!("{} bytes for {} of shape {shape:?}", bytes.len(), dtype.name()) };
        let fits = element_count(shape).and_then(|n| dtype.bytes_for(n)) == Some(bytes.len());
        let mut native = bytes.to_vec();
        swap(&mut native, dtype.bits() / 8);
        Tensor::read_raw(dtype, shape, &mut native.as_slice()).ok().filter(|_| fits).ok_or_else(refuse)
    }

    /// Reads a tensor that [`write_raw`](Self::write_raw) wrote on this machine.
    ///
    /// # Errors
    /// When reading fails, or for an element type that no tensor has.
    pub fn read_raw(dtype: DType, shape: &[usize], from: &mut dyn Read) -> io::Result<Tensor> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no tensor");
        let n = element_count(shape).ok_or_else(wrong)?;
        let data = match dtype {
            DType::Float => Data::F32(read(n, from)?),
            DType::Double => Data::F64(read(n, from)?),
            DType::Float16 => Data::F16(read(n, from)?),
            DType::Bfloat16 => Data::BF16(read(n, from)?),
            DType::Int64 => Data::I64(read(n, from)?),
            DType::Int32 => Data::I32(read(n, from)?),
            DType::Int16 => Data::I16(read(n, from)?),
            DType::Int8 => Data::I8(read(n, from)?),
            DType::Uint64 => Data::U64(read(n, from)?),
            DType::Uint32 => Data::U32(read(n, from)?),
            DType::Uint16 => Data::U16(read(n, from)?),
            DType::Uint8 => Data::U8(read(n, from)?),
            DType::Bool => Data::Bool(read(n, from)?),
            _ => return Err(wrong()),
        };
        Tensor::new(shape, data).map_err(|_| wrong())
    }
}

fn le_bytes<T: Raw>(values: &[T]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(values)];
    values.iter().zip(bytes.chunks_exact_mut(T::SIZE)).for_each(|(v, b)| v.put(b));
    swap(&mut bytes, T::SIZE);
    bytes
}

/// Turns the order of this machine into that of files, and back.
fn swap(bytes: &mut [u8], size: usize) {
    if cfg!(target_endian = "big") && size > 1 {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

fn write<T: Raw>(values: &[T], to: &mut dyn Write) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK.min(values.len()) * T::SIZE];
    for part in values.chunks(CHUNK) {
        let bytes = &mut bytes[..part.len() * T::SIZE];
        part.iter().zip(bytes.chunks_exact_mut(T::SIZE)).for_each(|(v, b)| v.put(b));
        to.write_all(bytes)?;
    }
    Ok(())
}

fn read<T: Raw>(count: usize, from: &mut dyn Read) -> io::Result<Vec<T>> {
    let mut out = Vec::with_capacity(count);
    let mut bytes = vec![0; CHUNK.min(count) * T::SIZE];
    while out.len() < count {
        let bytes = &mut bytes[..CHUNK.min(count - out.len()) * T::SIZE];
        from.read_exact(bytes)?;
        out.extend(bytes.chunks_exact(T::SIZE).filter_map(T::get));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_as_they_went() {
        let many = Tensor::new([CHUNK + 3], (0..CHUNK + 3).map(|i| i as f32 / 7.0).collect::<Vec<_>>()).unwrap();
        let half = Tensor::new([2], vec![f16::from_f32(0.5), f16::NAN]).unwrap();
        let truth = Tensor::new([1, 3], vec![true, false, true]).unwrap();
        let whole = Tensor::new([2], vec![i64::MIN, 7]).unwrap();
        for t in [many, half, truth, whole] {
            let mut bytes = Vec::new();
            t.write_raw(&mut bytes).unwrap();
            assert_eq!(bytes.len() as u64, t.bytes());
            let back = Tensor::read_raw(t.dtype(), t.shape(), &mut bytes.as_slice()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{t:?}"));
            assert!(Tensor::read_raw(t.dtype(), &[t.len() + 1], &mut bytes.as_slice()).is_err());
        }
    }
}
