//! Weights that are computed from weights.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::proto::ModelProto;

fn reduce(b: &mut Builder, op: &str, x: &str, axes: &[i64]) -> String {
    if b.opset < 18 {
        return b.op(op, &[x], vec![("axes", A::Is(axes)), ("keepdims", A::I(1))]);
    }
    let a = b.ints(axes);
    b.op(op, &[x, &a], vec![("keepdims", A::I(1))])
}

/// g · v / ‖v‖, one norm for each position of axis 0.
fn weight_norm(b: &mut Builder, name: &str, dims: &[i64]) -> String {
    let v = b.weight(&format!("{name}.weight_v"), dims);
    let ones = vec![1; dims.len() - 1];
    let g = b.weight(&format!("{name}.weight_g"), &[&dims[..1], &ones].concat());
    let over: Vec<i64> = (1..dims.len() as i64).collect();
    let norm = reduce(b, "ReduceL2", &v, &over);
    let scale = b.op("Div", &[&g, &norm], vec![]);
    b.mul(&v, &scale)
}

/// A convolution, a transposed one, a fully connected layer.
pub fn weight_normed() -> ModelProto {
    let (mut b, x) = start(17);
    let w = weight_norm(&mut b, "pre", &[8, 3, 3, 3]);
    let h = b.conv_with(&x, &[&w], same(3));
    let h = b.relu(&h);
    let w = weight_norm(&mut b, "up", &[8, 6, 2, 2]);
    let h = b.op("ConvTranspose", &[&h, &w], vec![("strides", A::Is(&[2, 2]))]);
    let h = b.relu(&h);
    let v = b.global_pool(&h);
    let w = weight_norm(&mut b, "fc", &[12, 6]);
    let bias = b.weight("fc.bias", &[12]);
    let h = b.op("Gemm", &[&v, &w, &bias], vec![("transB", A::I(1))]);
    let h = b.relu(&h);
    let y = b.gemm("head", &h, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// One such weight is read by two layers.
pub fn weight_normed_twice() -> ModelProto {
    let (mut b, x) = start(17);
    let first = b.conv("first", &x, 3, 8, same(3));
    let w = weight_norm(&mut b, "shared", &[8, 8, 3, 3]);
    let mut h = first;
    for _ in 0..2 {
        h = b.conv_with(&h, &[&w], same(3));
        h = b.relu(&h);
    }
    head(b, &h, 8)
}

/// W / σ with σ = u·(W·v).
pub fn spectral_normed() -> ModelProto {
    let (mut b, x) = start(17);
    let mut h = x;
    for (name, from) in [("one", 3), ("two", 8)] {
        let w = b.weight(&format!("{name}.weight_orig"), &[8, from, 3, 3]);
        let u = b.weight(&format!("{name}.weight_u"), &[8]);
        let v = b.weight(&format!("{name}.weight_v"), &[9 * from]);
        let flat = b.reshape(&w, &[8, -1]);
        let wv = b.matmul(&flat, &v);
        let sigma = b.matmul(&u, &wv);
        let w = b.op("Div", &[&w, &sigma], vec![]);
        h = b.conv_with(&h, &[&w], same(3));
        h = b.relu(&h);
    }
    head(b, &h, 8)
}

/// (W − mean) / √(variance + ε) · gain, over all of each filter.
pub fn standardised() -> ModelProto {
    let (mut b, x) = start(18);
    let mut h = x;
    for (name, from) in [("one", 3), ("two", 8)] {
        let w = b.weight(&format!("{name}.weight"), &[8, from, 3, 3]);
        let gain = b.weight(&format!("{name}.gain"), &[8, 1, 1, 1]);
        let mean = reduce(&mut b, "ReduceMean", &w, &[1, 2, 3]);
        let centred = b.op("Sub", &[&w, &mean], vec![]);
        let squared = b.mul(&centred, &centred);
        let variance = reduce(&mut b, "ReduceMean", &squared, &[1, 2, 3]);
        let small = b.scalar(1e-4);
        let variance = b.add(&variance, &small);
        let deviation = b.op("Sqrt", &[&variance], vec![]);
        let unit = b.op("Div", &[&centred, &deviation], vec![]);
        let w = b.mul(&unit, &gain);
        h = b.conv_with(&h, &[&w], same(3));
        h = b.relu(&h);
    }
    head(b, &h, 8)
}

/// The same as a batch normalisation in training of the filters as channels.
pub fn standardised_as_batch() -> ModelProto {
    let (mut b, x) = start(17);
    let mut h = x;
    for (name, from) in [("one", 3), ("two", 8)] {
        let w = b.weight(&format!("{name}.weight"), &[8, from, 3, 3]);
        let gain: Vec<f32> = (0..8).map(|_| 1.0 + 0.4 * b.draw()).collect();
        let gain = b.filled(&format!("{name}.gain"), &[8], &gain);
        let zero = b.filled(&format!("{name}.zero"), &[8], &[0.0; 8]);
        let one = b.filled(&format!("{name}.unit"), &[8], &[1.0; 8]);
        let rows = b.reshape(&w, &[1, 8, -1]);
        let attrs = vec![("training_mode", A::I(1)), ("epsilon", A::F(1e-4))];
        let rows = b.ops("BatchNormalization", &[&rows, &gain, &zero, &zero, &one], attrs, 3).remove(0);
        let w = b.reshape(&rows, &[8, from, 3, 3]);
        h = b.conv_with(&h, &[&w], same(3));
        h = b.relu(&h);
    }
    head(b, &h, 8)
}

/// A factor for each filter, and one for all.
pub fn scaled() -> ModelProto {
    let (mut b, x) = start(17);
    let w = b.weight("conv.weight", &[8, 3, 3, 3]);
    let each = b.weight("conv.each", &[8, 1, 1, 1]);
    let half = b.scalar(0.5);
    let w = b.mul(&w, &each);
    let w = b.mul(&w, &half);
    let h = b.conv_with(&x, &[&w], same(3));
    let h = b.relu(&h);
    head(b, &h, 8)
}

/// A layer whose rows are stored in another order, and read what is not zero at zero.
pub fn reordered() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 16");
    let h = b.gemm("first", &x, 16, 12);
    let h = b.op("Softplus", &[&h], vec![]);
    let w = b.weight("second.weight", &[12, 8]);
    let order = b.ints(&[5, 0, 11, 3, 2, 8, 1, 9, 4, 10, 7, 6]);
    let w = b.gather(&w, &order, 0);
    let h = b.matmul(&h, &w);
    let h = b.relu(&h);
    let y = b.gemm("head", &h, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// W + B·A: a correction of rank 2 that was never merged.
pub fn low_rank_added() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 16");
    let w = b.weight("fc.weight", &[24, 16]);
    let (up, down) = (b.weight("fc.up", &[24, 2]), b.weight("fc.down", &[2, 16]));
    let delta = b.matmul(&up, &down);
    let w = b.add(&w, &delta);
    let h = b.op("Gemm", &[&x, &w], vec![("transB", A::I(1))]);
    let h = b.relu(&h);
    let y = b.gemm("head", &h, 24, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// B·A alone: the product is larger than its factors.
pub fn low_rank() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 16");
    let h = b.gemm("stem", &x, 16, 24);
    let h = b.relu(&h);
    let (up, down) = (b.weight("up", &[24, 4]), b.weight("down", &[4, 20]));
    let w = b.matmul(&up, &down);
    let h = b.matmul(&h, &w);
    let h = b.relu(&h);
    let y = b.gemm("head", &h, 20, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// One packed weight, cut in two; each half is normed for a layer of its own.
pub fn normed_halves() -> ModelProto {
    let (mut b, x) = start(17);
    let packed = b.weight("packed", &[16, 3, 3, 3]);
    let parts: Vec<String> = (0..2)
        .map(|k| {
            let v = b.slice(&packed, 0, 8 * k, 8 * k + 8);
            let norm = reduce(&mut b, "ReduceL2", &v, &[1, 2, 3]);
            let w = b.op("Div", &[&v, &norm], vec![]);
            let h = b.conv_with(&x, &[&w], same(3));
            let h = b.relu(&h);
            b.conv(["left", "right"][k as usize], &h, 8, 6, same(1))
        })
        .collect();
    let y = b.concat(1, &[&parts[0], &parts[1]]);
    head(b, &y, 12)
}

/// One layer reads a weight as it is, another the same weight normed: folding would store it twice.
pub fn normed_and_plain() -> ModelProto {
    let (mut b, x) = start(17);
    let h = b.conv("first", &x, 3, 8, same(3));
    let v = b.weight("shared.weight", &[8, 8, 3, 3]);
    let norm = reduce(&mut b, "ReduceL2", &v, &[1, 2, 3]);
    let w = b.op("Div", &[&v, &norm], vec![]);
    let parts = [&v, &w].map(|w| {
        let y = b.conv_with(&h, &[w], same(3));
        b.relu(&y)
    });
    let y = b.concat(1, &[&parts[0], &parts[1]]);
    let y = b.conv("last", &y, 16, 6, same(3));
    head(b, &y, 6)
}
