//! Operators of onnxruntime's own domain, which its graph optimizer writes.

use super::opaque::Frozen;
use super::over::{self, Over};
use super::table::Domain;
use super::{pool, quantize, reduce, softmax};

/// Why operators with weights in a packed form of their own are left alone.
const PACKED: &str = "weights packed in blocks";

/// By name.
pub static TABLE: &Domain = &[
    ("DequantizeLinear", &quantize::Quantize { back: true }),
    ("DynamicQuantizeLSTM", &Frozen("recurrent weights in a layout of their own")),
    ("DynamicQuantizeMatMul", &over::MATMUL_DYNAMIC),
    ("GatherBlockQuantized", &Frozen(PACKED)),
    ("MatMulBnb4", &Frozen(PACKED)),
    ("MatMulFpQ4", &Frozen(PACKED)),
    ("MatMulInteger16", &Frozen("sums of 16-bit products")),
    ("MatMulIntegerToFloat", &over::MATMUL_TO_FLOAT),
    ("MatMulNBits", &Frozen(PACKED)),
    ("QAttention", &Frozen("attention over quantized numbers")),
    ("QEmbedLayerNormalization", &Frozen("embeddings of quantized numbers")),
    ("QGemm", &over::GEMM),
    ("QLinearAdd", &over::TWO),
    ("QLinearAveragePool", &Over::one(&pool::Pool)),
    ("QLinearConcat", &over::Joined),
    ("QLinearConv", &over::CONV),
    ("QLinearGlobalAveragePool", &Over::one(&pool::GlobalPool)),
    ("QLinearLeakyRelu", &over::ONE),
    ("QLinearMul", &over::TWO),
    ("QLinearReduceMean", &Over::one(&reduce::Reduce)),
    ("QLinearSigmoid", &over::ONE),
    ("QLinearSoftmax", &Over::one(&softmax::Softmax)),
    ("QLinearWhere", &over::CHOICE),
    ("QuantizeLinear", &quantize::Quantize { back: false }),
    ("Rfft", &Frozen("transform along an axis")),
];
