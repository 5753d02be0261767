//! The one table of operators: a domain, its operators by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Operator;
use super::context::Role;
use super::conv::{Conv, Layout};
use super::elementwise::{Fold, folding, opaque};
use super::{attention, microsoft, rotary};
use super::{concat, depth_space, einsum, expand, gather, gemm, matmul, normalization, pad, pool, reduce, reshape};
use super::{opaque as frozen, quantize, resize, scatter, shape, slice, softmax, split, transpose};

/// Operators of one domain, by name.
pub type Domain = [(&'static str, &'static dyn Operator)];

/// All domains. `ai.onnx` is another name of the default domain.
static DOMAINS: &[(&str, &Domain)] = &[
    ("", TABLE),
    ("com.microsoft", microsoft::TABLE),
    ("com.microsoft.nchwc", microsoft::BLOCKED),
    ("com.ms.internal.nhwc", microsoft::CHANNELS_LAST),
];

/// Operators of the default domain.
static TABLE: &Domain = &[
    ("Abs", &folding(Fold::Abs, 1)),
    ("Acos", &opaque(1)),
    ("Acosh", &opaque(1)),
    ("Add", &folding(Fold::Add, 2)),
    ("And", &folding(Fold::And, 2)),
    ("ArgMax", &reduce::ArgReduce),
    ("ArgMin", &reduce::ArgReduce),
    ("Asin", &opaque(1)),
    ("Asinh", &opaque(1)),
    ("Atan", &opaque(1)),
    ("Atanh", &opaque(1)),
    ("Attention", &attention::Attention),
    ("AveragePool", &pool::Pool),
    ("BatchNormalization", &normalization::PerChannel { role: Role::BatchNorm }),
    ("BitShift", &opaque(2)),
    ("BitwiseAnd", &opaque(2)),
    ("BitwiseNot", &opaque(1)),
    ("BitwiseOr", &opaque(2)),
    ("BitwiseXor", &opaque(2)),
    ("Cast", &folding(Fold::Cast, 1)),
    ("CastLike", &opaque(1)),
    ("Ceil", &folding(Fold::Ceil, 1)),
    ("Celu", &opaque(1)),
    ("Clip", &opaque(1)),
    ("Concat", &concat::Concat),
    ("ConstantOfShape", &shape::ConstantOfShape),
    ("Conv", &Conv { transposed: false, layout: Layout::ChannelsFirst }),
    ("ConvTranspose", &Conv { transposed: true, layout: Layout::ChannelsFirst }),
    ("Cos", &opaque(1)),
    ("Cosh", &opaque(1)),
    ("CumSum", &frozen::SameShape("sums along an axis")),
    ("DepthToSpace", &depth_space::DepthToSpace),
    ("DequantizeLinear", &quantize::Quantize { back: true }),
    ("Div", &folding(Fold::Div, 2)),
    ("Dropout", &opaque(1)),
    ("Einsum", &einsum::Einsum),
    ("Elu", &opaque(1)),
    ("Equal", &folding(Fold::Equal, 2)),
    ("Erf", &opaque(1)),
    ("Exp", &opaque(1)),
    ("Expand", &expand::Expand),
    ("Flatten", &reshape::Flatten),
    ("Floor", &folding(Fold::Floor, 1)),
    ("Gather", &gather::Gather),
    ("GatherElements", &scatter::ByElement),
    ("GatherND", &scatter::GatherNd),
    ("Gelu", &opaque(1)),
    ("Gemm", &gemm::Gemm),
    ("GlobalAveragePool", &pool::GlobalPool),
    ("GlobalLpPool", &pool::GlobalPool),
    ("GlobalMaxPool", &pool::GlobalPool),
    ("Greater", &folding(Fold::Greater, 2)),
    ("GreaterOrEqual", &folding(Fold::GreaterOrEqual, 2)),
    ("GroupNormalization", &normalization::GroupNorm { fused: false }),
    ("HardSigmoid", &opaque(1)),
    ("HardSwish", &opaque(1)),
    ("Hardmax", &softmax::Softmax),
    ("Identity", &folding(Fold::Same, 1)),
    ("InstanceNormalization", &normalization::PerChannel { role: Role::Norm }),
    ("IsInf", &opaque(1)),
    ("IsNaN", &opaque(1)),
    ("LRN", &normalization::AcrossChannels),
    ("LayerNormalization", &normalization::LayerNorm),
    ("LeakyRelu", &opaque(1)),
    ("Less", &folding(Fold::Less, 2)),
    ("LessOrEqual", &folding(Fold::LessOrEqual, 2)),
    ("Log", &opaque(1)),
    ("LogSoftmax", &softmax::Softmax),
    ("LpNormalization", &normalization::AcrossChannels),
    ("LpPool", &pool::Pool),
    ("MatMul", &matmul::MatMul),
    ("Max", &folding(Fold::Max, usize::MAX)),
    ("MaxPool", &pool::Pool),
    ("Mean", &opaque(usize::MAX)),
    ("MeanVarianceNormalization", &normalization::AcrossChannels),
    ("Min", &folding(Fold::Min, usize::MAX)),
    ("Mish", &opaque(1)),
    ("Mod", &folding(Fold::Mod, 2)),
    ("Mul", &folding(Fold::Mul, 2)),
    ("Neg", &folding(Fold::Neg, 1)),
    ("Not", &folding(Fold::Not, 1)),
    ("Or", &folding(Fold::Or, 2)),
    ("PRelu", &opaque(2)),
    ("Pad", &pad::Pad),
    ("Pow", &folding(Fold::Pow, 2)),
    ("QuantizeLinear", &quantize::Quantize { back: false }),
    ("RMSNormalization", &normalization::LayerNorm),
    ("Range", &shape::Range),
    ("Reciprocal", &folding(Fold::Reciprocal, 1)),
    ("ReduceL1", &reduce::Reduce),
    ("ReduceL2", &reduce::Reduce),
    ("ReduceLogSum", &reduce::Reduce),
    ("ReduceLogSumExp", &reduce::Reduce),
    ("ReduceMax", &reduce::Reduce),
    ("ReduceMean", &reduce::Reduce),
    ("ReduceMin", &reduce::Reduce),
    ("ReduceProd", &reduce::Reduce),
    ("ReduceSum", &reduce::Reduce),
    ("ReduceSumSquare", &reduce::Reduce),
    ("Relu", &opaque(1)),
    ("Reshape", &reshape::Reshape),
    ("Resize", &resize::Resize),
    ("RotaryEmbedding", &rotary::Rotary { cosines: 1 }),
    ("Round", &opaque(1)),
    ("ScatterElements", &scatter::ByElement),
    ("ScatterND", &scatter::ScatterNd),
    ("Selu", &opaque(1)),
    ("Shape", &shape::Shape),
    ("Shrink", &opaque(1)),
    ("Sigmoid", &opaque(1)),
    ("Sign", &opaque(1)),
    ("SimplifiedLayerNormalization", &normalization::LayerNorm),
    ("Sin", &opaque(1)),
    ("Sinh", &opaque(1)),
    ("Size", &shape::Size),
    ("Slice", &slice::Slice),
    ("Softmax", &softmax::Softmax),
    ("Softplus", &opaque(1)),
    ("Softsign", &opaque(1)),
    ("SpaceToDepth", &depth_space::SpaceToDepth),
    ("Split", &split::Split),
    ("Sqrt", &folding(Fold::Sqrt, 1)),
    ("Squeeze", &reshape::Squeeze),
    ("Sub", &folding(Fold::Sub, 2)),
    ("Sum", &opaque(usize::MAX)),
    ("Swish", &opaque(1)),
    ("Tan", &opaque(1)),
    ("Tanh", &opaque(1)),
    ("ThresholdedRelu", &opaque(1)),
    ("Tile", &expand::Tile),
    ("TopK", &frozen::TopK),
    ("Transpose", &transpose::Transpose),
    ("Trilu", &frozen::SameShape("triangle of a matrix")),
    ("Unsqueeze", &reshape::Unsqueeze),
    ("Upsample", &resize::Resize),
    ("Where", &folding(Fold::Where, 3)),
    ("Xor", &opaque(2)),
];

static INDEX: LazyLock<HashMap<(&'static str, &'static str), &'static dyn Operator>> = LazyLock::new(|| {
    DOMAINS.iter().flat_map(|(domain, table)| table.iter().map(|(name, op)| ((*domain, *name), *op))).collect()
});

/// The operator of a node, by domain and type; `None` where there is no rule.
pub fn find(domain: &str, op_type: &str) -> Option<&'static dyn Operator> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    INDEX.get(&(domain, op_type)).copied()
}

/// Domain and name of all operators that have an answer, in order.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    DOMAINS.iter().flat_map(|(domain, table)| table.iter().map(|(name, _)| (*domain, *name)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn table_is_sorted_and_without_doubles() {
        let names: Vec<_> = super::names().collect();
        assert!(names.windows(2).all(|w| w[0] < w[1]), "{names:?}");
    }
}
