//! Tensors that no input decides: computed from constants and sizes each time the network runs.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

/// 0, 1, 2, … as real numbers, `limit` of them.
fn counted(b: &mut Builder, limit: &str) -> String {
    let (zero, one) = (b.scalar_int(0), b.scalar_int(1));
    let r = b.op("Range", &[&zero, limit, &one], vec![]);
    b.op("Cast", &[&r], vec![("to", A::I(DType::Float as i64))])
}

/// Sines and cosines of `positions` at four frequencies, side by side.
fn waves(b: &mut Builder, positions: &str) -> String {
    let four = b.scalar_int(4);
    let f = counted(b, &four);
    let step = b.scalar(0.3);
    let f = b.mul(&f, &step);
    let angles = b.mul(positions, &f);
    let (s, c) = (b.op("Sin", &[&angles], vec![]), b.op("Cos", &[&angles], vec![]));
    b.concat(-1, &[&s, &c])
}

/// Tokens that a head with two layers reads.
fn tokens(mut b: Builder, t: &str) -> ModelProto {
    let t = b.linear("inner", t, 8, 12);
    let t = b.relu(&t);
    let v = b.mean(&t, &[1], false);
    let y = b.gemm("head", &v, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Two layers read one weight that is computed each time, behind a function that gives no zero for zero.
pub fn computed_weight() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 24");
    let units = b.scalar_int(32);
    let rows = counted(&mut b, &units);
    let rows = b.unsqueeze(&rows, &[1]);
    let w = waves(&mut b, &rows);
    let tower = |b: &mut Builder, h: &str| {
        let h = b.op("Softplus", &[h], vec![]);
        b.matmul(&h, &w)
    };
    let h = b.linear("first", &x, 24, 32);
    let one = tower(&mut b, &h);
    let h = b.sigmoid(&h);
    let two = tower(&mut b, &h);
    let y = b.mul(&one, &two);
    b.output(&y, "batch 8");
    b.model()
}

/// Positions are counted up, not stored: what is added to the channels is computed.
pub fn counted_positions() -> ModelProto {
    let (mut b, x) = start(18);
    let a = b.conv("patch", &x, 3, 8, Window { kernel: 2, stride: 2, pad: 0, group: 1 });
    let r = b.reshape(&a, &[0, 0, -1]);
    let t = b.transpose(&r, &[0, 2, 1]);
    let sixteen = b.scalar_int(16);
    let p = counted(&mut b, &sixteen);
    let p = b.unsqueeze(&p, &[1]);
    let w = waves(&mut b, &p);
    let t = b.add(&t, &w);
    tokens(b, &t)
}

/// The same, with as many positions as the image gives.
pub fn counted_to_a_size() -> ModelProto {
    let mut b = Builder::new(18);
    let x = b.input("x", "batch 3 height width");
    let a = b.conv("patch", &x, 3, 8, Window { kernel: 2, stride: 2, pad: 0, group: 1 });
    let r = b.reshape(&a, &[0, 0, -1]);
    let t = b.transpose(&r, &[0, 2, 1]);
    let s = b.op("Shape", &[&t], vec![]);
    let one = b.scalar_int(1);
    let n = b.gather(&s, &one, 0);
    let p = counted(&mut b, &n);
    let p = b.unsqueeze(&p, &[1]);
    let w = waves(&mut b, &p);
    let t = b.add(&t, &w);
    tokens(b, &t)
}

/// Channels are scaled by their own numbers, counted up to the size of their axis.
pub fn counted_channels() -> ModelProto {
    let (mut b, x) = start(18);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let s = b.op("Shape", &[&a], vec![]);
    let one = b.scalar_int(1);
    let n = b.gather(&s, &one, 0);
    let c = counted(&mut b, &n);
    let c = b.unsqueeze(&c, &[1, 2]);
    let a = b.mul(&a, &c);
    head(b, &a, 8)
}

/// Rows of an image are assigned by an index that names every position of the other axes, as an exporter spells
/// `a[:, :, 1:] += z[:, :, 1:]`.
pub fn assigned_rows() -> ModelProto {
    let (mut b, x) = start(18);
    let (a, z) = (b.conv("a", &x, 3, 8, same(3)), b.conv("z", &x, 3, 8, same(3)));
    let (rows, more) = (b.slice(&a, 2, 1, i64::MAX), b.slice(&z, 2, 1, i64::MAX));
    let sum = b.add(&rows, &more);
    let (size, all) = (b.op("Shape", &[&sum], vec![]), b.op("Shape", &[&a], vec![]));
    let (zero, one) = (b.scalar_int(0), b.scalar_int(1));
    let mut columns = Vec::new();
    for k in 0..4 {
        let axis = b.scalar_int(k);
        let n = b.gather(&all, &axis, 0);
        let mut c = b.op("Range", &[&zero, &n, &one], vec![]);
        if k == 2 {
            c = b.slice(&c, 0, 1, i64::MAX);
        }
        let c = b.reshape(&c, &[-1, 1, 1, 1][..4 - k as usize]);
        let c = b.op("Expand", &[&c, &size], vec![]);
        columns.push(b.unsqueeze(&c, &[-1]));
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let at = b.concat(-1, &columns);
    let shape = b.op("Shape", &[&at], vec![]);
    let shape = b.slice(&shape, 0, 0, 4);
    let sum = b.op("Reshape", &[&sum, &shape], vec![]);
    let y = b.op("ScatterND", &[&a, &at, &sum], vec![]);
    let y = b.conv("last", &y, 8, 6, same(3));
    head(b, &y, 6)
}

/// A constant that is written into by index before it is added to the channels.
pub fn written_by_index() -> ModelProto {
    let (mut b, x) = start(18);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let base = b.weight("base", &[8, 1, 1]);
    let update = b.weight("update", &[2, 1, 1]);
    let at = b.fresh("at");
    b.graph.initializer.push(onnx_prune::onnx::from_i64(&at, &[2, 1], &[1, 6]).unwrap());
    let c = b.op("ScatterND", &[&base, &at, &update], vec![]);
    let y = b.add(&a, &c);
    head(b, &y, 8)
}

/// Padding whose amounts come from real-number arithmetic on a size, as "same" padding is spelled.
pub fn padded_by_arithmetic() -> ModelProto {
    let (mut b, x) = start(18);
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let s = b.op("Shape", &[&a], vec![]);
    let height = b.slice(&s, 0, 2, 3);
    let real = b.op("Cast", &[&height], vec![("to", A::I(DType::Float as i64))]);
    let (two, three, one, zero) = (b.scalar(2.0), b.scalar(3.0), b.scalar(1.0), b.scalar(0.0));
    let steps = b.op("Div", &[&real, &two], vec![]);
    let steps = b.op("Ceil", &[&steps], vec![]);
    let last = b.op("Sub", &[&steps, &one], vec![]);
    let reach = b.mul(&last, &two);
    let reach = b.add(&reach, &three);
    let missing = b.op("Sub", &[&reach, &real], vec![]);
    let missing = b.op("Clip", &[&missing, &zero], vec![]);
    let missing = b.op("ReduceMax", &[&missing], vec![("keepdims", A::I(1))]);
    let missing = b.op("Cast", &[&missing], vec![("to", A::I(DType::Int64 as i64))]);
    let none = b.ints(&[0, 0, 0, 0, 0, 0]);
    let pads = b.concat(0, &[&none, &missing, &missing]);
    let a = b.op("Pad", &[&a, &pads], vec![]);
    let c = b.conv("conv2", &a, 8, 6, Window { kernel: 3, stride: 2, pad: 0, group: 1 });
    head(b, &c, 6)
}

/// A normalisation over all channels, spelled with the only other one there was.
pub fn one_group_norm() -> ModelProto {
    let (mut b, x) = start(18);
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let flat = b.reshape(&a, &[0, 1, -1]);
    let (one, zero) = (b.filled("one", &[1], &[1.0]), b.filled("zero", &[1], &[0.0]));
    let n = b.op("InstanceNormalization", &[&flat, &one, &zero], vec![]);
    let s = b.op("Shape", &[&a], vec![]);
    let n = b.op("Reshape", &[&n, &s], vec![]);
    let (scale, shift) = (b.weight("scale", &[8, 1, 1]), b.weight("shift", &[8, 1, 1]));
    let n = b.mul(&n, &scale);
    let n = b.add(&n, &shift);
    let c = b.conv("conv2", &n, 8, 6, same(3));
    head(b, &c, 6)
}

/// Copies whose number stands in a one-hot vector.
pub fn copies_by_one_hot() -> ModelProto {
    let (mut b, x) = start(18);
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let v = b.op("GlobalAveragePool", &[&a], vec![]);
    let (at, depth, values) = (b.ints(&[2]), b.scalar_int(4), b.ints(&[1, 8]));
    let hot = b.op("OneHot", &[&at, &depth, &values], vec![]);
    let times = b.reshape(&hot, &[-1]);
    let t = b.op("Tile", &[&v, &times], vec![]);
    let y = b.add(&a, &t);
    let c = b.conv("conv2", &y, 8, 6, same(3));
    head(b, &c, 6)
}
