//! Networks whose axes are of every kind.

use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

const TOKENS: i64 = 6;

/// Token ids, embedded in 16.
fn tokens() -> (Builder, String) {
    let mut b = Builder::new(17);
    let ids = b.input_of("ids", DType::Int64, "batch 6");
    let table = b.weight("table", &[20, 16]);
    let e = b.gather(&table, &ids, 0);
    (b, e)
}

fn finish(mut b: Builder, x: &str, width: i64) -> ModelProto {
    let y = b.linear("head", x, width, 10);
    b.output(&y, "batch 6 10");
    b.model()
}

/// x / √(mean x² + ε) · weight.
fn rms_norm(b: &mut Builder, name: &str, x: &str, width: i64) -> String {
    let (two, eps) = (b.scalar(2.0), b.scalar(1e-5));
    let s = b.op("Pow", &[x, &two], vec![]);
    let s = b.mean(&s, &[-1], true);
    let s = b.add(&s, &eps);
    let s = b.op("Sqrt", &[&s], vec![]);
    let s = b.op("Reciprocal", &[&s], vec![]);
    let x = b.mul(x, &s);
    let w = b.weight(&format!("{name}.weight"), &[width]);
    b.mul(&w, &x)
}

/// The hyperbolic approximation of GELU, which adds a function of x to x.
fn gelu(b: &mut Builder, x: &str) -> String {
    let (three, a, c, one, half) = (b.scalar(3.0), b.scalar(0.0447), b.scalar(0.798), b.scalar(1.0), b.scalar(0.5));
    let y = b.op("Pow", &[x, &three], vec![]);
    let y = b.mul(&y, &a);
    let y = b.add(x, &y);
    let y = b.mul(&y, &c);
    let y = b.op("Tanh", &[&y], vec![]);
    let y = b.add(&y, &one);
    let y = b.mul(x, &y);
    b.mul(&y, &half)
}

/// Layers read the normalised stream and add to it; the layers between are gated.
pub fn gated_layers() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 6 12");
    let mut x = b.linear("embed", &x, 12, 16);
    for k in 0..2 {
        let n = rms_norm(&mut b, &format!("norm{k}"), &x, 16);
        let gate = b.linear(&format!("gate{k}"), &n, 16, 24);
        let gate = gelu(&mut b, &gate);
        let up = b.linear(&format!("up{k}"), &n, 16, 24);
        let h = b.mul(&gate, &up);
        let h = b.linear(&format!("down{k}"), &h, 24, 16);
        x = b.add(&x, &h);
    }
    finish(b, &x, 16)
}

