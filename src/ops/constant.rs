//! Constant: contents that the file gives. Dense numbers are known to the graph before any rule is asked.

use crate::algebra::Dim;
use crate::onnx;
use crate::tensor::DType;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related};

/// `Constant`.
pub struct Constant;

impl Operator for Constant {
    fn about(&self) -> &'static str {
        "dense contents are a weight; sparse ones and text freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let sparse = onnx::attr(cx.node, "sparse_value").and_then(|a| a.sparse_tensor.as_ref());
        if let Some(s) = sparse {
            let shape = s.dims.iter().map(|d| Dim::from(*d)).collect();
            told.set(0, onnx::dtype_of(s.values.as_ref()?), shape);
            return Some(told);
        }
        let text = onnx::attr(cx.node, "value_strings").map(|a| vec![Dim::from(a.strings.len())]);
        told.set(0, DType::String, text.unwrap_or_default());
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let axes = cx.frozen_tail(0, 0, "contents that are no dense numbers")?;
        Some(Related::one(axes))
    }
}
