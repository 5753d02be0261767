//! Forms of attention: decomposed, and as the operators of newer operator sets.

use super::attention::{TOKENS, angles, attend, finish, heads, start};
use crate::common::builder::*;
use onnx_prune::onnx::proto::ModelProto;

/// Queries, keys and values from layers of their own, each [batch, tokens, heads · dim].
fn layers(b: &mut Builder, x: &str, widths: [i64; 3]) -> [String; 3] {
    [("q", widths[0]), ("k", widths[1]), ("v", widths[2])].map(|(name, w)| b.linear(name, x, 16, w))
}

fn residual(mut b: Builder, x: &str, o: &str, width: i64) -> ModelProto {
    let o = b.linear("proj", o, width, 16);
    let y = b.add(x, &o);
    finish(b, &y)
}

/// Multi-query attention: one head of keys and values serves all queries.
pub fn one_key_for_all() -> ModelProto {
    let (mut b, e) = start();
    let [q, k, v] = layers(&mut b, &e, [16, 4, 4]);
    let (q, k, v) = (heads(&mut b, &q, 4, 4), b.unsqueeze(&k, &[1]), b.unsqueeze(&v, &[1]));
    let o = attend(&mut b, &q, &k, &v, 16);
    residual(b, &e, &o, 16)
}

/// Keys and values come from another sequence of other width.
pub fn cross_attention() -> ModelProto {
    let (mut b, e) = start();
    let other = b.input("other", "batch 6 10");
    let q = b.linear("q", &e, 16, 16);
    let m = b.linear("memory", &other, 10, 12);
    let (k, v) = (b.linear("k", &m, 12, 16), b.linear("v", &m, 12, 16));
    let (q, k, v) = (heads(&mut b, &q, 2, 8), heads(&mut b, &k, 2, 8), heads(&mut b, &v, 2, 8));
    let o = attend(&mut b, &q, &k, &v, 16);
    residual(b, &e, &o, 16)
}

/// Heads are mixed by a small matrix before the softmax: those before are not those after.
pub fn talking_heads() -> ModelProto {
    let (mut b, e) = start();
    let [q, k, v] = layers(&mut b, &e, [16, 16, 24]);
    let (q, k, v) = (heads(&mut b, &q, 4, 4), heads(&mut b, &k, 4, 4), heads(&mut b, &v, 6, 4));
    let k = b.transpose(&k, &[0, 1, 3, 2]);
    let s = b.matmul(&q, &k);
    let s = b.transpose(&s, &[0, 2, 3, 1]);
    let w = b.weight("talk", &[4, 6]);
    let s = b.matmul(&s, &w);
    let s = b.transpose(&s, &[0, 3, 1, 2]);
    let p = b.softmax(&s, -1);
    let o = b.matmul(&p, &v);
    let o = b.transpose(&o, &[0, 2, 1, 3]);
    let o = b.reshape(&o, &[0, 0, 24]);
    residual(b, &e, &o, 24)
}

/// Tokens attend within windows of three.
pub fn window_attention() -> ModelProto {
    let (mut b, e) = start();
    let n = b.layernorm("norm", &e, 16);
    let w = b.reshape(&n, &[-1, 3, 16]);
    let [q, k, v] = layers(&mut b, &w, [16, 16, 16]);
    let [q, k, v] = [q, k, v].map(|x| {
        let r = b.reshape(&x, &[-1, 3, 2, 8]);
        b.transpose(&r, &[0, 2, 1, 3])
    });
    let o = attend(&mut b, &q, &k, &v, 16);
    let o = b.reshape(&o, &[-1, TOKENS, 16]);
    residual(b, &e, &o, 16)
}

/// A table of biases by distance, a column for each head.
pub fn relative_bias() -> ModelProto {
    let (mut b, e) = start();
    let [q, k, v] = layers(&mut b, &e, [16, 16, 16]);
    let (q, k, v) = (heads(&mut b, &q, 4, 4), heads(&mut b, &k, 4, 4), heads(&mut b, &v, 4, 4));
    let k = b.transpose(&k, &[0, 1, 3, 2]);
    let s = b.matmul(&q, &k);
    let table = b.weight("table", &[2 * TOKENS - 1, 4]);
    let distances: Vec<i64> = (0..TOKENS * TOKENS).map(|i| i / TOKENS - i % TOKENS + TOKENS - 1).collect();
    let i = b.ints(&distances);
    let bias = b.gather(&table, &i, 0);
    let bias = b.reshape(&bias, &[TOKENS, TOKENS, 4]);
    let bias = b.transpose(&bias, &[2, 0, 1]);
    let s = b.add(&s, &bias);
    let p = b.softmax(&s, -1);
    let o = b.matmul(&p, &v);
    let o = b.transpose(&o, &[0, 2, 1, 3]);
    let o = b.reshape(&o, &[0, 0, 16]);
    residual(b, &e, &o, 16)
}

