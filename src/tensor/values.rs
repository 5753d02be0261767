//! Tensors: a shape and its elements.

use super::{DType, Error, Result};
use half::{bf16, f16};

/// Elements of a [`Tensor`], row-major.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // the variants name their element type
pub enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    I16(Vec<i16>),
    I8(Vec<i8>),
    U64(Vec<u64>),
    U32(Vec<u32>),
    U16(Vec<u16>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

/// Runs one expression for whichever element type `data` has, with the vector bound to `v`.
macro_rules! for_each_type {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::F32($v) => $body,
            $crate::tensor::Data::F64($v) => $body,
            $crate::tensor::Data::F16($v) => $body,
            $crate::tensor::Data::BF16($v) => $body,
            $crate::tensor::Data::I64($v) => $body,
            $crate::tensor::Data::I32($v) => $body,
            $crate::tensor::Data::I16($v) => $body,
            $crate::tensor::Data::I8($v) => $body,
            $crate::tensor::Data::U64($v) => $body,
            $crate::tensor::Data::U32($v) => $body,
            $crate::tensor::Data::U16($v) => $body,
            $crate::tensor::Data::U8($v) => $body,
            $crate::tensor::Data::Bool($v) => $body,
        }
    };
}
pub(crate) use for_each_type;

/// One element type: how it enters [`Data`] and how it reads as a number.
trait Element: Copy {
    fn as_f64(self) -> f64;
}

macro_rules! elements {
    ($($ty:ty, $variant:ident, $x:ident => $as_f64:expr;)*) => {$(
        impl From<Vec<$ty>> for Data {
            fn from(v: Vec<$ty>) -> Self {
                Data::$variant(v)
            }
        }
        impl Element for $ty {
            fn as_f64(self) -> f64 {
                let $x = self;
                $as_f64
            }
        }
    )*};
}

elements! {
    f32, F32, x => f64::from(x);
    f64, F64, x => x;
    f16, F16, x => x.to_f64();
    bf16, BF16, x => x.to_f64();
    i64, I64, x => x as f64;
    i32, I32, x => f64::from(x);
    i16, I16, x => f64::from(x);
    i8, I8, x => f64::from(x);
    u64, U64, x => x as f64;
    u32, U32, x => f64::from(x);
    u16, U16, x => f64::from(x);
    u8, U8, x => f64::from(x);
    bool, Bool, x => f64::from(u8::from(x));
}

/// An input or output value: a shape and its elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// Joins a shape and its elements.
    ///
    /// # Errors
    /// When the number of elements is not the product of `shape`.
    pub fn new(shape: impl Into<Vec<usize>>, data: impl Into<Data>) -> Result<Self> {
        let (shape, data) = (shape.into(), data.into());
        let found = for_each_type!(&data, v => v.len());
        match element_count(&shape) {
            Some(count) if count == found => Ok(Self { shape, data }),
            _ => Err(Error { why: format!("{found} elements for shape {shape:?}") }),
        }
    }

    /// Sizes of the axes; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Takes the tensor apart.
    pub fn into_parts(self) -> (Vec<usize>, Data) {
        (self.shape, self.data)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        for_each_type!(&self.data, v => v.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        match &self.data {
            Data::F32(_) => DType::Float,
            Data::F64(_) => DType::Double,
            Data::F16(_) => DType::Float16,
            Data::BF16(_) => DType::Bfloat16,
            Data::I64(_) => DType::Int64,
            Data::I32(_) => DType::Int32,
            Data::I16(_) => DType::Int16,
            Data::I8(_) => DType::Int8,
            Data::U64(_) => DType::Uint64,
            Data::U32(_) => DType::Uint32,
            Data::U16(_) => DType::Uint16,
            Data::U8(_) => DType::Uint8,
            Data::Bool(_) => DType::Bool,
        }
    }

    /// The `f32` elements, or `None` for another type.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }

    /// The elements as `f64`; 64-bit integers beyond 2^53 are rounded, `true` is 1.
    pub fn to_f64_vec(&self) -> Vec<f64> {
        for_each_type!(&self.data, v => v.iter().map(|x| x.as_f64()).collect())
    }

    /// Largest absolute value; NaN if an element is NaN, 0 without elements.
    pub fn max_abs(&self) -> f64 {
        for_each_type!(&self.data, v => v.iter().map(|x| x.as_f64().abs()).fold(0.0, max_or_nan))
    }

    /// Largest absolute difference. Equal infinities differ by 0; a NaN on either side gives NaN, so that a
    /// comparison with a tolerance fails.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn max_abs_diff(&self, other: &Self) -> Result<f64> {
        if self.shape != other.shape {
            let why = format!("shape {:?} compared with shape {:?}", self.shape, other.shape);
            return Err(Error { why });
        }
        Ok(for_each_type!(&self.data, a => for_each_type!(&other.data, b => {
            let pairs = a.iter().zip(b).map(|(a, b)| (a.as_f64(), b.as_f64()));
            pairs.map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() }).fold(0.0, max_or_nan)
        })))
    }

    /// Flat index and value of the first NaN or infinity.
    pub fn first_non_finite(&self) -> Option<(usize, f64)> {
        for_each_type!(&self.data, v => {
            v.iter().map(|x| x.as_f64()).enumerate().find(|(_, x)| !x.is_finite())
        })
    }
}

/// Product of the sizes, or `None` when it overflows.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))
}

// `f64::max` drops a NaN, which would hide it from every later comparison.
fn max_or_nan(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_element_count_is_refused() {
        assert!(Tensor::new([2, 3], vec![0f32; 5]).is_err());
        assert!(Tensor::new([usize::MAX, 2], vec![0f32; 5]).is_err());
        assert_eq!(Tensor::new([], vec![7i64]).unwrap().to_f64_vec(), [7.0]);
    }

    #[test]
    fn nan_is_never_lost() {
        let clean = Tensor::new([3], vec![1f32, -2.0, 0.5]).unwrap();
        let dirty = Tensor::new([3], vec![1f32, f32::NAN, 0.5]).unwrap();
        assert_eq!(clean.max_abs(), 2.0);
        assert!(dirty.max_abs().is_nan());
        assert!(clean.max_abs_diff(&dirty).unwrap().is_nan());
        assert_eq!(dirty.first_non_finite().map(|(i, _)| i), Some(1));
        assert_eq!(clean.first_non_finite(), None);
    }

    #[test]
    fn equal_infinities_do_not_differ() {
        let a = Tensor::new([2], vec![f64::INFINITY, 1.0]).unwrap();
        assert_eq!(a.max_abs_diff(&a).unwrap(), 0.0);
        let b = Tensor::new([1, 2], vec![f64::INFINITY, 1.0]).unwrap();
        assert!(a.max_abs_diff(&b).is_err());
    }
}
