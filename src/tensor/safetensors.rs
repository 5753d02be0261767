//! Tensors in the safetensors format.

use ::safetensors::{Dtype, SafeTensors, View, serialize};

use super::{DType, Error, Result, Tensor};

/// The element type that the format's is; `None` where there is none.
pub fn dtype(of: Dtype) -> Option<DType> {
    TYPES.iter().find(|(theirs, _)| *theirs == of).map(|(_, ours)| *ours)
}

/// Types that both have.
const TYPES: &[(Dtype, DType)] = &[
    (Dtype::BOOL, DType::Bool),
    (Dtype::U8, DType::Uint8),
    (Dtype::I8, DType::Int8),
    (Dtype::U16, DType::Uint16),
    (Dtype::I16, DType::Int16),
    (Dtype::U32, DType::Uint32),
    (Dtype::I32, DType::Int32),
    (Dtype::U64, DType::Uint64),
    (Dtype::I64, DType::Int64),
    (Dtype::F16, DType::Float16),
    (Dtype::BF16, DType::Bfloat16),
    (Dtype::F32, DType::Float),
    (Dtype::F64, DType::Double),
];

/// A tensor as the format wants it.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Named tensors as the bytes of a file.
///
/// # Errors
/// When a tensor is of a type that the format lacks.
pub fn write(tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let stored = |(name, t): &(String, Tensor)| {
        let kind = TYPES.iter().find(|(_, ours)| *ours == t.dtype()).map(|(theirs, _)| *theirs);
        let dtype = kind.ok_or_else(|| Error { why: format!("'{name}': no {} here", t.dtype().name()) })?;
        Ok((name.clone(), Stored { dtype, shape: t.shape().to_vec(), bytes: t.to_le_bytes() }))
    };
    let stored: Vec<(String, Stored)> = tensors.iter().map(stored).collect::<Result<_>>()?;
    serialize(stored, None).map_err(|e| Error { why: e.to_string() })
}

/// The tensors of a file, in the order of their names.
///
/// # Errors
/// When the bytes are no such file, or hold a type that tensors lack.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error { why: e.to_string() })?;
    let mut out = Vec::new();
    for (name, view) in file.iter() {
        let unknown = || Error { why: format!("'{name}' has elements of {:?}", view.dtype()) };
        let dtype = dtype(view.dtype()).ok_or_else(unknown)?;
        out.push((name.to_owned(), Tensor::from_le_bytes(dtype, view.shape(), view.data())?));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_as_they_went() {
        let whole = Tensor::new([2, 1], vec![i64::MIN, 7]).unwrap();
        let half = Tensor::new([2], vec![half::f16::from_f32(0.5), half::f16::MAX]).unwrap();
        let truth = Tensor::new([], vec![true]).unwrap();
        let all = [("a", half), ("b", truth), ("w", whole)].map(|(n, t)| (n.to_owned(), t));
        let bytes = write(&all).unwrap();
        assert_eq!(read(&bytes).unwrap(), all);
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
    }
}
