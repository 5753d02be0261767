//! The one table of operators: a domain, its operators by name, what is known of each.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::context::Role;
use super::conv::{Conv, ConvLayout};
use super::description::{Description, row};
use super::elementwise::{Fold, Gives, folding, gradient, opaque};
use super::opaque::{self as frozen, Frozen, Uncounted};
use super::recurrent::Recurrent;
use super::reduce::Reduction;
use super::values;
use super::values::Nature::{Contracts, Mixes, Moves, Picks, Pointwise};
use super::values::pointwise::{all as folded, binary, unary};
use super::values::reduce::reduce as reduced;
use super::{
    along, concat, constant, control, deform, depth_space, einsum, expand, gather, gemm, matmul, normalization,
};
use super::{attention, learned, microsoft, quantizers, rotary};
use super::{
    one_hot, over, pad, pool, quantize, reduce, reshape, resize, scatter, shape, slice, softmax, split, transpose,
    unpool,
};

/// Operators of one domain, in the order of their names.
pub type Domain = [Description];

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
const INTEGERS: &str = "integers";
const LOSS: &str = "loss over classes";
const NO_FLOATS: &str = "no input holds floats that it depends on";
const OPTIONAL: &str = "optional value";
const POSITIONS: &str = "positions are integers";
const RANDOM: &str = "random numbers";
const SEQUENCE: &str = "sequence of tensors that only a run knows";
const SIGNAL: &str = "signal processing";
const SIZES: &str = "sizes are integers";
const STEPS: &str = "constant between its steps";
const TEXT: &str = "text";
const TRUTH: &str = "truth values";

