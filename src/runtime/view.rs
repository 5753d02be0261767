//! What a run gives, looked at where it lies.

use super::{Data, Result, Tensor};
use std::borrow::Cow;

/// An output while its run lasts: `f32` elements stay where the runtime put them, others are copied.
#[derive(Debug, Clone)]
pub struct View<'r>(Kind<'r>);

#[derive(Debug, Clone)]
enum Kind<'r> {
    Floats { shape: Vec<usize>, values: &'r [f32] },
    Other(Tensor),
}

impl<'r> View<'r> {
    /// Elements in place; the caller vouches that there are as many as `shape` says.
    #[cfg(any(feature = "tract", feature = "ort"))]
    pub(super) fn floats_of(shape: Vec<usize>, values: &'r [f32]) -> Self {
        View(Kind::Floats { shape, values })
    }

    /// Sizes of the axes; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        match &self.0 {
            Kind::Floats { shape, .. } => shape,
            Kind::Other(tensor) => tensor.shape(),
        }
    }

    /// The elements, if they are floating-point numbers of any width.
    pub fn floats(&self) -> Option<Cow<'_, [f32]>> {
        match &self.0 {
            Kind::Floats { values, .. } => Some(Cow::Borrowed(values)),
            Kind::Other(tensor) => match tensor.data() {
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
            Kind::Floats { shape, values } => Tensor::new(shape, values.to_vec()),
            Kind::Other(tensor) => Ok(tensor),
        }
    }
}

impl From<Tensor> for View<'_> {
    fn from(tensor: Tensor) -> Self {
        View(Kind::Other(tensor))
    }
}
