//! Element types of tensors.

use super::proto::tensor_proto::DataType;
/// Element type of a tensor; the names are those of the format.
pub use super::proto::tensor_proto::DataType as DType;

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

impl DataType {
    /// Size of one element in bits; 0 for strings and `Undefined`, which have no fixed size.
    pub fn bits(self) -> usize {
        use DataType::*;
        match self {
            Undefined | String => 0,
            Uint2 | Int2 => 2,
            Uint4 | Int4 | Float4e2m1 => 4,
            Float6e2m3 | Float6e3m2 => 6,
            Uint8 | Int8 | Bool | Float8e4m3fn | Float8e4m3fnuz | Float8e5m2 | Float8e5m2fnuz | Float8e8m0 => 8,
            Uint16 | Int16 | Float16 | Bfloat16 => 16,
            Float | Int32 | Uint32 => 32,
            Double | Int64 | Uint64 | Complex64 => 64,
            Complex128 => 128,
        }
    }

    /// Short lower-case name, such as `float32` or `bfloat16`.
    pub fn name(self) -> &'static str {
        use DataType::*;
        match self {
            Undefined => "undefined",
            Float => "float32",
            Uint8 => "uint8",
            Int8 => "int8",
            Uint16 => "uint16",
            Int16 => "int16",
            Int32 => "int32",
            Int64 => "int64",
            String => "string",
            Bool => "bool",
            Float16 => "float16",
            Double => "float64",
            Uint32 => "uint32",
            Uint64 => "uint64",
            Complex64 => "complex64",
            Complex128 => "complex128",
            Bfloat16 => "bfloat16",
            Float8e4m3fn => "float8e4m3fn",
            Float8e4m3fnuz => "float8e4m3fnuz",
            Float8e5m2 => "float8e5m2",
            Float8e5m2fnuz => "float8e5m2fnuz",
            Uint4 => "uint4",
            Int4 => "int4",
            Float4e2m1 => "float4e2m1",
            Float8e8m0 => "float8e8m0",
            Uint2 => "uint2",
            Int2 => "int2",
            Float6e2m3 => "float6e2m3",
            Float6e3m2 => "float6e3m2",
        }
    }

    /// Whether elements are real floating-point numbers of any width.
    pub fn is_float(self) -> bool {
        use DataType::*;
        matches!(
            self,
            Float
                | Float16
                | Double
                | Bfloat16
                | Float8e4m3fn
                | Float8e4m3fnuz
                | Float8e5m2
                | Float8e5m2fnuz
                | Float4e2m1
                | Float8e8m0
                | Float6e2m3
                | Float6e3m2
        )
    }

    /// Whether elements are integers or booleans.
    pub fn is_int(self) -> bool {
        use DataType::*;
        matches!(
            self,
            Uint8 | Int8 | Uint16 | Int16 | Int32 | Int64 | Bool | Uint32 | Uint64 | Uint4 | Int4 | Uint2 | Int2
        )
    }

    /// Bytes that `count` elements take in `raw_data`, elements narrower than a byte packed; `None` on overflow or
    /// for types without a fixed size.
    pub fn bytes_for(self, count: usize) -> Option<usize> {
        match self.bits() {
            0 => None,
            bits if bits % 8 == 0 => count.checked_mul(bits / 8),
            bits => count.checked_mul(bits).map(|total| total.div_ceil(8)),
        }
    }

    pub(crate) fn field(self) -> Option<Field> {
        use DataType::*;
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
        use DataType::*;
        match self {
            Complex64 | Complex128 => count.checked_mul(2),
            Uint4 | Int4 | Float4e2m1 => Some(count.div_ceil(2)),
            Uint2 | Int2 => Some(count.div_ceil(4)),
            _ => Some(count),
        }
    }
}