/// Operators of the default domain.
static TABLE: &Domain = &[
    row("Abs", &folding(Fold::Abs, 1)).computes(Pointwise, |cx| unary(cx, f64::abs)),
    row("Acos", &opaque(1)),
    row("Acosh", &opaque(1)),
    row("Add", &folding(Fold::Add, 2).adding()).computes(Pointwise, |cx| binary(cx, |a, b| a + b)),
    row("AffineGrid", &frozen::Shaped("grid of positions", frozen::grid)),
    row("And", &folding(Fold::And, 2).giving(Gives::Truth)).no_gradient(TRUTH),
    row("ArgMax", &reduce::ArgReduce).no_gradient(POSITIONS),
    row("ArgMin", &reduce::ArgReduce).no_gradient(POSITIONS),
    row("Asin", &opaque(1)),
    row("Asinh", &opaque(1)),
    row("Atan", &opaque(1)),
    row("Atanh", &opaque(1)),
    row("Attention", &attention::Attention),
    row("AveragePool", &pool::Pool),
    row("BatchNormalization", &normalization::PerChannel { role: Role::BatchNorm })
        .computes(Mixes, values::normalize::batch),
    row("Bernoulli", &frozen::Shaped(RANDOM, frozen::typed)).no_gradient(RANDOM),
    row("BitCast", &opaque(1).giving(Gives::Named)),
    row("BitShift", &opaque(2)).no_gradient(INTEGERS),
    row("BitwiseAnd", &opaque(2)).no_gradient(INTEGERS),
    row("BitwiseNot", &opaque(1)).no_gradient(INTEGERS),
    row("BitwiseOr", &opaque(2)).no_gradient(INTEGERS),
    row("BitwiseXor", &opaque(2)).no_gradient(INTEGERS),
    row("BlackmanWindow", &frozen::Shaped(SIGNAL, frozen::window)).no_gradient(NO_FLOATS),
    row("Cast", &folding(Fold::Cast, 1).giving(Gives::Named)).computes(Moves, values::shaping::cast),
    row("CastLike", &opaque(1).giving(Gives::Like(1))),
    row("CausalConvWithState", &deform::CausalConv),
    row("Ceil", &folding(Fold::Ceil, 1)).computes(Pointwise, |cx| unary(cx, f64::ceil)).no_gradient(STEPS),
    row("Celu", &opaque(1)),
    row("CenterCropPad", &along::CENTERED),
    row("Clip", &folding(Fold::Clip, 1)).computes(Pointwise, values::pointwise::clip),
    row("Col2Im", &depth_space::Col2Im),
    row("Compress", &along::PICKED),
    row("Concat", &concat::Concat).computes(Moves, values::shaping::concatenated),
    row("ConcatFromSequence", &Frozen(SEQUENCE)),
    row("Constant", &constant::Constant).no_gradient(NO_FLOATS),
    row("ConstantOfShape", &shape::ConstantOfShape).no_gradient(NO_FLOATS),
    row("Conv", &Conv { transposed: false, layout: ConvLayout::ChannelsFirst }),
    row("ConvInteger", &over::CONV_SUMS),
    row("ConvTranspose", &Conv { transposed: true, layout: ConvLayout::ChannelsFirst }),
    row("Cos", &opaque(1)).computes(Pointwise, |cx| unary(cx, f64::cos)),
    row("Cosh", &opaque(1)),
    row("CumProd", &along::RUNNING),
    row("CumSum", &along::RUNNING),
    row("DFT", &along::SPECTRUM),
    row("DeformConv", &deform::DeformConv),
    row("DepthToSpace", &depth_space::DepthToSpace),
    row("DequantizeLinear", &quantize::Quantize { back: true }),
    row("Det", &along::DETERMINANT),
    row("Div", &folding(Fold::Div, 2).dividing_by(1)).computes(Pointwise, |cx| binary(cx, |a, b| a / b)),
    row("Dropout", &opaque(1)),
    row("DynamicQuantizeLinear", &quantize::DynamicQuantize),
    row("Einsum", &einsum::Einsum),
    row("Elu", &opaque(1)),
    row("Equal", &folding(Fold::Equal, 2).giving(Gives::Truth)).no_gradient(TRUTH),
    row("Erf", &opaque(1)),
    row("Exp", &opaque(1)).computes(Pointwise, |cx| unary(cx, f64::exp)).gradient(gradient::exponential),
    row("Expand", &expand::Expand).computes(Moves, values::shaping::expanded),
    row("EyeLike", &frozen::Shaped("ones on a diagonal", frozen::typed)).no_gradient(NO_FLOATS),
    row("Flatten", &reshape::Flatten).computes(Moves, values::shaping::reshaped),
    row("Floor", &folding(Fold::Floor, 1)).computes(Pointwise, |cx| unary(cx, f64::floor)).no_gradient(STEPS),
    row("GRU", &Recurrent { gates: 3, cell: false, quantized: false }),
    row("Gather", &gather::Gather).computes(Picks, values::shaping::gathered),
    row("GatherElements", &scatter::ByElement { like: 1 }),
    row("GatherND", &scatter::GatherNd),
    row("Gelu", &opaque(1)),
    row("Gemm", &gemm::Gemm).computes(Contracts, values::contract::gemm),
    row("GlobalAveragePool", &pool::GlobalPool),
    row("GlobalLpPool", &pool::GlobalPool),
    row("GlobalMaxPool", &pool::GlobalPool),
    row("Greater", &folding(Fold::Greater, 2).giving(Gives::Truth)).no_gradient(TRUTH),
    row("GreaterOrEqual", &folding(Fold::GreaterOrEqual, 2).giving(Gives::Truth)).no_gradient(TRUTH),
    row("GridSample", &along::SAMPLED),
    row("GroupNormalization", &normalization::GroupNorm { fused: false }),
    row("HammingWindow", &frozen::Shaped(SIGNAL, frozen::window)).no_gradient(NO_FLOATS),
    row("HannWindow", &frozen::Shaped(SIGNAL, frozen::window)).no_gradient(NO_FLOATS),
    row("HardSigmoid", &opaque(1)),
    row("HardSwish", &opaque(1)),
    row("Hardmax", &softmax::Softmax),
    row("Identity", &folding(Fold::Same, 1)).computes(Moves, values::shaping::reshaped).gradient(gradient::identity),
    row("If", &control::If),
    row("ImageDecoder", &frozen::Shaped("decodes an image", frozen::image)),
    row("InstanceNormalization", &normalization::PerChannel { role: Role::Norm })
        .computes(Mixes, values::normalize::instance),
    row("IsInf", &opaque(1).giving(Gives::Truth)).no_gradient(TRUTH),
    row("IsNaN", &opaque(1).giving(Gives::Truth)).no_gradient(TRUTH),
    row("LRN", &normalization::AcrossChannels { neighbours: true }),
    row("LSTM", &Recurrent { gates: 4, cell: true, quantized: false }),
    row("LayerNormalization", &normalization::LayerNorm).computes(Mixes, values::normalize::layer),
    row("LeakyRelu", &opaque(1)).computes(Pointwise, values::pointwise::leaky),
    row("Less", &folding(Fold::Less, 2).giving(Gives::Truth)).no_gradient(TRUTH),
    row("LessOrEqual", &folding(Fold::LessOrEqual, 2).giving(Gives::Truth)).no_gradient(TRUTH),
    row("LinearAttention", &Uncounted("state of an attention")),
    row("Log", &opaque(1).dividing_by(0)).computes(Pointwise, |cx| unary(cx, f64::ln)),
    row("LogSoftmax", &softmax::Softmax),
    row("Loop", &control::Loop),
    row("LpNormalization", &normalization::AcrossChannels { neighbours: false }).computes(Mixes, values::normalize::lp),
    row("LpPool", &pool::Pool),
    row("MatMul", &matmul::MatMul::PLAIN).computes(Contracts, values::contract::matmul),
    row("MatMulInteger", &over::MATMUL_SUMS),
    row("Max", &folding(Fold::Max, usize::MAX))
        .computes(Pointwise, |cx| folded(cx, |a, b| if a.is_nan() || a > b { a } else { b })),
    row("MaxPool", &pool::Pool),
    row("MaxRoiPool", &along::REGIONS),
    row("MaxUnpool", &unpool::Unpool),
    row("Mean", &opaque(usize::MAX)).computes(Pointwise, values::pointwise::mean),
    row("MeanVarianceNormalization", &normalization::AcrossChannels { neighbours: false }),
    row("MelWeightMatrix", &frozen::Shaped(SIGNAL, frozen::mel_matrix)).no_gradient(NO_FLOATS),
    row("Min", &folding(Fold::Min, usize::MAX))
        .computes(Pointwise, |cx| folded(cx, |a, b| if a.is_nan() || a < b { a } else { b })),
    row("Mish", &opaque(1)),
    row("Mod", &folding(Fold::Mod, 2)),
    row("Mul", &folding(Fold::Mul, 2)).computes(Pointwise, |cx| binary(cx, |a, b| a * b)),
    row("Multinomial", &frozen::Shaped(RANDOM, frozen::multinomial)).no_gradient(RANDOM),
    row("Neg", &folding(Fold::Neg, 1)).computes(Pointwise, |cx| unary(cx, |x| -x)).gradient(gradient::negated),
    row("NegativeLogLikelihoodLoss", &frozen::Shaped(LOSS, frozen::loss)),
    row("NonMaxSuppression", &frozen::Shaped("boxes picked by their scores", frozen::picked_boxes))
        .no_gradient(POSITIONS),
    row("NonZero", &frozen::Shaped("positions become values", frozen::coordinates)).no_gradient(POSITIONS),
    row("Not", &folding(Fold::Not, 1).giving(Gives::Truth)).no_gradient(TRUTH),
    row("OneHot", &one_hot::OneHot),
    row("Optional", &Frozen(OPTIONAL)),
    row("OptionalGetElement", &Frozen(OPTIONAL)),
    row("OptionalHasElement", &frozen::Shaped(OPTIONAL, frozen::truth)),
    row("Or", &folding(Fold::Or, 2).giving(Gives::Truth)).no_gradient(TRUTH),
    row("PRelu", &opaque(2)).computes(Pointwise, values::pointwise::prelu),
    row("Pad", &pad::Pad),
    row("Pow", &folding(Fold::Pow, 2)).computes(Pointwise, |cx| binary(cx, f64::powf)),
    row("QLinearConv", &over::CONV),
    row("QLinearMatMul", &over::MATMUL),
    row("QuantizeLinear", &quantize::Quantize { back: false }),
    row("RMSNormalization", &normalization::LayerNorm),
    row("RNN", &Recurrent { gates: 1, cell: false, quantized: false }),
    row("RandomNormal", &frozen::Shaped(RANDOM, frozen::by_attribute)).no_gradient(RANDOM),
    row("RandomNormalLike", &frozen::Shaped(RANDOM, frozen::typed)).no_gradient(RANDOM),
    row("RandomUniform", &frozen::Shaped(RANDOM, frozen::by_attribute)).no_gradient(RANDOM),
    row("RandomUniformLike", &frozen::Shaped(RANDOM, frozen::typed)).no_gradient(RANDOM),
    row("Range", &shape::Range).no_gradient(NO_FLOATS),
    row("Reciprocal", &folding(Fold::Reciprocal, 1).dividing_by(0)).computes(Pointwise, |cx| unary(cx, f64::recip)),
    row("ReduceL1", &reduce::Reduce(Reduction::Other))
        .computes(Mixes, |cx| reduced(cx, 0.0, |s, x| s + x.abs(), |s, _| s)),
    row("ReduceL2", &reduce::Reduce(Reduction::Other))
        .computes(Mixes, |cx| reduced(cx, 0.0, |s, x| s + x * x, |s, _| s.sqrt())),
    row("ReduceLogSum", &reduce::Reduce(Reduction::Other))
        .computes(Mixes, |cx| reduced(cx, 0.0, |s, x| s + x, |s, _| s.ln())),
    row("ReduceLogSumExp", &reduce::Reduce(Reduction::Other)),
    row("ReduceMax", &reduce::Reduce(Reduction::Max))
        .computes(Mixes, |cx| reduced(cx, f64::NEG_INFINITY, f64::max, |s, _| s)),
    row("ReduceMean", &reduce::Reduce(Reduction::Other))
        .computes(Mixes, |cx| reduced(cx, 0.0, |s, x| s + x, |s, n| s / n)),
    row("ReduceMin", &reduce::Reduce(Reduction::Min))
        .computes(Mixes, |cx| reduced(cx, f64::INFINITY, f64::min, |s, _| s)),
    row("ReduceProd", &reduce::Reduce(Reduction::Product))
        .computes(Mixes, |cx| reduced(cx, 1.0, |s, x| s * x, |s, _| s)),
    row("ReduceSum", &reduce::Reduce(Reduction::Sum)).computes(Mixes, |cx| reduced(cx, 0.0, |s, x| s + x, |s, _| s)),
    row("ReduceSumSquare", &reduce::Reduce(Reduction::Other))
        .computes(Mixes, |cx| reduced(cx, 0.0, |s, x| s + x * x, |s, _| s)),
    row("RegexFullMatch", &frozen::Shaped(TEXT, frozen::truths)),
    row("Relu", &opaque(1).rectifying())
        .computes(Pointwise, |cx| unary(cx, |x| if x < 0.0 { 0.0 } else { x }))
        .gradient(gradient::rectified),
    row("Reshape", &reshape::Reshape).computes(Moves, values::shaping::reshaped),
    row("Resize", &resize::Resize { scales: 2 }),
    row("ReverseSequence", &along::REVERSED),
    row("RoiAlign", &along::REGIONS),
    row("RotaryEmbedding", &rotary::Rotary { cosines: 1 }),
    row("Round", &folding(Fold::Round, 1)).computes(Pointwise, |cx| unary(cx, f64::round_ties_even)).no_gradient(STEPS),
    row("STFT", &Uncounted(SIGNAL)),
    row("Scan", &control::Scan),
    row("Scatter", &scatter::ByElement { like: 0 }),
    row("ScatterElements", &scatter::ByElement { like: 0 }),
    row("ScatterND", &scatter::ScatterNd),
    row("Selu", &opaque(1)),
    row("SequenceAt", &Frozen(SEQUENCE)),
    row("SequenceConstruct", &Frozen(SEQUENCE)),
    row("SequenceEmpty", &Frozen(SEQUENCE)),
    row("SequenceErase", &Frozen(SEQUENCE)),
    row("SequenceInsert", &Frozen(SEQUENCE)),
    row("SequenceLength", &frozen::Shaped(SEQUENCE, frozen::count)),
    row("SequenceMap", &Uncounted(SEQUENCE)),
    row("Shape", &shape::Shape).no_gradient(SIZES),
    row("Shrink", &opaque(1)),
    row("Sigmoid", &opaque(1))
        .computes(Pointwise, |cx| unary(cx, |x| 1.0 / (1.0 + (-x).exp())))
        .gradient(gradient::sigmoid),
    row("Sign", &opaque(1))
        .computes(Pointwise, |cx| unary(cx, |x| if x == 0.0 { 0.0 } else { x.signum() }))
        .no_gradient(STEPS),
    row("SimplifiedLayerNormalization", &normalization::LayerNorm),
    row("Sin", &opaque(1)).computes(Pointwise, |cx| unary(cx, f64::sin)),
    row("Sinh", &opaque(1)),
    row("Size", &shape::Size).no_gradient(SIZES),
    row("Slice", &slice::Slice).computes(Moves, values::shaping::sliced),
    row("Softmax", &softmax::Softmax).computes(Mixes, values::reduce::softmax),
    row("SoftmaxCrossEntropyLoss", &frozen::Shaped(LOSS, frozen::loss)),
    row("Softplus", &opaque(1)).computes(Pointwise, |cx| unary(cx, |x| x.max(0.0) + (-x.abs()).exp().ln_1p())),
    row("Softsign", &opaque(1)).gradient(gradient::softsign),
    row("SpaceToDepth", &depth_space::SpaceToDepth),
    row("Split", &split::Split).computes(Moves, values::shaping::split),
    row("SplitToSequence", &Frozen(SEQUENCE)),
    row("Sqrt", &folding(Fold::Sqrt, 1)).computes(Pointwise, |cx| unary(cx, f64::sqrt)).gradient(gradient::root),
    row("Squeeze", &reshape::Squeeze).computes(Moves, values::shaping::reshaped),
    row("StringConcat", &frozen::Shaped(TEXT, frozen::same)),
    row("StringNormalizer", &Frozen(TEXT)),
    row("StringSplit", &Frozen(TEXT)),
    row("Sub", &folding(Fold::Sub, 2).adding()).computes(Pointwise, |cx| binary(cx, |a, b| a - b)),
    row("Sum", &opaque(usize::MAX).adding()).computes(Pointwise, |cx| folded(cx, |a, b| a + b)),
    row("SwiGLU", &opaque(2)),
    row("Swish", &opaque(1)),
    row("Tan", &opaque(1)),
    row("Tanh", &opaque(1)).computes(Pointwise, |cx| unary(cx, f64::tanh)).gradient(gradient::tanh),
    row("TensorScatter", &scatter::TensorScatter),
    row("TfIdfVectorizer", &Frozen(TEXT)),
    row("ThresholdedRelu", &opaque(1)),
    row("Tile", &expand::Tile),
    row("TopK", &along::TOP),
    row("Transpose", &transpose::Transpose).computes(Moves, values::shaping::transposed),
    row("Trilu", &along::TRIANGLE),
    row("Unique", &Frozen("which values are equal, only a run can tell")),
    row("Unsqueeze", &reshape::Unsqueeze).computes(Moves, values::shaping::reshaped),
    row("Upsample", &resize::Resize { scales: 1 }),
    row("Where", &folding(Fold::Where, 3).giving(Gives::Like(1))),
    row("Xor", &opaque(2)).no_gradient(TRUTH),
];

static INDEX: LazyLock<HashMap<(&'static str, &'static str), &'static Description>> =
    LazyLock::new(|| all().map(|(domain, d)| ((domain, d.name), d)).collect());

/// What is known of a node's operator, by domain and type; `None` where nothing is.
pub fn find(domain: &str, op_type: &str) -> Option<&'static Description> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    INDEX.get(&(domain, op_type)).copied()
}

/// All operators with their domains, in order.
pub fn all() -> impl Iterator<Item = (&'static str, &'static Description)> {
    DOMAINS.iter().flat_map(|(domain, table)| table.iter().map(|d| (*domain, d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_without_doubles() {
        let names: Vec<_> = all().map(|(domain, d)| (domain, d.name)).collect();
        assert!(names.windows(2).all(|w| w[0] < w[1]), "{names:?}");
    }

    #[test]
    fn constants_are_folded_by_operators_of_the_default_domain_only() {
        assert!(find("", "Mul").is_some_and(|d| d.folding.is_some()));
        assert!(find("ai.onnx", "Conv").is_some_and(|d| d.folding.is_none()));
        assert!(find("com.example", "Mul").is_none());
        assert!(all().all(|(domain, d)| domain.is_empty() || d.folding.is_none()));
    }
}
