//! Attention, normalisation over channels, embeddings.

use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

pub const TOKENS: i64 = 6;

/// Twelve numbers per token, embedded in 16.
pub fn start() -> (Builder, String) {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 6 12");
    let e = b.linear("embed", &x, 12, 16);
    (b, e)
}

pub fn finish(mut b: Builder, x: &str) -> ModelProto {
    let y = b.linear("head", x, 16, 10);
    b.output(&y, "batch 6 10");
    b.model()
}

/// softmax(q·kᵀ / scale)·v, heads joined again to `width`.
pub fn attend(b: &mut Builder, q: &str, k: &str, v: &str, width: i64) -> String {
    let k = b.transpose(k, &[0, 1, 3, 2]);
    let s = b.matmul(q, &k);
    let scale = b.scalar(0.5);
    let s = b.mul(&s, &scale);
    let p = b.softmax(&s, -1);
    let o = b.matmul(&p, v);
    let o = b.transpose(&o, &[0, 2, 1, 3]);
    b.reshape(&o, &[0, 0, width])
}

/// [batch, tokens, heads · dim] → [batch, heads, tokens, dim].
pub fn heads(b: &mut Builder, x: &str, heads: i64, dim: i64) -> String {
    let r = b.reshape(x, &[-1, TOKENS, heads, dim]);
    b.transpose(&r, &[0, 2, 1, 3])
}

/// Tables of cosines and sines for each token, [tokens, pairs].
pub fn angles(b: &mut Builder, pairs: i64) -> [String; 2] {
    let table = |b: &mut Builder, name: &str, f: fn(f32) -> f32| {
        let data: Vec<f32> = (0..TOKENS * pairs).map(|i| f((i / pairs) as f32 / (1 + i % pairs) as f32)).collect();
        b.filled(name, &[TOKENS, pairs], &data)
    };
    [table(b, "cos", f32::cos), table(b, "sin", f32::sin)]
}

/// One layer for queries, keys and values: 3 · 2 heads · 8.
pub fn fused_qkv() -> ModelProto {
    let (mut b, e) = start();
    let n = b.layernorm("norm", &e, 16);
    let qkv = b.linear("qkv", &n, 16, 48);
    let r = b.reshape(&qkv, &[0, 0, 3, 2, 8]);
    let t = b.transpose(&r, &[2, 0, 3, 1, 4]);
    let part = |b: &mut Builder, k: i64| {
        let i = b.scalar_int(k);
        b.gather(&t, &i, 0)
    };
    let (q, k, v) = (part(&mut b, 0), part(&mut b, 1), part(&mut b, 2));
    let o = attend(&mut b, &q, &k, &v, 16);
    let o = b.linear("proj", &o, 16, 16);
    let y = b.add(&e, &o);
    finish(b, &y)
}

/// Layers of their own for queries, keys and values.
pub fn separate_qkv() -> ModelProto {
    let (mut b, e) = start();
    let layer = |b: &mut Builder, name: &str| {
        let y = b.linear(name, &e, 16, 8);
        heads(b, &y, 2, 4)
    };
    let (q, k, v) = (layer(&mut b, "q"), layer(&mut b, "k"), layer(&mut b, "v"));
    let o = attend(&mut b, &q, &k, &v, 8);
    let o = b.linear("proj", &o, 8, 16);
    let y = b.add(&e, &o);
    finish(b, &y)
}

/// Four query heads share two heads of keys and values.
pub fn grouped_query() -> ModelProto {
    let (mut b, e) = start();
    let q = b.linear("q", &e, 16, 16);
    let q = heads(&mut b, &q, 4, 4);
    let repeated = |b: &mut Builder, name: &str| {
        let y = b.linear(name, &e, 16, 8);
        let y = heads(b, &y, 2, 4);
        let y = b.unsqueeze(&y, &[2]);
        let shape = b.ints(&[1, 2, 2, TOKENS, 4]);
        let y = b.op("Expand", &[&y, &shape], vec![]);
        b.reshape(&y, &[-1, 4, TOKENS, 4])
    };
    let (k, v) = (repeated(&mut b, "k"), repeated(&mut b, "v"));
    let o = attend(&mut b, &q, &k, &v, 16);
    let o = b.linear("proj", &o, 16, 16);
    let y = b.add(&e, &o);
    finish(b, &y)
}

/// Rotary position embedding: each half of a head's channels is turned with the other.
pub fn rotary() -> ModelProto {
    let (mut b, e) = start();
    let angles: Vec<f32> = (0..TOKENS * 8).map(|i| (i / 8) as f32 / (1 + i % 4) as f32).collect();
    let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
    let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
    let (cos, sin) = (b.filled("cos", &[1, 1, TOKENS, 8], &cos), b.filled("sin", &[1, 1, TOKENS, 8], &sin));
    let turned = |b: &mut Builder, name: &str| {
        let y = b.linear(name, &e, 16, 16);
        let y = heads(b, &y, 2, 8);
        let (first, second) = (b.slice(&y, 3, 0, 4), b.slice(&y, 3, 4, i64::MAX));
        let second = b.op("Neg", &[&second], vec![]);
        let swapped = b.concat(3, &[&second, &first]);
        let (p, q) = (b.mul(&y, &cos), b.mul(&swapped, &sin));
        b.add(&p, &q)
    };
    let (q, k) = (turned(&mut b, "q"), turned(&mut b, "k"));
    let v = b.linear("v", &e, 16, 16);
    let v = heads(&mut b, &v, 2, 8);
    let o = attend(&mut b, &q, &k, &v, 16);
    let o = b.linear("proj", &o, 16, 16);
    let y = b.add(&e, &o);
    finish(b, &y)
}

