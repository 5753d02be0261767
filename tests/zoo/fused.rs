//! Operators of onnxruntime's own, as its graph optimizer and its tools for transformers write them.

use super::attention::{TOKENS, angles, finish, heads, start};
use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

fn layers(b: &mut Builder, x: &str, widths: [i64; 3]) -> [String; 3] {
    [("q", widths[0]), ("k", widths[1]), ("v", widths[2])].map(|(name, w)| {
        let weight = b.weight(&format!("{name}.weight"), &[16, w]);
        b.matmul(x, &weight)
    })
}

fn residual(mut b: Builder, x: &str, o: &str, width: i64) -> ModelProto {
    let o = b.linear("proj", o, width, 16);
    let y = b.add(x, &o);
    finish(b, &y)
}

/// The biases of three layers within the operator, and a bias for each head.
pub fn multi_head() -> ModelProto {
    let (mut b, e) = start();
    let [q, k, v] = layers(&mut b, &e, [16, 16, 12]);
    let (bias, heads) = (b.weight("qkv.bias", &[44]), b.weight("bias", &[1, 2, TOKENS, TOKENS]));
    let o = b.op("com.microsoft.MultiHeadAttention", &[&q, &k, &v, &bias, "", &heads], vec![("num_heads", A::I(2))]);
    residual(b, &e, &o, 12)
}

/// Keys and values of another sequence as [batch, heads, tokens, channels].
pub fn multi_head_cross() -> ModelProto {
    let (mut b, e) = start();
    let other = b.input("other", "batch 6 16");
    let q = b.linear("q", &e, 16, 16);
    let (k, v) = (b.linear("k", &other, 16, 16), b.linear("v", &other, 16, 16));
    let (k, v) = (heads(&mut b, &k, 2, 8), heads(&mut b, &v, 2, 8));
    let o = b.op("com.microsoft.MultiHeadAttention", &[&q, &k, &v], vec![("num_heads", A::I(2))]);
    residual(b, &e, &o, 16)
}

/// Number of tokens in each sample, less one, and in the longest, where `past` came before.
fn lengths(b: &mut Builder, x: &str, past: i64) -> [String; 2] {
    let shape = b.op("Shape", &[x], vec![]);
    let batch = b.slice(&shape, 0, 0, 1);
    let last = b.ints(&[past + TOKENS - 1]);
    let each = b.op("Expand", &[&last, &batch], vec![]);
    let total = b.scalar_int(past + TOKENS);
    [each, total].map(|x| b.op("Cast", &[&x], vec![("to", A::I(DType::Int32 as i64))]))
}

/// Two queries share a head of keys and values; halves of a head are turned. Heads stay multiples of 16.
pub fn group_query() -> ModelProto {
    let (mut b, e) = start();
    let [q, k, v] = layers(&mut b, &e, [128, 64, 64]);
    let [each, total] = lengths(&mut b, &e, 0);
    let [cos, sin] = angles(&mut b, 16);
    let attrs = vec![("num_heads", A::I(4)), ("kv_num_heads", A::I(2)), ("do_rotary", A::I(1))];
    let o = b.op("com.microsoft.GroupQueryAttention", &[&q, &k, &v, "", "", &each, &total, &cos, &sin], attrs);
    residual(b, &e, &o, 128)
}

/// Three tokens came before: their keys and values are given, and all are handed on. onnxruntime takes one sample only.
pub fn group_query_cached() -> ModelProto {
    let (mut b, e) = start();
    let [q, k, v] = layers(&mut b, &e, [64, 32, 32]);
    let past = ["past_key", "past_value"].map(|n| b.input(n, "batch 2 3 16"));
    let [each, total] = lengths(&mut b, &e, 3);
    let attrs = vec![("num_heads", A::I(4)), ("kv_num_heads", A::I(2))];
    let inputs = [&q, &k, &v, &past[0], &past[1], &each, &total].map(String::as_str);
    let o = b.ops("com.microsoft.GroupQueryAttention", &inputs, attrs, 3);
    for present in &o[1..] {
        b.output(present, "batch 2 9 16");
    }
    residual(b, &e, &o[0], 64)
}

/// Queries, keys and values side by side. Heads stay multiples of 8.
pub fn group_query_packed() -> ModelProto {
    let (mut b, e) = start();
    let qkv = b.linear("qkv", &e, 16, 128);
    let [each, total] = lengths(&mut b, &e, 0);
    let attrs = vec![("num_heads", A::I(4)), ("kv_num_heads", A::I(2))];
    let o = b.op("com.microsoft.GroupQueryAttention", &[&qkv, "", "", "", "", &each, &total], attrs);
    residual(b, &e, &o, 64)
}

/// One weight for queries, keys and values within the operator.
pub fn packed_attention() -> ModelProto {
    let (mut b, e) = start();
    let n = b.layernorm("norm", &e, 16);
    let (w, bias) = (b.weight("qkv.weight", &[16, 48]), b.weight("qkv.bias", &[48]));
    let o = b.op("com.microsoft.Attention", &[&n, &w, &bias], vec![("num_heads", A::I(2))]);
    residual(b, &e, &o, 16)
}

/// The sum before a normalisation is used again; the second skip is one for all samples.
pub fn skip_norm() -> ModelProto {
    let (mut b, e) = start();
    let a = b.linear("a", &e, 16, 16);
    let (w, c, bias) = (b.weight("norm.weight", &[16]), b.weight("norm.bias", &[16]), b.weight("bias", &[16]));
    let n = b.ops("com.microsoft.SkipLayerNormalization", &[&a, &e, &w, &c, &bias], vec![], 4);
    let h = b.linear("up", &n[0], 16, 24);
    let h = b.relu(&h);
    let h = b.linear("down", &h, 24, 16);
    let y = b.add(&n[3], &h);
    let (at, w) = (b.weight("positions", &[TOKENS, 16]), b.weight("last.weight", &[16]));
    let c = b.weight("last.bias", &[16]);
    let y = b.op("com.microsoft.SkipLayerNormalization", &[&y, &at, &w, &c], vec![]);
    finish(b, &y)
}

