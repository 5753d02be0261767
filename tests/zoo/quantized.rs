//! Quantized weights and activations, in the ways in which files hold them.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::{ModelProto, OperatorSetIdProto};

/// Which numbers weights are.
#[derive(Clone, Copy)]
struct AxisKind {
    dtype: DType,
    /// A scale for each output channel, else one for all.
    each: bool,
    /// Numbers that stand for 0.
    zero: i8,
}

const EACH: AxisKind = AxisKind { dtype: DType::Int8, each: true, zero: 0 };
const ALL: AxisKind = AxisKind { dtype: DType::Uint8, each: false, zero: -126 };

/// A weight as integers: names of the numbers, the scale and the zero point.
fn weight(b: &mut Builder, name: &str, dims: &[i64], axis: usize, kind: AxisKind) -> [String; 3] {
    let n = if kind.each { dims[axis] } else { 1 };
    let shape: &[i64] = if kind.each { &[n] } else { &[] };
    let numbers: Vec<u8> = b.random(dims).iter().map(|v| (((v * 40.0) as i8).wrapping_add(kind.zero)) as u8).collect();
    let scales: Vec<f32> = (0..n).map(|_| 0.02 + 0.01 * b.draw()).collect();
    let zeros: Vec<u8> =
        (0..n).map(|k| if kind.zero == 0 { 0 } else { (kind.zero as u8).wrapping_add(k as u8) }).collect();
    [
        b.codes(&format!("{name}.q"), dims, kind.dtype, &numbers),
        b.filled(&format!("{name}.scale"), shape, &scales),
        b.codes(&format!("{name}.zero"), shape, kind.dtype, &zeros),
    ]
}

fn bias(b: &mut Builder, name: &str, n: i64) -> String {
    let data: Vec<u8> = (0..n).flat_map(|_| ((b.draw() * 40.0) as i32).to_le_bytes()).collect();
    b.codes(&format!("{name}.bias"), &[n], DType::Int32, &data)
}

/// Scale and zero point of activations.
fn grid(b: &mut Builder) -> [String; 2] {
    let name = b.fresh("grid");
    [b.filled(&format!("{name}.scale"), &[], &[0.03]), b.codes(&format!("{name}.zero"), &[], DType::Uint8, &[120])]
}

fn rounded(b: &mut Builder, x: &str) -> String {
    let [s, z] = grid(b);
    let q = b.op("QuantizeLinear", &[x, &s, &z], vec![]);
    b.op("DequantizeLinear", &[&q, &s, &z], vec![])
}

fn conv(b: &mut Builder, name: &str, x: &str, from: i64, to: i64, kind: AxisKind) -> String {
    let [q, s, z] = weight(b, name, &[to, from, 3, 3], 0, kind);
    let w = b.op("DequantizeLinear", &[&q, &s, &z], vec![("axis", A::I(0))]);
    let c = bias(b, name, to);
    let c = b.op("DequantizeLinear", &[&c, &s], vec![("axis", A::I(0))]);
    b.conv_with(x, &[&w, &c], same(3))
}

fn pairs(kind: AxisKind) -> ModelProto {
    let (mut b, x) = start(17);
    let x = rounded(&mut b, &x);
    let a = conv(&mut b, "first", &x, 3, 8, kind);
    let a = b.relu(&a);
    let a = rounded(&mut b, &a);
    let c = conv(&mut b, "second", &a, 8, 12, kind);
    let c = b.relu(&c);
    let c = rounded(&mut b, &c);
    let v = b.global_pool(&c);
    let v = rounded(&mut b, &v);
    let [q, s, z] = weight(&mut b, "head", &[12, 10], 1, kind);
    let w = b.op("DequantizeLinear", &[&q, &s, &z], vec![("axis", A::I(1))]);
    let y = b.matmul(&v, &w);
    b.output(&y, "batch 10");
    b.model()
}

/// Pairs of QuantizeLinear and DequantizeLinear, a scale for each output channel.
pub fn pairs_per_channel() -> ModelProto {
    pairs(EACH)
}

