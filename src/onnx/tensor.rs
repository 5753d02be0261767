//! Shapes and storage of tensors.

use bytes::Bytes;
use half::{bf16, f16};

use super::dtype::{DType, Field};
use super::proto::tensor_proto::DataLocation;
use super::proto::{SparseTensorProto, TensorProto};
use super::{Error, Result};

/// Where the elements of a tensor lie.
pub(crate) enum Storage<'a> {
    Raw(&'a Bytes),
    Float(&'a [f32]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Uint64(&'a [u64]),
    Double(&'a [f64]),
    Strings(&'a [Vec<u8>]),
}

/// Element type. Errors on numbers that the format does not define.
pub(crate) fn dtype(t: &TensorProto) -> Result<DType> {
    let number = t.data_type.unwrap_or_default();
    match DType::try_from(number) {
        Ok(d) if d != DType::Undefined => Ok(d),
        _ => Err(Error::tensor(t.name(), format!("element type {number} is not known"))),
    }
}

/// Dimensions. Errors on negative ones.
pub fn shape(t: &TensorProto) -> Result<Vec<usize>> {
    let size = |&d| usize::try_from(d).map_err(|_| Error::tensor(t.name(), format!("dimension {d} is out of range")));
    t.dims.iter().map(size).collect()
}

/// Number of elements: the product of the dimensions, 1 for a scalar. Errors on negative dimensions and on overflow.
pub fn len(t: &TensorProto) -> Result<usize> {
    let dims = shape(t)?;
    product(&dims).ok_or_else(|| Error::tensor(t.name(), format!("dimensions {dims:?} overflow")))
}

/// Checked product. An overflow hidden by a zero dimension counts as well: strides would overflow.
pub(crate) fn product(dims: &[usize]) -> Option<usize> {
    let nonzero = dims.iter().filter(|&&d| d != 0).try_fold(1usize, |a, &d| a.checked_mul(d))?;
    Some(if dims.contains(&0) { 0 } else { nonzero })
}

/// The elements, with their number checked against the dimensions.
pub(crate) fn storage(t: &TensorProto) -> Result<Storage<'_>> {
    let (dtype, count) = (dtype(t)?, len(t)?);
    if t.data_location == Some(DataLocation::External as i32) {
        return Err(Error::tensor(t.name(), "its external data is not loaded"));
    }
    if t.segment.is_some() {
        return Err(Error::tensor(t.name(), "is stored in segments, which no runtime reads"));
    }
    let overflow = || Error::tensor(t.name(), format!("{count} elements of {} overflow", dtype.name()));
    if let Some(raw) = &t.raw_data {
        // An empty raw_data beside typed data is a default that some writers emit.
        if !raw.is_empty() || count == 0 && dtype != DType::String {
            if dtype == DType::String {
                return Err(Error::tensor(t.name(), "strings cannot lie in raw_data"));
            }
            let need = dtype.bytes_for(count).ok_or_else(overflow)?;
            check_len(t, raw.len(), need, "bytes of raw_data")?;
            return Ok(Storage::Raw(raw));
        }
    }
    let need = dtype.entries_for(count).ok_or_else(overflow)?;
    let field = dtype.field().ok_or_else(|| Error::tensor(t.name(), "has no element type"))?;
    let (have, storage) = match field {
        Field::Float => (t.float_data.len(), Storage::Float(&t.float_data)),
        Field::Int32 => (t.int32_data.len(), Storage::Int32(&t.int32_data)),
        Field::Int64 => (t.int64_data.len(), Storage::Int64(&t.int64_data)),
        Field::Uint64 => (t.uint64_data.len(), Storage::Uint64(&t.uint64_data)),
        Field::Double => (t.double_data.len(), Storage::Double(&t.double_data)),
        Field::String => (t.string_data.len(), Storage::Strings(&t.string_data)),
    };
    check_len(t, have, need, "entries of data")?;
    Ok(storage)
}

fn check_len(t: &TensorProto, have: usize, need: usize, what: &str) -> Result<()> {
    if have == need {
        return Ok(());
    }
    Err(Error::tensor(t.name(), format!("holds {have} {what}, its dimensions {:?} need {need}", t.dims)))
}

/// Checks dimensions, element type and amount of data.
pub(crate) fn check(t: &TensorProto) -> Result<()> {
    storage(t).map(|_| ())
}

/// Checks both parts of a sparse tensor and its dense dimensions.
pub(crate) fn check_sparse(s: &SparseTensorProto) -> Result<()> {
    let values = s.values.as_ref().ok_or_else(|| Error::tensor("", "sparse tensor without values"))?;
    check(values)?;
    if let Some(indices) = &s.indices {
        check(indices)?;
    }
    let dims: Option<Vec<usize>> = s.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    match dims.as_deref().and_then(product) {
        Some(_) => Ok(()),
        None => Err(Error::tensor(values.name(), format!("sparse dimensions {:?} are out of range", s.dims))),
    }
}

fn dims_for(name: &str, shape: &[usize], have: usize) -> Result<Vec<i64>> {
    if product(shape) != Some(have) {
        return Err(Error::tensor(name, format!("{have} values do not fill the shape {shape:?}")));
    }
    shape.iter().map(|&d| i64::try_from(d).map_err(|_| Error::tensor(name, "dimension out of range"))).collect()
}

/// A tensor with `data` rounded to `dtype` (float32, float64, float16 or bfloat16), stored in `raw_data`.
/// Errors when the data does not fill the shape.
pub fn from_f32(name: &str, shape: &[usize], data: &[f32], dtype: DType) -> Result<TensorProto> {
    let raw: Vec<u8> = match dtype {
        DType::Float => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::Double => data.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect(),
        DType::Float16 => data.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
        DType::Bfloat16 => data.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(),
        other => return Err(Error::tensor(name, format!("cannot be made from float32 as {}", other.name()))),
    };
    Ok(raw_tensor(name, dims_for(name, shape, data.len())?, dtype, raw))
}

/// An int64 tensor stored in `raw_data`. Errors when the data does not fill the shape.
pub fn from_i64(name: &str, shape: &[usize], data: &[i64]) -> Result<TensorProto> {
    let raw = data.iter().flat_map(|v| v.to_le_bytes()).collect();
    Ok(raw_tensor(name, dims_for(name, shape, data.len())?, DType::Int64, raw))
}

/// A tensor of truth values. Errors when the data does not fill the shape.
pub fn from_bools(name: &str, shape: &[usize], data: &[bool]) -> Result<TensorProto> {
    Ok(TensorProto {
        dims: dims_for(name, shape, data.len())?,
        data_type: Some(DType::Bool as i32),
        name: Some(name.to_owned()),
        int32_data: data.iter().map(|b| i32::from(*b)).collect(),
        ..TensorProto::default()
    })
}

pub(super) fn raw_tensor(name: &str, dims: Vec<i64>, dtype: DType, raw: Vec<u8>) -> TensorProto {
    TensorProto {
        dims,
        data_type: Some(dtype as i32),
        name: Some(name.to_owned()),
        raw_data: Some(Bytes::from(raw)),
        ..TensorProto::default()
    }
}
