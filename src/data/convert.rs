//! Element types: what data has is made what a model takes, where that loses nothing but precision of floats.

use half::{bf16, f16};

use crate::hint::Hint;
use crate::onnx::DType;
use crate::runtime::{Data, Tensor};

/// Floats as any float type, or as integers where every value is one.
pub(super) fn from_f32(values: Vec<f32>, dtype: DType) -> Result<Data, String> {
    if dtype == DType::Float {
        return Ok(Data::F32(values));
    }
    from_f64(values.into_iter().map(f64::from), dtype)
}

/// `tensor` with elements of type `dtype`.
pub(super) fn convert(tensor: Tensor, dtype: DType) -> Result<Tensor, String> {
    if tensor.dtype() == dtype {
        return Ok(tensor);
    }
    let values = tensor.to_f64_vec();
    let data = from_f64(values.into_iter(), dtype)?;
    Tensor::new(tensor.shape(), data).map_err(|e| e.to_string())
}

/// Integers of 53 bits and more are not exact in a float64.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn from_f64(values: impl Iterator<Item = f64>, dtype: DType) -> Result<Data, String> {
    macro_rules! integers {
        ($ty:ty) => {{
            let whole = |x: f64| {
                let fits = x.trunc() == x && x.abs() < EXACT && x >= <$ty>::MIN as f64 && x <= <$ty>::MAX as f64;
                fits.then_some(x as $ty).ok_or_else(|| format!("{x} is no {}", dtype.name()))
            };
            Data::from(values.map(whole).collect::<Result<Vec<$ty>, _>>()?)
        }};
    }
    Ok(match dtype {
        DType::Float => Data::F32(values.map(|x| x as f32).collect()),
        DType::Double => Data::F64(values.collect()),
        DType::Float16 => Data::F16(values.map(f16::from_f64).collect()),
        DType::Bfloat16 => Data::BF16(values.map(bf16::from_f64).collect()),
        DType::Int64 => integers!(i64),
        DType::Int32 => integers!(i32),
        DType::Int16 => integers!(i16),
        DType::Int8 => integers!(i8),
        DType::Uint64 => integers!(u64),
        DType::Uint32 => integers!(u32),
        DType::Uint16 => integers!(u16),
        DType::Uint8 => integers!(u8),
        DType::Bool => {
            let truth = |x: f64| match x {
                0.0 => Ok(false),
                1.0 => Ok(true),
                x => Err(format!("{x} is no bool")),
            };
            Data::Bool(values.map(truth).collect::<Result<_, _>>()?)
        }
        other => return Err(format!("inputs of type {} cannot be fed", other.name())),
    })
}

/// Little-endian bytes as elements of type `dtype`.
pub(super) fn from_bytes(bytes: &[u8], dtype: DType) -> Option<Data> {
    macro_rules! each {
        ($ty:ty) => {{
            let (chunks, rest) = bytes.as_chunks::<{ size_of::<$ty>() }>();
            rest.is_empty().then(|| Data::from(chunks.iter().map(|c| <$ty>::from_le_bytes(*c)).collect::<Vec<$ty>>()))
        }};
    }
    match dtype {
        DType::Float => each!(f32),
        DType::Double => each!(f64),
        DType::Float16 => each!(f16),
        DType::Bfloat16 => each!(bf16),
        DType::Int64 => each!(i64),
        DType::Int32 => each!(i32),
        DType::Int16 => each!(i16),
        DType::Int8 => each!(i8),
        DType::Uint64 => each!(u64),
        DType::Uint32 => each!(u32),
        DType::Uint16 => each!(u16),
        DType::Uint8 => each!(u8),
        DType::Bool => Some(Data::Bool(bytes.iter().map(|b| *b != 0).collect())),
        _ => None,
    }
}

/// Row `index` of a tensor along its first axis.
pub(super) fn row(tensor: &Tensor, index: usize) -> Option<Tensor> {
    let (count, shape) = tensor.shape().split_first()?;
    let size = tensor.len().checked_div(*count)?;
    let range = index.checked_mul(size)?..index.checked_add(1)?.checked_mul(size)?;
    macro_rules! cut {
        ($($view:ident),*) => {
            match tensor.data() {
                $(Data::$view(v) => Data::$view(v.get(range)?.to_vec()),)*
            }
        };
    }
    let data = cut!(F32, F64, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, Bool);
    Tensor::new(shape, data).ok()
}

/// Tensors of one shape and type on top of each other, with the last repeated until there are `rows`.
pub(super) fn stack(tensors: Vec<Tensor>, rows: usize) -> Result<Tensor, String> {
    let Some(first) = tensors.first() else { return Err("nothing to stack".into()) };
    let (row, dtype) = (first.shape().to_vec(), first.dtype());
    if let Some(other) = tensors.iter().find(|t| t.shape() != row || t.dtype() != dtype) {
        let why = format!("samples of shapes {row:?} and {:?} cannot go into one batch", other.shape());
        return Err(format!("{why}: a resize, crop or letterbox step makes them equal, or {} 1", Hint::Batch));
    }
    let count = rows.max(tensors.len());
    let shape: Vec<usize> = std::iter::once(count).chain(row).collect();
    let mut parts: Vec<Data> = tensors.into_iter().map(|t| t.into_parts().1).collect();
    let last = parts.last().cloned();
    parts.extend(last.into_iter().cycle().take(count - parts.len()));
    macro_rules! join {
        ($($view:ident),*) => {
            match parts.first() {
                $(Some(Data::$view(v)) => {
                    let mut all = Vec::with_capacity(v.len() * count);
                    for part in &parts {
                        if let Data::$view(v) = part {
                            all.extend_from_slice(v);
                        }
                    }
                    Data::$view(all)
                })*
                _ => return Err("nothing to stack".into()),
            }
        };
    }
    let data = join!(F32, F64, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, Bool);
    Tensor::new(shape, data).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_in_range_become_integers() {
        let t = |v: f64| Tensor::new([1], vec![v]).unwrap();
        assert_eq!(convert(t(-3.0), DType::Int8).unwrap().data(), &Data::I8(vec![-3]));
        for (bad, dtype) in [(0.5, DType::Int32), (-1.0, DType::Uint8), (300.0, DType::Int8), (1e300, DType::Int64)] {
            assert!(convert(t(bad), dtype).is_err(), "{bad} {}", dtype.name());
        }
        assert!(convert(t(f64::NAN), DType::Int64).is_err());
        assert_eq!(convert(t(1.0), DType::Bool).unwrap().data(), &Data::Bool(vec![true]));
    }

    #[test]
    fn batches_are_filled_up_with_the_last_row() {
        let rows = vec![Tensor::new([2], vec![1f32, 2.0]).unwrap(), Tensor::new([2], vec![3f32, 4.0]).unwrap()];
        let all = stack(rows, 3).unwrap();
        assert_eq!((all.shape(), all.as_f32().unwrap()), (&[3, 2][..], &[1.0, 2.0, 3.0, 4.0, 3.0, 4.0][..]));
        let uneven = vec![Tensor::new([1], vec![1f32]).unwrap(), Tensor::new([2], vec![3f32, 4.0]).unwrap()];
        assert!(stack(uneven, 0).unwrap_err().contains("[1] and [2]"));
    }
}
