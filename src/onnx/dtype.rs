//! Where elements lie in a `TensorProto`.

pub use crate::tensor::DType;

/// The typed field of a `TensorProto` that holds elements when `raw_data` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Float,
    Int32,
    Int64,
    Uint64,
    Double,
    String,
}

impl DType {
    pub(crate) fn field(self) -> Option<Field> {
        use DType::*;
        Some(match self {
            Undefined => return None,
            Float | Complex64 => Field::Float,
            Double | Complex128 => Field::Double,
            Int64 => Field::Int64,
            Uint32 | Uint64 => Field::Uint64,
            String => Field::String,
            _ => Field::Int32,
        })
    }

    /// Entries that `count` elements take in the typed field.
    pub(crate) fn entries_for(self, count: usize) -> Option<usize> {
        use DType::*;
        match self {
            Complex64 | Complex128 => count.checked_mul(2),
            Uint4 | Int4 | Float4e2m1 => Some(count.div_ceil(2)),
            Uint2 | Int2 => Some(count.div_ceil(4)),
            _ => Some(count),
        }
    }
}
