//! The one table of operators: a domain, its operators by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Operator;
use super::context::Role;
use super::conv::{Conv, Layout};
use super::elementwise::{Fold, folding, opaque};
use super::opaque::{self as frozen, Frozen, Uncounted};
use super::recurrent::Recurrent;
use super::{
    along, concat, constant, control, deform, depth_space, einsum, expand, gather, gemm, matmul, normalization,
};
use super::{attention, learned, microsoft, quantizers, rotary};
use super::{
    one_hot, over, pad, pool, quantize, reduce, reshape, resize, scatter, shape, slice, softmax, split, transpose,
    unpool,
};

/// Operators of one domain, by name.
pub type Domain = [(&'static str, &'static dyn Operator)];

/// All domains. `ai.onnx` is another name of the default domain.
static DOMAINS: &[(&str, &Domain)] = &[
    ("", TABLE),
    ("ai.onnx.ml", learned::TABLE),
    ("com.microsoft", microsoft::TABLE),
    ("com.microsoft.nchwc", microsoft::BLOCKED),
    ("com.ms.internal.nhwc", microsoft::CHANNELS_LAST),
    ("qonnx.custom_op.general", quantizers::TABLE),
];

/// Reasons that several operators share.
const LOSS: &str = "loss over classes";
const OPTIONAL: &str = "optional value";
const RANDOM: &str = "random numbers";
const SEQUENCE: &str = "sequence of tensors that only a run knows";
const SIGNAL: &str = "signal processing";
const TEXT: &str = "text";

