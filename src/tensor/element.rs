//! Element types of tensors.

/// Element type of a tensor. Names and numbers are those of the ONNX format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DType {
    #[default]
    Undefined = 0,
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
    Uint16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    String = 8,
    Bool = 9,
    Float16 = 10,
    Double = 11,
    Uint32 = 12,
    Uint64 = 13,
    Complex64 = 14,
    Complex128 = 15,
    Bfloat16 = 16,
    Float8e4m3fn = 17,
    Float8e4m3fnuz = 18,
    Float8e5m2 = 19,
    Float8e5m2fnuz = 20,
    Uint4 = 21,
    Int4 = 22,
    Float4e2m1 = 23,
    Float8e8m0 = 24,
    Uint2 = 25,
    Int2 = 26,
    Float6e2m3 = 27,
    Float6e3m2 = 28,
}

/// A number that is no element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("element type {0} is not known")]
pub struct UnknownType(pub i32);

impl TryFrom<i32> for DType {
    type Error = UnknownType;

    fn try_from(number: i32) -> Result<DType, UnknownType> {
        DType::ALL.iter().copied().find(|d| *d as i32 == number).ok_or(UnknownType(number))
    }
}

impl DType {
    /// All of them, in the order of their numbers.
    pub const ALL: &[DType] = &[
        DType::Undefined,
        DType::Float,
        DType::Uint8,
        DType::Int8,
        DType::Uint16,
        DType::Int16,
        DType::Int32,
        DType::Int64,
        DType::String,
        DType::Bool,
        DType::Float16,
        DType::Double,
        DType::Uint32,
        DType::Uint64,
        DType::Complex64,
        DType::Complex128,
        DType::Bfloat16,
        DType::Float8e4m3fn,
        DType::Float8e4m3fnuz,
        DType::Float8e5m2,
        DType::Float8e5m2fnuz,
        DType::Uint4,
        DType::Int4,
        DType::Float4e2m1,
        DType::Float8e8m0,
        DType::Uint2,
        DType::Int2,
        DType::Float6e2m3,
        DType::Float6e3m2,
    ];

    /// The type of that number; `Undefined` where there is none.
    pub fn of(number: i32) -> DType {
        DType::try_from(number).unwrap_or_default()
    }

    /// Whether weights are quantized to it: at most 8 bits, or 16-bit integers.
    pub fn is_quantized(self) -> bool {
        use DType::*;
        matches!(self, Uint8 | Int8 | Uint16 | Int16) || self as i32 >= Float8e4m3fn as i32
    }

    /// Whether networks are computed in it: floating-point numbers of 16 bits or more.
    pub fn is_real(self) -> bool {
        matches!(self, DType::Float | DType::Float16 | DType::Double | DType::Bfloat16)
    }

    /// Size of one element in bits; 0 for strings and `Undefined`, which have no fixed size.
    pub fn bits(self) -> usize {
        use DType::*;
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

    /// The name that the ONNX format has for it, in lower case: `float`, `double`, `int64`.
    pub fn format_name(self) -> &'static str {
        match self {
            DType::Float => "float",
            DType::Double => "double",
            other => other.name(),
        }
    }

    /// Short lower-case name, such as `float32` or `bfloat16`.
    pub fn name(self) -> &'static str {
        use DType::*;
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
        use DType::*;
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
        use DType::*;
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
}