/// The table of tokens is also the output matrix.
pub fn tied_embedding() -> ModelProto {
    let mut b = Builder::new(17);
    let ids = b.input_of("ids", DType::Int64, "batch 6");
    let table = b.weight("table", &[20, 16]);
    let e = b.gather(&table, &ids, 0);
    let h = b.linear("up", &e, 16, 24);
    let h = b.relu(&h);
    let h = b.linear("down", &h, 24, 16);
    let y = b.add(&e, &h);
    let t = b.transpose(&table, &[1, 0]);
    let y = b.matmul(&y, &t);
    b.output(&y, "batch 6 20");
    b.model()
}

/// Two layers around a LayerNormalization.
pub fn layer_norm() -> ModelProto {
    let (mut b, e) = start();
    let n = b.layernorm("norm", &e, 16);
    let h = b.linear("up", &n, 16, 24);
    let h = b.op("Tanh", &[&h], vec![]);
    let h = b.linear("down", &h, 24, 16);
    let y = b.add(&e, &h);
    finish(b, &y)
}

/// A normalised stream that a transposed weight reads, small enough for its contents to be followed.
pub fn transposed_after_norm() -> ModelProto {
    let (mut b, e) = start();
    let n = b.layernorm("norm", &e, 16);
    let w = b.weight("up.weight", &[4, 16]);
    let w = b.transpose(&w, &[1, 0]);
    let h = b.matmul(&n, &w);
    let h = b.relu(&h);
    let h = b.linear("down", &h, 4, 16);
    let y = b.add(&e, &h);
    finish(b, &y)
}

/// The same normalisation in single steps.
pub fn decomposed_layer_norm() -> ModelProto {
    let (mut b, e) = start();
    let m = b.mean(&e, &[-1], true);
    let d = b.op("Sub", &[&e, &m], vec![]);
    let (two, eps) = (b.scalar(2.0), b.scalar(1e-5));
    let s = b.op("Pow", &[&d, &two], vec![]);
    let s = b.mean(&s, &[-1], true);
    let s = b.add(&s, &eps);
    let s = b.op("Sqrt", &[&s], vec![]);
    let n = b.op("Div", &[&d, &s], vec![]);
    let (w, c) = (b.weight("norm.weight", &[16]), b.weight("norm.bias", &[16]));
    let n = b.mul(&n, &w);
    let n = b.add(&n, &c);
    let h = b.linear("up", &n, 16, 24);
    let h = b.relu(&h);
    let y = b.linear("down", &h, 24, 16);
    finish(b, &y)
}

/// A box's four sides, each the mean of a distribution over 16 bins.
pub fn softmax_bins() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 8 8");
    let a = b.conv("conv", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let a = b.conv("sides", &a, 8, 64, same(1));
    let r = b.reshape(&a, &[-1, 4, 16, 64]);
    let t = b.transpose(&r, &[0, 2, 1, 3]);
    let p = b.softmax(&t, 1);
    let w = b.filled("bins", &[1, 16, 1, 1], &(0..16).map(|i| i as f32).collect::<Vec<_>>());
    let m = b.conv_with(&p, &[&w], same(1));
    let y = b.reshape(&m, &[-1, 4, 64]);
    b.output(&y, "batch 4 64");
    b.model()
}

/// The scale of attention is computed from the width of a head.
pub fn scale_from_shape() -> ModelProto {
    let (mut b, e) = start();
    let layer = |b: &mut Builder, name: &str| {
        let y = b.linear(name, &e, 16, 16);
        heads(b, &y, 2, 8)
    };
    let (q, k, v) = (layer(&mut b, "q"), layer(&mut b, "k"), layer(&mut b, "v"));
    let s = b.op("Shape", &[&q], vec![]);
    let d = b.slice(&s, 0, -1, i64::MAX);
    let d = b.op("Cast", &[&d], vec![("to", A::I(DType::Float as i64))]);
    let d = b.op("Sqrt", &[&d], vec![]);
    let q = b.op("Div", &[&q, &d], vec![]);
    let o = attend(&mut b, &q, &k, &v, 16);
    let o = b.linear("proj", &o, 16, 16);
    let y = b.add(&e, &o);
    finish(b, &y)
}

/// Products of activations and of weights spelled as Einsum.
pub fn einsum_attention() -> ModelProto {
    let (mut b, e) = start();
    let einsum =
        |b: &mut Builder, x: &str, y: &str, equation: &str| b.op("Einsum", &[x, y], vec![("equation", A::S(equation))]);
    let layer = |b: &mut Builder, name: &str| {
        let w = b.weight(name, &[16, 2, 8]);
        einsum(b, &e, &w, "btc,chd->bthd")
    };
    let (q, k, v) = (layer(&mut b, "q"), layer(&mut b, "k"), layer(&mut b, "v"));
    let s = einsum(&mut b, &q, &k, "bqhd,bkhd->bhqk");
    let p = b.softmax(&s, -1);
    let o = einsum(&mut b, &p, &v, "bhqk,bkhd->bqhd");
    let w = b.weight("proj", &[2, 8, 16]);
    let o = einsum(&mut b, &o, &w, "bqhd,hdc->bqc");
    let y = b.add(&e, &o);
    finish(b, &y)
}