fn modern() -> (Builder, String) {
    let (mut b, e) = start();
    (b.opset, b.ir) = (23, 11);
    (b, e)
}

/// The operator, with a bias for each head; its scale follows from the width of a head.
pub fn attention_op() -> ModelProto {
    let (mut b, e) = modern();
    let [q, k, v] = layers(&mut b, &e, [16, 16, 12]);
    let bias = b.weight("bias", &[1, 2, TOKENS, TOKENS]);
    let attrs = vec![("q_num_heads", A::I(2)), ("kv_num_heads", A::I(2))];
    let o = b.op("Attention", &[&q, &k, &v, &bias], attrs);
    residual(b, &e, &o, 12)
}

/// The operator on [batch, heads, tokens, dim], where two queries share a head of keys and values.
pub fn attention_op_grouped() -> ModelProto {
    let (mut b, e) = modern();
    let [q, k, v] = layers(&mut b, &e, [16, 8, 8]);
    let (q, k, v) = (heads(&mut b, &q, 4, 4), heads(&mut b, &k, 2, 4), heads(&mut b, &v, 2, 4));
    let o = b.op("Attention", &[&q, &k, &v], vec![("is_causal", A::I(1))]);
    let o = b.transpose(&o, &[0, 2, 1, 3]);
    let o = b.reshape(&o, &[0, 0, 16]);
    residual(b, &e, &o, 16)
}

/// Three tokens came before: their keys and values are given, and all are handed on.
pub fn attention_op_cached() -> ModelProto {
    let (mut b, e) = modern();
    let [q, k, v] = layers(&mut b, &e, [16, 8, 8]);
    let past = ["past_key", "past_value"].map(|n| b.input(n, "batch 2 3 4"));
    let attrs = vec![("q_num_heads", A::I(4)), ("kv_num_heads", A::I(2))];
    let o = b.ops("Attention", &[&q, &k, &v, "", &past[0], &past[1]], attrs, 3);
    for present in &o[1..] {
        b.output(present, "batch 2 9 4");
    }
    residual(b, &e, &o[0], 16)
}

/// Position of each token, for every sample.
fn positions(b: &mut Builder, x: &str) -> String {
    let shape = b.op("Shape", &[x], vec![]);
    let lead = b.slice(&shape, 0, 0, 2);
    let at: Vec<i64> = (0..TOKENS).collect();
    let at = b.ints(&at);
    b.op("Expand", &[&at, &lead], vec![])
}

fn turned(interleaved: i64, width: i64, pairs: i64, attrs: &[(&'static str, i64)]) -> ModelProto {
    let (mut b, e) = modern();
    let [q, k, v] = layers(&mut b, &e, [2 * width, 2 * width, 16]);
    let [cos, sin] = angles(&mut b, pairs);
    let at = positions(&mut b, &e);
    let [q, k] = [q, k].map(|x| {
        let given = attrs.iter().map(|(n, v)| (*n, A::I(*v)));
        let attrs = [("num_heads", A::I(2)), ("interleaved", A::I(interleaved))].into_iter().chain(given).collect();
        b.op("RotaryEmbedding", &[&x, &cos, &sin, &at], attrs)
    });
    let attrs = vec![("q_num_heads", A::I(2)), ("kv_num_heads", A::I(2)), ("scale", A::F(0.4))];
    let o = b.op("Attention", &[&q, &k, &v], attrs);
    residual(b, &e, &o, 16)
}

/// Rotation as an operator: halves of a head are turned together.
pub fn rotary_op() -> ModelProto {
    turned(0, 8, 4, &[])
}

/// Neighbours are turned together; a part of each head is not.
pub fn rotary_op_in_part() -> ModelProto {
    turned(1, 12, 4, &[("rotary_embedding_dim", 8)])
}