/// The same with one scale and a zero point that is not 0.
pub fn pairs_per_tensor() -> ModelProto {
    pairs(ALL)
}

/// Operators over quantized numbers.
pub fn whole_numbers() -> ModelProto {
    let (mut b, x) = start(17);
    let [xs, xz] = grid(&mut b);
    let mut q = b.op("QuantizeLinear", &[&x, &xs, &xz], vec![]);
    let mut before = [xs, xz];
    for (name, from, to) in [("first", 3, 8), ("second", 8, 12)] {
        let [w, s, z] = weight(&mut b, name, &[to, from, 3, 3], 0, EACH);
        let c = bias(&mut b, name, to);
        let [ys, yz] = grid(&mut b);
        let inputs = [&q, &before[0], &before[1], &w, &s, &z, &ys, &yz, &c].map(String::as_str);
        q = b.op("QLinearConv", &inputs, vec![("pads", A::Is(&[1; 4]))]);
        before = [ys, yz];
    }
    let q = b.op("MaxPool", &[&q], vec![("kernel_shape", A::Is(&[8, 8]))]);
    let q = b.op("Flatten", &[&q], vec![]);
    let [w, s, z] = weight(&mut b, "head", &[12, 10], 1, AxisKind { zero: 3, ..EACH });
    let [ys, yz] = grid(&mut b);
    let inputs = [&q, &before[0], &before[1], &w, &s, &z, &ys, &yz].map(String::as_str);
    let q = b.op("QLinearMatMul", &inputs, vec![]);
    let y = b.op("DequantizeLinear", &[&q, &ys, &yz], vec![]);
    b.output(&y, "batch 10");
    b.model()
}

/// Activations are quantized as they come; sums of integers become real again by both scales.
pub fn dynamic() -> ModelProto {
    let mut b = Builder::new(17);
    let mut x = b.input("x", "batch 20");
    for (name, from, to) in [("first", 20, 16), ("second", 16, 10)] {
        let q = b.ops("DynamicQuantizeLinear", &[&x], vec![], 3);
        let [w, s, z] = weight(&mut b, name, &[from, to], 1, AxisKind { zero: 0, ..EACH });
        let sums = b.op("MatMulInteger", &[&q[0], &w, &q[2], &z], vec![]);
        let sums = b.op("Cast", &[&sums], vec![("to", A::I(DType::Float as i64))]);
        let scale = b.mul(&q[1], &s);
        let y = b.mul(&sums, &scale);
        let c = b.weight(&format!("{name}.bias"), &[to]);
        let y = b.add(&y, &c);
        x = if to == 10 { y } else { b.relu(&y) };
    }
    b.output(&x, "batch 10");
    b.model()
}

/// Sums of integers over windows; the bias is brought into shape by a node.
pub fn dynamic_windows() -> ModelProto {
    let (mut b, mut x) = start(17);
    for (name, from, to) in [("first", 3, 8), ("second", 8, 12)] {
        let q = b.ops("DynamicQuantizeLinear", &[&x], vec![], 3);
        let [w, s, z] = weight(&mut b, name, &[to, from, 3, 3], 0, ALL);
        let sums = b.op("ConvInteger", &[&q[0], &w, &q[2], &z], vec![("pads", A::Is(&[1; 4]))]);
        let sums = b.op("Cast", &[&sums], vec![("to", A::I(DType::Float as i64))]);
        let scale = b.mul(&q[1], &s);
        let y = b.mul(&sums, &scale);
        let c = b.weight(&format!("{name}.bias"), &[to]);
        let c = b.reshape(&c, &[1, -1, 1, 1]);
        let y = b.add(&y, &c);
        x = b.relu(&y);
    }
    head(b, &x, 12)
}

