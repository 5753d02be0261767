//! What shape inference knows of a tensor.

use crate::algebra::Dim;
use crate::tensor::DType;

/// Elements, row-major, of a small tensor that shapes may depend on.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Integers and booleans, each possibly symbolic.
    Ints(Vec<Dim>),
    /// Floating-point numbers.
    Floats(Vec<f64>),
}

/// Values longer than this are not followed.
pub const MAX_VALUE: usize = 4096;

impl Value {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Value::Ints(v) => v.len(),
            Value::Floats(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements at `indices`, in that order.
    pub fn pick(&self, indices: impl Iterator<Item = usize>) -> Option<Value> {
        Some(match self {
            Value::Ints(v) => Value::Ints(indices.map(|i| v.get(i).cloned()).collect::<Option<_>>()?),
            Value::Floats(v) => Value::Floats(indices.map(|i| v.get(i).copied()).collect::<Option<_>>()?),
        })
    }
}

/// Type, shape and, for small tensors, contents, as far as they follow from the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    /// Element type; `Undefined` where unknown.
    pub dtype: DType,
    /// Sizes; `None` where even the rank is unknown.
    pub shape: Option<Vec<Dim>>,
    /// Contents.
    pub value: Option<Value>,
    /// Of integers too many to be followed, those that only count: for each element of the last axis, or once for
    /// all of them, the axis along which it is the position, 0, 1, 2, …
    pub counts: Option<Vec<Option<usize>>>,
    /// Of integers too many to be followed, those that grow evenly from 0: by how much along each axis.
    pub steps: Option<Vec<Dim>>,
    /// Of integers that are positions in another tensor, all axes counted as one: in which.
    pub places: Option<Places>,
}

/// The tensor that positions count over. Its first two axes are those of the positions themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// Its spatial sizes.
    pub sizes: Vec<Dim>,
    /// What a window like the one that chose the positions gives back; the same where it divides the sizes.
    pub restored: Vec<Dim>,
}

impl Fact {
    /// A tensor of known type and shape.
    pub fn new(dtype: DType, shape: Vec<Dim>) -> Self {
        Fact { dtype, shape: Some(shape), ..Fact::default() }
    }

    /// A small integer tensor with contents.
    pub fn ints(shape: Vec<Dim>, data: Vec<Dim>) -> Self {
        Fact { value: Some(Value::Ints(data)), ..Fact::new(DType::Int64, shape) }
    }

    /// Drops contents that are not as many as the shape says, as contradictions in a file may leave them.
    pub fn reconcile(&mut self) {
        let count = |s: Vec<usize>| s.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let fits = |v: &Value| self.known_shape().is_some_and(|s| count(s) == Some(v.len()));
        if self.value.as_ref().is_some_and(|v| !fits(v)) {
            self.value = None;
        }
    }

    /// All sizes as numbers.
    pub fn known_shape(&self) -> Option<Vec<usize>> {
        known(self.shape.as_deref()?)
    }

    /// Integer contents, possibly symbolic.
    pub fn dims(&self) -> Option<&[Dim]> {
        match self.value.as_ref()? {
            Value::Ints(v) => Some(v),
            Value::Floats(_) => None,
        }
    }

    /// See [`counts`](Fact::counts); where the contents are known, they tell.
    pub fn counted(&self) -> Option<Vec<Option<usize>>> {
        if self.counts.is_some() {
            return self.counts.clone();
        }
        let (shape, numbers) = (self.known_shape()?, self.numbers()?);
        let mut long = (0..shape.len()).filter(|k| shape[*k] != 1);
        let (axis, others) = (long.next()?, long.next());
        let counts = numbers.iter().zip(0..).all(|(n, k)| *n == k);
        (counts && others.is_none()).then(|| vec![Some(axis)])
    }

    /// Integer contents, all known.
    pub fn numbers(&self) -> Option<Vec<i64>> {
        self.dims()?.iter().map(Dim::known).collect()
    }
}

/// All sizes as numbers.
pub fn known(shape: &[Dim]) -> Option<Vec<usize>> {
    shape.iter().map(|d| usize::try_from(d.known()?).ok()).collect()
}

/// Turns a possibly negative axis into an index below `rank`.
pub fn axis(a: i64, rank: usize) -> Option<usize> {
    let r = rank as i64;
    usize::try_from(if a < 0 { a.checked_add(r)? } else { a }).ok().filter(|a| *a < rank)
}
