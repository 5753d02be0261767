//! What Constant nodes give.

use std::borrow::Cow;

use super::proto::{NodeProto, TensorProto};
use super::{DType, attr, attr_f, attr_i, attr_ints, attr_t, from_f32, from_i64};

/// The tensor that a Constant node gives, whichever attribute holds it.
pub fn constant(node: &NodeProto) -> Option<Cow<'_, TensorProto>> {
    if let Some(t) = attr_t(node, "value") {
        return Some(Cow::Borrowed(t));
    }
    let tensor = if let Some(f) = attr_f(node, "value_float") {
        from_f32("", &[], &[f], DType::Float)
    } else if let Some(i) = attr_i(node, "value_int") {
        from_i64("", &[], &[i])
    } else if let Some(v) = attr_ints(node, "value_ints") {
        from_i64("", &[v.len()], v)
    } else {
        let v = &attr(node, "value_floats")?.floats;
        from_f32("", &[v.len()], v, DType::Float)
    };
    tensor.ok().map(Cow::Owned)
}
