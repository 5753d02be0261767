//! How many inputs operators need at least.

use super::attr::plain;
use super::proto::{GraphProto, NodeProto};
use super::{Error, Result, node_label, walk};

/// The default domain's operators that need more than one input in every version (onnx 1.23, opset 28).
const LEAST: [(usize, &[&str]); 4] =
    [(2, TWO), (3, THREE), (5, &["BatchNormalization", "MelWeightMatrix"]), (8, &["QLinearConv", "QLinearMatMul"])];

#[rustfmt::skip]
const TWO: &[&str] = &[
    "Add", "AffineGrid", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "CastLike",
    "CausalConvWithState", "CenterCropPad", "Compress", "Conv", "ConvInteger", "ConvTranspose", "CumProd", "CumSum",
    "DequantizeLinear", "Div", "Equal", "Expand", "Gather", "GatherElements", "GatherND", "Gemm", "Greater",
    "GreaterOrEqual", "GridSample", "LayerNormalization", "Less", "LessOrEqual", "Loop", "MatMul", "MatMulInteger",
    "MaxRoiPool", "MaxUnpool", "Mod", "Mul", "NegativeLogLikelihoodLoss", "NonMaxSuppression", "Or", "PRelu", "Pow",
    "QuantizeLinear", "RMSNormalization", "ReverseSequence", "STFT", "SequenceAt", "SequenceInsert",
    "SoftmaxCrossEntropyLoss", "StringConcat", "Sub", "SwiGLU", "TensorScatter", "Tile", "Xor",
];

#[rustfmt::skip]
const THREE: &[&str] = &[
    "Attention", "Col2Im", "DeformConv", "GRU", "GroupNormalization", "InstanceNormalization", "LSTM",
    "LinearAttention", "OneHot", "RNN", "Range", "RoiAlign", "RotaryEmbedding", "Scatter", "ScatterElements",
    "ScatterND", "Where",
];

fn least(node: &NodeProto) -> usize {
    let of = |(_, names): &&(usize, &[&str])| plain(node.domain()).is_empty() && names.contains(&node.op_type());
    LEAST.iter().find(of).map_or(0, |(n, _)| *n)
}

/// Every node has the inputs that its operator cannot do without.
///
/// # Errors
/// [`Error::TooFewInputs`] names the first that has not.
pub(super) fn check(graph: &GraphProto) -> Result<()> {
    for (i, node) in graph.node.iter().enumerate() {
        let (has, needs) = (node.input.len(), least(node));
        if has < needs {
            let op = node.op_type().to_owned();
            return Err(Error::TooFewInputs { node: node_label(node, i), op, has, needs });
        }
        walk::subgraphs(node).try_for_each(check)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::edit::NewNode;

    #[test]
    fn a_comparison_of_one_number_is_refused() {
        let node = |op: &str, inputs: usize| NewNode::new(op).inputs(vec!["x"; inputs]).build();
        let check = |op: &str, inputs: usize| {
            check(&GraphProto { node: vec![node("Relu", 1), node(op, inputs)], ..GraphProto::default() })
        };
        let error = check("GreaterOrEqual", 1).unwrap_err();
        assert!(matches!(error, Error::TooFewInputs { has: 1, needs: 2, .. }), "{error}");
        assert!(check("GreaterOrEqual", 2).is_ok() && check("Clip", 1).is_ok() && check("Unheard", 0).is_ok());
        assert!(check("BatchNormalization", 4).is_err() && check("Where", 2).is_err());
    }
}