/// Operators of the default domain.
static TABLE: &Domain = &[
    ("Abs", &folding(Fold::Abs, 1)),
    ("Acos", &opaque(1)),
    ("Acosh", &opaque(1)),
    ("Add", &folding(Fold::Add, 2)),
    ("AffineGrid", &frozen::Shaped("grid of positions", frozen::grid)),
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
    ("Bernoulli", &frozen::Shaped(RANDOM, frozen::typed)),
    ("BitCast", &opaque(1)),
    ("BitShift", &opaque(2)),
    ("BitwiseAnd", &opaque(2)),
    ("BitwiseNot", &opaque(1)),
    ("BitwiseOr", &opaque(2)),
    ("BitwiseXor", &opaque(2)),
    ("BlackmanWindow", &frozen::Shaped(SIGNAL, frozen::window)),
    ("Cast", &folding(Fold::Cast, 1)),
    ("CastLike", &opaque(1)),
    ("CausalConvWithState", &deform::CausalConv),
    ("Ceil", &folding(Fold::Ceil, 1)),
    ("Celu", &opaque(1)),
    ("CenterCropPad", &along::CENTERED),
    ("Clip", &folding(Fold::Clip, 1)),
    ("Col2Im", &depth_space::Col2Im),
    ("Compress", &along::PICKED),
    ("Concat", &concat::Concat),
    ("ConcatFromSequence", &Frozen(SEQUENCE)),
    ("Constant", &constant::Constant),
    ("ConstantOfShape", &shape::ConstantOfShape),
    ("Conv", &Conv { transposed: false, layout: Layout::ChannelsFirst }),
    ("ConvInteger", &over::CONV_SUMS),
    ("ConvTranspose", &Conv { transposed: true, layout: Layout::ChannelsFirst }),
    ("Cos", &opaque(1)),
    ("Cosh", &opaque(1)),
    ("CumProd", &along::RUNNING),
    ("CumSum", &along::RUNNING),
    ("DFT", &along::SPECTRUM),
    ("DeformConv", &deform::DeformConv),
    ("DepthToSpace", &depth_space::DepthToSpace),
    ("DequantizeLinear", &quantize::Quantize { back: true }),
    ("Det", &along::DETERMINANT),
    ("Div", &folding(Fold::Div, 2)),
    ("Dropout", &opaque(1)),
    ("DynamicQuantizeLinear", &quantize::DynamicQuantize),
    ("Einsum", &einsum::Einsum),
    ("Elu", &opaque(1)),
    ("Equal", &folding(Fold::Equal, 2)),
    ("Erf", &opaque(1)),
    ("Exp", &opaque(1)),
    ("Expand", &expand::Expand),
    ("EyeLike", &frozen::Shaped("ones on a diagonal", frozen::typed)),
    ("Flatten", &reshape::Flatten),
    ("Floor", &folding(Fold::Floor, 1)),
    ("GRU", &Recurrent { gates: 3, cell: false, quantized: false }),
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
    ("GridSample", &along::SAMPLED),
    ("GroupNormalization", &normalization::GroupNorm { fused: false }),
    ("HammingWindow", &frozen::Shaped(SIGNAL, frozen::window)),
    ("HannWindow", &frozen::Shaped(SIGNAL, frozen::window)),
    ("HardSigmoid", &opaque(1)),
    ("HardSwish", &opaque(1)),
    ("Hardmax", &softmax::Softmax),
    ("Identity", &folding(Fold::Same, 1)),
    ("If", &control::If),
    ("ImageDecoder", &frozen::Shaped("decodes a picture", frozen::picture)),
    ("InstanceNormalization", &normalization::PerChannel { role: Role::Norm }),
    ("IsInf", &opaque(1)),
    ("IsNaN", &opaque(1)),
    ("LRN", &normalization::AcrossChannels),
    ("LSTM", &Recurrent { gates: 4, cell: true, quantized: false }),
    ("LayerNormalization", &normalization::LayerNorm),
    ("LeakyRelu", &opaque(1)),
    ("Less", &folding(Fold::Less, 2)),
    ("LessOrEqual", &folding(Fold::LessOrEqual, 2)),
    ("LinearAttention", &Uncounted("state of an attention")),
    ("Log", &opaque(1)),
    ("LogSoftmax", &softmax::Softmax),
    ("Loop", &control::Loop),
    ("LpNormalization", &normalization::AcrossChannels),
    ("LpPool", &pool::Pool),
    ("MatMul", &matmul::MatMul),
    ("MatMulInteger", &over::MATMUL_SUMS),
    ("Max", &folding(Fold::Max, usize::MAX)),
    ("MaxPool", &pool::Pool),
    ("MaxRoiPool", &along::REGIONS),
    ("MaxUnpool", &unpool::Unpool),
    ("Mean", &opaque(usize::MAX)),
    ("MeanVarianceNormalization", &normalization::AcrossChannels),
    ("MelWeightMatrix", &frozen::Shaped(SIGNAL, frozen::mel_matrix)),
    ("Min", &folding(Fold::Min, usize::MAX)),
    ("Mish", &opaque(1)),
    ("Mod", &folding(Fold::Mod, 2)),
    ("Mul", &folding(Fold::Mul, 2)),
    ("Multinomial", &frozen::Shaped(RANDOM, frozen::multinomial)),
    ("Neg", &folding(Fold::Neg, 1)),
    ("NegativeLogLikelihoodLoss", &frozen::Shaped(LOSS, frozen::loss)),
    ("NonMaxSuppression", &frozen::Shaped("boxes picked by their scores", frozen::picked_boxes)),
    ("NonZero", &frozen::Shaped("positions become values", frozen::coordinates)),
    ("Not", &folding(Fold::Not, 1)),
    ("OneHot", &one_hot::OneHot),
    ("Optional", &Frozen(OPTIONAL)),
    ("OptionalGetElement", &Frozen(OPTIONAL)),
    ("OptionalHasElement", &frozen::Shaped(OPTIONAL, frozen::truth)),
    ("Or", &folding(Fold::Or, 2)),
    ("PRelu", &opaque(2)),
    ("Pad", &pad::Pad),
    ("Pow", &folding(Fold::Pow, 2)),
    ("QLinearConv", &over::CONV),
    ("QLinearMatMul", &over::MATMUL),
    ("QuantizeLinear", &quantize::Quantize { back: false }),
    ("RMSNormalization", &normalization::LayerNorm),
    ("RNN", &Recurrent { gates: 1, cell: false, quantized: false }),
    ("RandomNormal", &frozen::Shaped(RANDOM, frozen::by_attribute)),
    ("RandomNormalLike", &frozen::Shaped(RANDOM, frozen::typed)),
    ("RandomUniform", &frozen::Shaped(RANDOM, frozen::by_attribute)),
    ("RandomUniformLike", &frozen::Shaped(RANDOM, frozen::typed)),
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
    ("RegexFullMatch", &frozen::Shaped(TEXT, frozen::truth)),
    ("Relu", &opaque(1)),
    ("Reshape", &reshape::Reshape),
    ("Resize", &resize::Resize),
    ("ReverseSequence", &along::REVERSED),
    ("RoiAlign", &along::REGIONS),
    ("RotaryEmbedding", &rotary::Rotary { cosines: 1 }),
    ("Round", &folding(Fold::Round, 1)),
    ("STFT", &Uncounted(SIGNAL)),
    ("Scan", &control::Scan),
    ("Scatter", &scatter::ByElement),
    ("ScatterElements", &scatter::ByElement),
    ("ScatterND", &scatter::ScatterNd),
    ("Selu", &opaque(1)),
    ("SequenceAt", &Frozen(SEQUENCE)),
    ("SequenceConstruct", &Frozen(SEQUENCE)),
    ("SequenceEmpty", &Frozen(SEQUENCE)),
    ("SequenceErase", &Frozen(SEQUENCE)),
    ("SequenceInsert", &Frozen(SEQUENCE)),
    ("SequenceLength", &frozen::Shaped(SEQUENCE, frozen::count)),
    ("SequenceMap", &Uncounted(SEQUENCE)),
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
    ("SoftmaxCrossEntropyLoss", &frozen::Shaped(LOSS, frozen::loss)),
    ("Softplus", &opaque(1)),
    ("Softsign", &opaque(1)),
    ("SpaceToDepth", &depth_space::SpaceToDepth),
    ("Split", &split::Split),
    ("SplitToSequence", &Frozen(SEQUENCE)),
    ("Sqrt", &folding(Fold::Sqrt, 1)),
    ("Squeeze", &reshape::Squeeze),
    ("StringConcat", &frozen::Shaped(TEXT, frozen::same)),
    ("StringNormalizer", &Frozen(TEXT)),
    ("StringSplit", &Frozen(TEXT)),
    ("Sub", &folding(Fold::Sub, 2)),
    ("Sum", &opaque(usize::MAX)),
    ("SwiGLU", &opaque(2)),
    ("Swish", &opaque(1)),
    ("Tan", &opaque(1)),
    ("Tanh", &opaque(1)),
    ("TensorScatter", &scatter::TensorScatter),
    ("TfIdfVectorizer", &Frozen(TEXT)),
    ("ThresholdedRelu", &opaque(1)),
    ("Tile", &expand::Tile),
    ("TopK", &along::TOP),
    ("Transpose", &transpose::Transpose),
    ("Trilu", &along::TRIANGLE),
    ("Unique", &Frozen("which values are equal, only a run can tell")),
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
