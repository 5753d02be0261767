//! What a run gives, looked at where it lies.

use super::{Data, Error, Result, Tensor};
use crate::tensor::element_count;
use std::borrow::Cow;

/// An output while its run lasts: `f32` elements stay where the runtime put them, others are copied.
#[derive(Debug, Clone)]
pub struct View<'r>(ViewKind<'r>);

#[derive(Debug, Clone)]
enum ViewKind<'r> {
    Floats { shape: Vec<usize>, values: &'r [f32] },
    Other(Tensor),
}

impl<'r> View<'r> {
    /// Elements that stay where they are.
    ///
    /// # Errors
    /// [`Error::Tensor`] when their number is not the product of `shape`.
    pub fn new(shape: impl Into<Vec<usize>>, values: &'r [f32]) -> Result<Self> {
        let shape = shape.into();
        match element_count(&shape) {
            Some(count) if count == values.len() => Ok(View(ViewKind::Floats { shape, values })),
            _ => Err(Error::Tensor { why: format!("{} elements for shape {shape:?}", values.len()) }),
        }
    }

    /// Sizes of the axes; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        match &self.0 {
            ViewKind::Floats { shape, .. } => shape,
            ViewKind::Other(tensor) => tensor.shape(),
        }
    }

    /// The elements, if they are floating-point numbers of any width.
    pub fn floats(&self) -> Option<Cow<'_, [f32]>> {
        match &self.0 {
            ViewKind::Floats { values, .. } => Some(Cow::Borrowed(values)),
            ViewKind::Other(tensor) => match tensor.data() {
                Data::F32(v) => Some(Cow::Borrowed(v)),
                Data::F16(_) | Data::BF16(_) | Data::F64(_) => {
                    Some(tensor.to_f64_vec().into_iter().map(|v| v as f32).collect())
                }
                _ => None,
            },
        }
    }

    /// A copy.
    ///
    /// # Errors
    /// Those of [`Tensor::new`].
    pub fn to_tensor(&self) -> Result<Tensor> {
        self.clone().into_tensor()
    }

    /// The output as a tensor of its own.
    ///
    /// # Errors
    /// Those of [`Tensor::new`].
    pub fn into_tensor(self) -> Result<Tensor> {
        match self.0 {
            ViewKind::Floats { shape, values } => Ok(Tensor::new(shape, values.to_vec())?),
            ViewKind::Other(tensor) => Ok(tensor),
        }
    }
}

impl From<Tensor> for View<'_> {
    fn from(tensor: Tensor) -> Self {
        View(ViewKind::Other(tensor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn floats_are_seen_and_copied_only_when_asked() {
        let values = [1f32, 2.0, 3.0];
        let view = View::new([3, 1], &values).unwrap();
        assert!(matches!(view.floats(), Some(Cow::Borrowed(v)) if v.as_ptr() == values.as_ptr()));
        assert_eq!(view.to_tensor().unwrap(), Tensor::new([3, 1], values.to_vec()).unwrap());
        let half = View::from(Tensor::new([1], vec![f16::from_f32(0.5)]).unwrap());
        assert_eq!((half.shape(), half.floats().as_deref()), (&[1][..], Some(&[0.5f32][..])));
        assert_eq!(View::from(Tensor::new([1], vec![1i64]).unwrap()).floats(), None);
        assert!(View::new([2], &values).is_err() && View::new([usize::MAX, 2], &values).is_err());
    }
}