/// The same without a mean.
pub fn skip_simplified_norm() -> ModelProto {
    let (mut b, e) = start();
    let w = b.weight("norm0.weight", &[16]);
    let n = b.op("SimplifiedLayerNormalization", &[&e, &w], vec![("axis", A::I(-1))]);
    let a = b.linear("a", &n, 16, 16);
    let w = b.weight("norm.weight", &[16]);
    let n = b.ops("com.microsoft.SkipSimplifiedLayerNormalization", &[&a, &e, &w], vec![], 4);
    let h = b.linear("up", &n[0], 16, 24);
    let h = b.op("com.microsoft.QuickGelu", &[&h], vec![("alpha", A::F(1.702))]);
    let h = b.linear("down", &h, 24, 16);
    let y = b.add(&n[3], &h);
    finish(b, &y)
}

/// Words, positions and segments, summed and normalised.
pub fn embed_norm() -> ModelProto {
    let mut b = Builder::new(17);
    let [ids, segments] = ["ids", "segments"].map(|n| b.input_of(n, DType::Int32, "batch 6"));
    let (words, at, of) = (b.weight("words", &[20, 16]), b.weight("positions", &[8, 16]), b.weight("kinds", &[2, 16]));
    let (w, c) = (b.weight("norm.weight", &[16]), b.weight("norm.bias", &[16]));
    let inputs = [&ids, &segments, &words, &at, &of, &w, &c].map(String::as_str);
    let e = b.ops("com.microsoft.EmbedLayerNormalization", &inputs, vec![("epsilon", A::F(1e-5))], 2).remove(0);
    let h = b.linear("up", &e, 16, 24);
    let h = b.relu(&h);
    let h = b.linear("down", &h, 24, 16);
    let y = b.add(&e, &h);
    finish(b, &y)
}

/// Convolutions with an activation, and one with a sum before it.
pub fn fused_conv() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 8 8");
    let fused = |b: &mut Builder, name: &str, x: &str, from: i64, to: i64, added: &[&str]| {
        let w = b.weight(&format!("{name}.weight"), &[to, from, 3, 3]);
        let c = b.weight(&format!("{name}.bias"), &[to]);
        let inputs = [&[x, &w, &c], added].concat();
        let attrs = vec![("kernel_shape", A::Is(&[3, 3])), ("pads", A::Is(&[1; 4])), ("activation", A::S("Relu"))];
        b.op("com.microsoft.FusedConv", &inputs, attrs)
    };
    let stem = fused(&mut b, "stem", &x, 3, 8, &[]);
    let inner = fused(&mut b, "inner", &stem, 8, 12, &[]);
    let outer = fused(&mut b, "outer", &inner, 12, 8, &[&stem]);
    let p = b.global_pool(&outer);
    let y = b.gemm("head", &p, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Layers with bias and activation in one, and with operands transposed.
pub fn fused_dense() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 12");
    let (w, c) = (b.weight("a.weight", &[16, 12]), b.weight("a.bias", &[16]));
    let h = b.op("com.microsoft.FusedGemm", &[&x, &w, &c], vec![("transB", A::I(1)), ("activation", A::S("Relu"))]);
    let gelu = |b: &mut Builder, name: &str, op: &str, x: &str, from: i64, to: i64| {
        let (w, c) = (b.weight(&format!("{name}.weight"), &[from, to]), b.weight(&format!("{name}.bias"), &[to]));
        let y = b.matmul(x, &w);
        b.op(op, &[&y, &c], vec![])
    };
    let h = gelu(&mut b, "b", "com.microsoft.BiasGelu", &h, 16, 24);
    let h = gelu(&mut b, "c", "com.microsoft.FastGelu", &h, 24, 20);
    let w = b.weight("d.weight", &[10, 20]);
    let attrs = vec![("transB", A::I(1)), ("alpha", A::F(0.5))];
    let y = b.op("com.microsoft.FusedMatMul", &[&h, &w], attrs);
    b.output(&y, "batch 10");
    b.model()
}

fn mixture(activation: &str, fusion: i64) -> ModelProto {
    let (mut b, e) = start();
    let flat = b.reshape(&e, &[-1, 16]);
    let router = b.linear("router", &flat, 16, 4);
    let router = b.softmax(&router, -1);
    let wide = if fusion > 0 { 24 } else { 12 };
    let (w1, b1) = (b.weight("first.weight", &[4, wide, 16]), b.weight("first.bias", &[4, wide]));
    let (w2, b2) = (b.weight("second.weight", &[4, 16, 12]), b.weight("second.bias", &[4, 16]));
    let attrs = vec![
        ("k", A::I(2)),
        ("activation_type", A::S(activation)),
        ("swiglu_fusion", A::I(fusion)),
        ("normalize_routing_weights", A::I(1)),
    ];
    let o = b.op("com.microsoft.MoE", &[&e, &router, &w1, &b1, &w2, &b2], attrs);
    let y = b.add(&e, &o);
    finish(b, &y)
}

/// Two of four small networks for each token.
pub fn experts() -> ModelProto {
    mixture("gelu", 0)
}

/// Gate and value of each come from one layer, as neighbours.
pub fn experts_interleaved() -> ModelProto {
    mixture("swiglu", 1)
}
