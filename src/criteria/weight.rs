//! Weights as criteria read them: f32 values behind a shape, decoded only when they are read.

use bytes::Bytes;
use half::{bf16, f16};

use crate::statistics::WeightStatistics;

impl Default for WeightData {
    fn default() -> Self {
        WeightData::Floats(Vec::new())
    }
}

/// Values of a weight, row-major.
#[derive(Debug, Clone)]
pub enum WeightData {
    /// Raw little-endian f32, at any alignment (usually a slice of a mapped file).
    Bytes(Bytes),
    /// Raw little-endian f16.
    Half(Bytes),
    /// Raw little-endian bf16.
    Brain(Bytes),
    /// Values that had to be converted (from f64, a quantized type…).
    Floats(Vec<f32>),
}

impl WeightData {
    /// Number of whole values.
    pub fn len(&self) -> usize {
        match self {
            WeightData::Bytes(bytes) => bytes.len() / 4,
            WeightData::Half(bytes) | WeightData::Brain(bytes) => bytes.len() / 2,
            WeightData::Floats(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One weight tensor: `data` holds `shape.product()` values.
#[derive(Debug, Clone, Default)]
pub struct Weight {
    /// Name used in errors and notes.
    pub name: String,
    /// Axis sizes.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub data: WeightData,
    /// What is known of the values beside themselves, each in the order of the values.
    pub statistics: WeightStatistics,
}

/// One stored value: an f32, or its bytes where they lie.
pub(super) trait Value: Copy + Sync {
    fn get(self) -> f32;
}

impl Value for f32 {
    #[inline(always)]
    fn get(self) -> f32 {
        self
    }
}

impl Value for [u8; 4] {
    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_le_bytes(self)
    }
}

/// An f16.
impl Value for [u8; 2] {
    #[inline(always)]
    fn get(self) -> f32 {
        f16::from_le_bytes(self).to_f32()
    }
}

/// A bf16; the array of one tells it from an f16.
impl Value for [[u8; 2]; 1] {
    #[inline(always)]
    fn get(self) -> f32 {
        bf16::from_le_bytes(self[0]).to_f32()
    }
}

/// Runs `$body` with `$values: &[impl Value]`, compiled once for each way to hold data.
macro_rules! with_values {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::criteria::weight::WeightData::Bytes(bytes) => {
                let $values = bytes.as_chunks::<4>().0;
                $body
            }
            $crate::criteria::weight::WeightData::Half(bytes) => {
                let $values = bytes.as_chunks::<2>().0;
                $body
            }
            $crate::criteria::weight::WeightData::Brain(bytes) => {
                let $values = bytes.as_chunks::<2>().0.as_chunks::<1>().0;
                $body
            }
            $crate::criteria::weight::WeightData::Floats(floats) => {
                let $values = floats.as_slice();
                $body
            }
        }
    };
}
pub(super) use with_values;