/// 4-bit weights with a scale for each block of four inputs, which go together.
pub fn blocks_of_four() -> ModelProto {
    let mut b = Builder::new(21);
    b.ir = 10;
    let x = b.input("x", "batch 20");
    let h = b.linear("first", &x, 20, 16);
    let h = b.relu(&h);
    let numbers: Vec<u8> = (0..16 * 10 / 2).map(|_| (b.draw() * 127.0) as i8 as u8).collect();
    let q = b.codes("second.q", &[16, 10], DType::Int4, &numbers);
    let scales: Vec<f32> = (0..4 * 10).map(|_| 0.1 + 0.05 * b.draw()).collect();
    let s = b.filled("second.scale", &[4, 10], &scales);
    let w = b.op("DequantizeLinear", &[&q, &s], vec![("axis", A::I(0)), ("block_size", A::I(4))]);
    let y = b.matmul(&h, &w);
    b.output(&y, "batch 10");
    b.model()
}

/// A fused dynamic product in onnxruntime's domain.
pub fn dynamic_fused() -> ModelProto {
    let mut b = Builder::new(17);
    let mut x = b.input("x", "batch 20");
    for (name, from, to) in [("first", 20, 16), ("second", 16, 10)] {
        let [w, s, z] = weight(&mut b, name, &[from, to], 1, EACH);
        let c = b.weight(&format!("{name}.bias"), &[to]);
        let y = b.op("DynamicQuantizeMatMul", &[&x, &w, &s, &z, &c], vec![]);
        b.graph.node.last_mut().unwrap().domain = Some("com.microsoft".into());
        x = if to == 10 { y } else { b.relu(&y) };
    }
    b.output(&x, "batch 10");
    let mut m = b.model();
    m.opset_import.push(OperatorSetIdProto { domain: Some("com.microsoft".into()), version: Some(1) });
    m
}

/// Weights as numbers that a Cast makes floats of; a zero point is subtracted, a scale multiplies. The first has a
/// vector of both along its outputs, the second one of each, the third is turned before it is read.
pub fn cast_weights() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 20");
    let mut h = x;
    let float = || vec![("to", A::I(DType::Float as i64))];
    for (name, from, to, kind) in
        [("first", 20, 16, AxisKind { zero: 3, ..EACH }), ("second", 16, 12, ALL), ("third", 12, 10, EACH)]
    {
        let dims = if name == "third" { [to, from] } else { [from, to] };
        let [q, s, z] = weight(&mut b, name, &dims, if name == "third" { 0 } else { 1 }, kind);
        let mut w = b.op("Cast", &[&q], float());
        if name != "third" {
            let zero = b.op("Cast", &[&z], float());
            w = b.op("Sub", &[&w, &zero], vec![]);
            w = b.mul(&w, &s);
        } else {
            b.graph.initializer.retain(|t| t.name() != "third.zero" && t.name() != "third.scale");
            w = b.transpose(&w, &[1, 0]);
            let small = b.scalar(0.02);
            w = b.mul(&small, &w);
        }
        let y = b.matmul(&h, &w);
        let c = b.weight(&format!("{name}.bias"), &[to]);
        let y = b.add(&y, &c);
        h = if to == 10 { y } else { b.relu(&y) };
    }
    b.output(&h, "batch 10");
    b.model()
}

