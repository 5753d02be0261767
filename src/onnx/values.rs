//! Tensors of the file format as tensors, and back.

use super::proto::TensorProto;
use super::tensor::{dtype, raw_tensor, shape};
use super::{Error, Result, to_f32, to_f64_any, to_i64};
use crate::tensor::{DType, Data, Tensor};

/// The element type of a tensor; `Undefined` where its number is none.
pub fn dtype_of(t: &TensorProto) -> DType {
    DType::of(t.data_type())
}

/// The contents of a tensor. Types narrower than a byte come as bytes, floats of 8 bits and less as `f32`.
///
/// # Errors
/// When it contradicts itself, or holds text or complex numbers.
pub fn to_tensor(t: &TensorProto) -> Result<Tensor> {
    let data: Data = match dtype(t)? {
        DType::Double => to_f64_any(t)?.into(),
        DType::Float16 => to_f32(t)?.iter().map(|v| half::f16::from_f32(*v)).collect::<Vec<_>>().into(),
        DType::Bfloat16 => to_f32(t)?.iter().map(|v| half::bf16::from_f32(*v)).collect::<Vec<_>>().into(),
        d if d.is_float() => to_f32(t)?.into_owned().into(),
        DType::Bool => to_i64(t)?.into_iter().map(|v| v != 0).collect::<Vec<_>>().into(),
        DType::Int32 => to_i64(t)?.into_iter().map(|v| v as i32).collect::<Vec<_>>().into(),
        DType::Int16 => to_i64(t)?.into_iter().map(|v| v as i16).collect::<Vec<_>>().into(),
        DType::Int8 | DType::Int4 | DType::Int2 => to_i64(t)?.into_iter().map(|v| v as i8).collect::<Vec<_>>().into(),
        DType::Uint64 => to_i64(t)?.into_iter().map(|v| v as u64).collect::<Vec<_>>().into(),
        DType::Uint32 => to_i64(t)?.into_iter().map(|v| v as u32).collect::<Vec<_>>().into(),
        DType::Uint16 => to_i64(t)?.into_iter().map(|v| v as u16).collect::<Vec<_>>().into(),
        DType::Uint8 | DType::Uint4 | DType::Uint2 => {
            to_i64(t)?.into_iter().map(|v| v as u8).collect::<Vec<_>>().into()
        }
        _ => to_i64(t)?.into(),
    };
    Tensor::new(shape(t)?, data).map_err(|e| Error::tensor(t.name(), e.why))
}

/// A tensor as the file format has it, with its elements in `raw_data`.
pub fn from_tensor(name: &str, t: &Tensor) -> TensorProto {
    raw_tensor(name, t.shape().iter().map(|d| *d as i64).collect(), t.dtype(), t.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_as_they_went() {
        let whole: Tensor = Tensor::new([2, 1], vec![i64::MIN, 7]).unwrap();
        let half = Tensor::new([2], vec![half::f16::from_f32(0.5), half::f16::MAX]).unwrap();
        let truth = Tensor::new([3], vec![true, false, true]).unwrap();
        let small = Tensor::new([2], vec![-3i8, 7]).unwrap();
        let large = Tensor::new([1], vec![u32::MAX]).unwrap();
        for t in [whole, half, truth, small, large] {
            assert_eq!(to_tensor(&from_tensor("t", &t)).unwrap(), t);
        }
        let text = TensorProto { data_type: Some(DType::String as i32), ..TensorProto::default() };
        assert!(to_tensor(&text).is_err());
    }
}
