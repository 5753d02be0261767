//! Parts of a tensor along its first axis, and joining them.

use super::{Data, Error, Result, Tensor};
use std::ops::Range;

/// Runs one expression with the vectors of two `Data` of the same type, or gives `None`.
macro_rules! same_type {
    ($a:expr, $b:expr, ($x:ident, $y:ident) => $body:expr, [$($view:ident)*]) => {
        match ($a, $b) {
            $((Data::$view($x), Data::$view($y)) => Some($body),)*
            _ => None,
        }
    };
}

impl Tensor {
    /// Positions `rows` of the first axis.
    ///
    /// # Errors
    /// For a scalar, and for positions beyond the end.
    pub fn rows(&self, rows: Range<usize>) -> Result<Self> {
        let Some((&count, rest)) =
            self.shape().split_first().filter(|(n, _)| rows.start <= rows.end && rows.end <= **n)
        else {
            return Err(Error { why: format!("no rows {rows:?} in shape {:?}", self.shape()) });
        };
        let width = self.len().checked_div(count).unwrap_or(0);
        let elements = rows.start * width..rows.end * width;
        let data = super::values::for_each_type!(self.data(), v => {
            Data::from(v.get(elements.clone()).unwrap_or_default().to_vec())
        });
        let mut shape = vec![rows.len()];
        shape.extend(rest);
        Tensor::new(shape, data)
    }

    /// The rows of all tensors, one below the other; `None` where they do not fit together.
    pub fn stacked(parts: &[&Self]) -> Option<Self> {
        let (first, rest) = parts.split_first()?;
        rest.iter().try_fold((*first).clone(), |all, part| all.append(part).ok())
    }

    /// These positions of an axis, in this order.
    ///
    /// # Errors
    /// For an axis that it does not have, and for positions beyond the end.
    pub fn at(&self, axis: usize, positions: &[usize]) -> Result<Self> {
        let shape = self.shape();
        let Some(&count) = shape.get(axis).filter(|n| positions.iter().all(|p| p < *n)) else {
            return Err(Error { why: format!("no positions {positions:?} on axis {axis} of {shape:?}") });
        };
        let outer: usize = shape.iter().take(axis).product();
        let width: usize = shape.iter().skip(axis + 1).product();
        let from = (0..outer).flat_map(|o| positions.iter().map(move |p| (o * count + p) * width));
        let data = super::values::for_each_type!(self.data(), v => {
            let mut out = Vec::with_capacity(outer * positions.len() * width);
            from.for_each(|at| out.extend_from_slice(v.get(at..at + width).unwrap_or_default()));
            Data::from(out)
        });
        let mut shape = shape.to_vec();
        shape[axis] = positions.len();
        Tensor::new(shape, data)
    }

    /// Adds the rows of `other` below its own.
    ///
    /// # Errors
    /// When they differ in type or in an axis other than the first.
    pub fn append(self, other: &Self) -> Result<Self> {
        let unfit = || Error { why: format!("cannot append {:?} to {:?}", other.shape(), self.shape()) };
        let (Some((m, own)), Some((n, added))) = (self.shape().split_first(), other.shape().split_first()) else {
            return Err(unfit());
        };
        if own != added || self.dtype() != other.dtype() {
            return Err(unfit());
        }
        let mut shape = vec![m + n];
        shape.extend(own);
        let (_, mut data) = self.into_parts();
        same_type!(&mut data, other.data(), (a, b) => a.extend_from_slice(b),
            [F32 F64 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 Bool]);
        Tensor::new(shape, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_taken_apart_join_again() {
        let whole = Tensor::new([3, 2], vec![1i64, 2, 3, 4, 5, 6]).unwrap();
        let (first, rest) = (whole.rows(0..1).unwrap(), whole.rows(1..3).unwrap());
        assert_eq!((first.shape(), rest.to_f64_vec()), (&[1, 2][..], vec![3.0, 4.0, 5.0, 6.0]));
        assert_eq!(first.append(&rest).unwrap(), whole);
        assert_eq!(whole.rows(3..3).unwrap().len(), 0);
    }

    #[test]
    fn unfit_parts_are_refused() {
        let whole = Tensor::new([3, 2], vec![0f32; 6]).unwrap();
        assert!(whole.rows(2..4).is_err());
        assert!(Tensor::new([], vec![0f32]).unwrap().rows(0..1).is_err());
        assert!(whole.clone().append(&Tensor::new([3, 1], vec![0f32; 3]).unwrap()).is_err());
        assert!(whole.append(&Tensor::new([1, 2], vec![0f64; 2]).unwrap()).is_err());
    }
}