/// The scale multiplies what comes out of the product; also in a convolution.
pub fn cast_scaled_after() -> ModelProto {
    let (mut b, x) = start(17);
    let float = || vec![("to", A::I(DType::Float as i64))];
    let [q, _, _] = weight(&mut b, "first", &[8, 3, 3, 3], 0, EACH);
    b.graph.initializer.retain(|t| !matches!(t.name(), "first.scale" | "first.zero"));
    let w = b.op("Cast", &[&q], float());
    let a = b.conv_with(&x, &[&w], same(3));
    let scales: Vec<f32> = (0..8).map(|_| 0.02 + 0.01 * b.draw()).collect();
    let s = b.filled("first.scale", &[1, 8, 1, 1], &scales);
    let a = b.mul(&a, &s);
    let a = b.relu(&a);
    let v = b.global_pool(&a);
    let [q, s, _] = weight(&mut b, "second", &[8, 12], 1, EACH);
    b.graph.initializer.retain(|t| t.name() != "second.zero");
    let w = b.op("Cast", &[&q], float());
    let y = b.matmul(&v, &w);
    let y = b.mul(&y, &s);
    let y = b.relu(&y);
    let y = b.gemm("head", &y, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// A zero point that is no number of the weight's type, and a constant that is added: what stands for zero cannot be
/// told.
pub fn cast_without_a_zero(added: bool) -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 20");
    let [q, s, _] = weight(&mut b, "first", &[20, 16], 1, EACH);
    b.graph.initializer.retain(|t| t.name() != "first.zero");
    let w = b.op("Cast", &[&q], vec![("to", A::I(DType::Float as i64))]);
    let half = b.scalar(7.5);
    let w = b.op(if added { "Add" } else { "Sub" }, &[&w, &half], vec![]);
    let w = b.mul(&w, &s);
    let y = b.matmul(&x, &w);
    let y = b.relu(&y);
    let y = b.gemm("head", &y, 16, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Recurrent layers of onnxruntime's own with weights of integers: a scale for each column, and one for all.
pub fn dynamic_lstm() -> ModelProto {
    let mut b = Builder::new(17);
    let mut x = b.input("x", "6 batch 5");
    for (name, from, hidden, kind) in [("one", 5, 8, EACH), ("two", 8, 6, ALL)] {
        let mut inputs = vec![x.clone()];
        let mut parameters = Vec::new();
        for (part, rows) in [("W", from), ("R", hidden)] {
            let [q, s, z] = weight(&mut b, &format!("{name}.{part}"), &[1, rows, 4 * hidden], 2, kind);
            for t in b.graph.initializer.iter_mut().rev().take(2) {
                t.dims = if kind.each { vec![1, 4 * hidden] } else { vec![1] };
            }
            inputs.push(q);
            parameters.extend([s, z]);
        }
        inputs.push(b.weight(&format!("{name}.B"), &[1, 8 * hidden]));
        inputs.extend(vec![String::new(); 4]);
        inputs.extend(parameters);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let out = b.ops("com.microsoft.DynamicQuantizeLSTM", &inputs, vec![("hidden_size", A::I(hidden))], 3);
        x = if name == "one" { b.squeeze(&out[0], &[1]) } else { b.squeeze(&out[1], &[0]) };
    }
    let y = b.gemm("head", &x, 6, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Numbers of `bits` bits in blocks of 16 along the inputs.
fn packed_layer(b: &mut Builder, name: &str, x: &str, from: i64, to: i64, bits: i64, zero: bool) -> String {
    let blocks = from / 16;
    let mut bytes = |n: i64| -> Vec<u8> { (0..n).map(|_| (b.draw() * 127.0) as i8 as u8).collect() };
    let row = (blocks * bits + 7) / 8;
    let (numbers, zeros) = (bytes(to * blocks * 2 * bits), bytes(to * row));
    let q = b.codes(&format!("{name}.q"), &[to, blocks, 2 * bits], DType::Uint8, &numbers);
    let scales: Vec<f32> = (0..to * blocks).map(|_| (0.4 + 0.2 * b.draw()) / (1 << bits) as f32).collect();
    let s = b.filled(&format!("{name}.scale"), &[to * blocks], &scales);
    let z = if zero { b.codes(&format!("{name}.zero"), &[to * row], DType::Uint8, &zeros) } else { String::new() };
    let c = b.weight(&format!("{name}.bias"), &[to]);
    let attrs = [("K", from), ("N", to), ("bits", bits), ("block_size", 16)].map(|(n, v)| (n, A::I(v)));
    b.op("com.microsoft.MatMulNBits", &[x, &q, &s, &z, "", &c], attrs.into())
}

/// Packed weights behind each other: inputs go by blocks of 16, by two of them where zero points share a byte.
pub fn packed_blocks() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 32");
    let h = packed_layer(&mut b, "first", &x, 32, 64, 4, true);
    let h = b.relu(&h);
    let h = packed_layer(&mut b, "second", &h, 64, 128, 4, false);
    let h = b.relu(&h);
    let h = packed_layer(&mut b, "third", &h, 128, 12, 4, true);
    let h = b.relu(&h);
    let y = b.gemm("head", &h, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}
