//! Operators of onnxruntime's own, and attention as one operator.

use crate::zoo::{fused, heads};
use crate::{frozen, groups};

#[test]
fn printed() {
    for (name, build) in [
        ("one_key_for_all", heads::one_key_for_all as fn() -> _),
        ("cross_attention", heads::cross_attention),
        ("talking_heads", heads::talking_heads),
        ("window_attention", heads::window_attention),
        ("relative_bias", heads::relative_bias),
        ("attention_op", heads::attention_op),
        ("attention_op_grouped", heads::attention_op_grouped),
        ("rotary_op", heads::rotary_op),
        ("rotary_op_in_part", heads::rotary_op_in_part),
        ("multi_head", fused::multi_head),
        ("multi_head_cross", fused::multi_head_cross),
        ("group_query", fused::group_query),
        ("group_query_packed", fused::group_query_packed),
        ("packed_attention", fused::packed_attention),
        ("skip_norm", fused::skip_norm),
        ("skip_simplified_norm", fused::skip_simplified_norm),
        ("embed_norm", fused::embed_norm),
        ("fused_conv", fused::fused_conv),
        ("fused_dense", fused::fused_dense),
        ("experts", fused::experts),
        ("experts_interleaved", fused::experts_interleaved),
    ] {
        println!("{name} {:#?} {:#?}", groups(build()), frozen(build()));
    }
}
