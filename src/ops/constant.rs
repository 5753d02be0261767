//! Constant: contents that the file gives. Dense numbers are known to the graph before any rule is asked.

use crate::algebra::Dim;
use crate::onnx;

use super::Operator;
use super::context::{InferCx, RelateCx};
use super::fact::dtype;

/// `Constant`.
pub struct Constant;

impl Operator for Constant {
    fn about(&self) -> &'static str {
        "dense contents are a weight; sparse ones and text freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let sparse = onnx::attr(cx.node, "sparse_value").and_then(|a| a.sparse_tensor.as_ref());
        if let Some(s) = sparse {
            let shape = s.dims.iter().map(|d| Dim::from(*d)).collect();
            cx.set(0, s.values.as_ref()?.data_type(), shape);
            return Some(());
        }
        let text = onnx::attr(cx.node, "value_strings").map(|a| vec![Dim::from(a.strings.len())]);
        cx.set(0, dtype::STRING, text.unwrap_or_default());
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let axes = cx.frozen_tail(0, 0, "contents that are no dense numbers")?;
        cx.set(0, axes);
        Some(())
    }
}
