//! What the axes of weights do, and how quantized numbers stand for real ones.

use serde::{Deserialize, Serialize};

/// What a weight's axis does in the operator that uses it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Scale or zero point of quantized numbers: follows, and says nothing of their size. It comes first because it
    /// holds whatever else is said of the numbers.
    Quantization,
    /// Writes the channel: rows of a contraction weight.
    #[serde(rename = "writes")]
    Out,
    /// Reads the channel: columns of a contraction weight.
    #[serde(rename = "reads")]
    In,
    /// Scale of a BatchNormalization.
    BatchNorm,
    /// Scale of another normalisation.
    Norm,
    /// Writes the channel as a table of vectors: an embedding.
    Embedding,
    /// Divides the channel: follows along unscored, and may not become zero.
    Divisor,
    /// Follows along unscored: bias, running statistics, element-wise constants.
    #[serde(rename = "follows")]
    Carried,
}

impl Role {
    /// Whether the axis says how much its channels matter.
    pub fn is_scored(self) -> bool {
        !matches!(self, Role::Divisor | Role::Carried | Role::Quantization)
    }

    /// In a word, for tables.
    pub fn name(self) -> &'static str {
        match self {
            Role::Quantization => "quantization",
            Role::Out => "writes",
            Role::In => "reads",
            Role::BatchNorm => "batch-norm",
            Role::Norm => "norm",
            Role::Embedding => "embedding",
            Role::Divisor => "divisor",
            Role::Carried => "follows",
        }
    }
}

/// A weight axis with the role it has at one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleNote {
    /// Input of the node.
    pub input: usize,
    /// Axis of that input.
    pub axis: usize,
    /// What it does there.
    pub role: Role,
}

/// Integers that stand for real ones, with the inputs that say how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantized {
    /// Input of the scale.
    pub scale: Option<usize>,
    /// Input of the zero point.
    pub zero_point: Option<usize>,
    /// The axis that both follow, unless they are one number.
    pub axis: usize,
    /// Set where bytes hold several numbers, or are blocks with a scale each.
    pub packed: Option<Packed>,
}

/// Numbers in blocks: the last axis is the bytes of a block, and each block has a scale and a zero point. Zero points
/// share bytes within a row likewise; without them, a number in the middle stands for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packed {
    /// Bits of a number: 2, 4 or 8.
    pub bits: u8,
}