/// Depthwise convolutions, a normalisation over channels, linear layers with a response norm between, and addition.
pub fn normed_convolutions() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 8 8");
    let mut x = b.conv("stem", &x, 3, 8, same(3).stride(2));
    for k in 0..2 {
        let y = b.conv(&format!("dw{k}"), &x, 8, 8, same(3).group(8));
        let y = b.transpose(&y, &[0, 2, 3, 1]);
        let y = b.layernorm(&format!("norm{k}"), &y, 8);
        let y = b.linear(&format!("up{k}"), &y, 8, 24);
        let y = gelu(&mut b, &y);
        let g = b.op("ReduceL2", &[&y], vec![("axes", A::Is(&[1, 2])), ("keepdims", A::I(1))]);
        let m = b.mean(&g, &[-1], true);
        let g = b.op("Div", &[&g, &m], vec![]);
        let g = b.mul(&y, &g);
        let w = b.weight(&format!("response{k}"), &[24]);
        let g = b.mul(&g, &w);
        let y = b.add(&y, &g);
        let y = b.linear(&format!("down{k}"), &y, 24, 8);
        let y = b.transpose(&y, &[0, 3, 1, 2]);
        x = b.add(&x, &y);
    }
    let v = b.global_pool(&x);
    let y = b.gemm("head", &v, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Maps of means over channels weigh the images, as a normalisation would not.
pub fn spatial_attention() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 8 8");
    let x = b.conv("stem", &x, 3, 8, same(3));
    let y = b.conv("inner", &x, 8, 6, same(3));
    let y = b.relu(&y);
    let y = b.conv("outer", &y, 6, 8, same(3));
    let m = b.mean(&y, &[1], true);
    let m = b.conv("map", &m, 1, 1, same(3));
    let m = b.sigmoid(&m);
    let y = b.mul(&y, &m);
    let x = b.add(&x, &y);
    let v = b.global_pool(&x);
    let y = b.gemm("head", &v, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// [batch, tokens, heads · dim] → [batch, heads, tokens, dim].
fn heads(b: &mut Builder, x: &str, heads: i64, dim: i64) -> String {
    let r = b.reshape(x, &[-1, TOKENS, heads, dim]);
    b.transpose(&r, &[0, 2, 1, 3])
}

fn attend(b: &mut Builder, q: &str, k: &str, v: &str, width: i64) -> String {
    let k = b.transpose(k, &[0, 1, 3, 2]);
    let s = b.matmul(q, &k);
    let p = b.softmax(&s, -1);
    let o = b.matmul(&p, v);
    let o = b.transpose(&o, &[0, 2, 1, 3]);
    b.reshape(&o, &[0, 0, width])
}

/// Four query heads share one head of keys and values.
pub fn multi_query() -> ModelProto {
    let (mut b, e) = tokens();
    let n = b.layernorm("norm", &e, 16);
    let q = b.linear("q", &n, 16, 16);
    let q = heads(&mut b, &q, 4, 4);
    let one = |b: &mut Builder, name: &str| {
        let y = b.linear(name, &n, 16, 4);
        heads(b, &y, 1, 4)
    };
    let (k, v) = (one(&mut b, "k"), one(&mut b, "v"));
    let o = attend(&mut b, &q, &k, &v, 16);
    let o = b.linear("proj", &o, 16, 16);
    let x = b.add(&e, &o);
    finish(b, &x, 16)
}

/// Queries and keys are normalised and turned within each head.
pub fn normed_heads() -> ModelProto {
    let (mut b, e) = tokens();
    let angles: Vec<f32> = (0..TOKENS * 8).map(|i| (i / 8) as f32 / (1 + i % 4) as f32).collect();
    let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
    let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
    let (cos, sin) = (b.filled("cos", &[1, 1, TOKENS, 8], &cos), b.filled("sin", &[1, 1, TOKENS, 8], &sin));
    let turned = |b: &mut Builder, name: &str| {
        let y = b.linear(name, &e, 16, 16);
        let y = heads(b, &y, 2, 8);
        let y = rms_norm(b, &format!("{name}.norm"), &y, 8);
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
    let x = b.add(&e, &o);
    finish(b, &x, 16)
}

/// One head: its width is what queries and keys are compared over.
pub fn single_head() -> ModelProto {
    let (mut b, e) = tokens();
    let (q, k, v) = (b.linear("q", &e, 16, 8), b.linear("k", &e, 16, 8), b.linear("v", &e, 16, 12));
    let k = b.transpose(&k, &[0, 2, 1]);
    let s = b.matmul(&q, &k);
    let p = b.softmax(&s, -1);
    let o = b.matmul(&p, &v);
    let o = b.linear("proj", &o, 12, 16);
    let x = b.add(&e, &o);
    finish(b, &x, 16)
}

/// Four experts read every token; a router weighs what they say.
pub fn mixture() -> ModelProto {
    let (mut b, e) = tokens();
    let r = b.linear("router", &e, 16, 4);
    let r = b.softmax(&r, -1);
    let r = b.transpose(&r, &[0, 2, 1]);
    let r = b.unsqueeze(&r, &[3]);
    let (up, down) = (b.weight("up", &[4, 16, 24]), b.weight("down", &[4, 24, 16]));
    let x = b.unsqueeze(&e, &[1]);
    let h = b.matmul(&x, &up);
    let h = b.relu(&h);
    let h = b.matmul(&h, &down);
    let h = b.mul(&h, &r);
    let axes = b.ints(&[1]);
    let h = b.op("ReduceSum", &[&h, &axes], vec![("keepdims", A::I(0))]);
    let x = b.add(&e, &h);
    finish(b, &x, 16)
}

/// The same in letters.
pub fn einsum_mixture() -> ModelProto {
    let (mut b, e) = tokens();
    let r = b.linear("router", &e, 16, 4);
    let r = b.softmax(&r, -1);
    let (up, down) = (b.weight("up", &[4, 16, 24]), b.weight("down", &[4, 24, 16]));
    let einsum =
        |b: &mut Builder, x: &str, y: &str, equation: &str| b.op("Einsum", &[x, y], vec![("equation", A::S(equation))]);
    let h = einsum(&mut b, &e, &up, "btd,edh->beth");
    let h = b.relu(&h);
    let h = einsum(&mut b, &h, &down, "beth,ehd->betd");
    let h = einsum(&mut b, &h, &r, "betd,bte->btd");
    let x = b.add(&e, &h);
    finish(b, &x, 16)
}

/// Layers that add two functions of what they read, as splines beside a linear part.
pub fn sums_of_one_input() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 6 16");
    let mut h = b.linear("embed", &x, 16, 16);
    for (name, from, to) in [("one", 16, 24), ("two", 24, 20)] {
        let silu = b.sigmoid(&h);
        let silu = b.mul(&h, &silu);
        let base = b.linear(&format!("{name}.base"), &silu, from, to);
        let curve = b.op("Tanh", &[&h], vec![]);
        let curve = b.linear(&format!("{name}.curve"), &curve, from, to);
        h = b.add(&base, &curve);
    }
    finish(b, &h, 20)
}

/// A layer with a shortcut that is a layer itself, then one that adds to what it reads.
pub fn projected_shortcut() -> ModelProto {
    let (mut b, e) = tokens();
    let wide = b.linear("inner0", &e, 16, 24);
    let wide = b.relu(&wide);
    let (subgraph, shortcut) = (b.linear("outer0", &wide, 24, 20), b.linear("shortcut", &e, 16, 20));
    let x = b.add(&subgraph, &shortcut);
    let x = b.relu(&x);
    let wide = b.linear("inner1", &x, 20, 24);
    let wide = b.relu(&wide);
    let subgraph = b.linear("outer1", &wide, 24, 20);
    let x = b.add(&subgraph, &x);
    finish(b, &x, 20)
}
