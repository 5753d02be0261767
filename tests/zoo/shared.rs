//! One weight that several layers read.

use super::channels::{head, start};
use super::control::{inside, subgraph};
use crate::common::builder::*;
use onnx_prune::onnx::proto::{ModelProto, TensorProto};
use onnx_prune::onnx::{self, DType};

/// A weight with its bias, for layers that are written down one by one.
fn layer(b: &mut Builder, name: &str, dims: &[i64]) -> [String; 2] {
    [b.weight(&format!("{name}.weight"), dims), b.weight(&format!("{name}.bias"), &dims[..1])]
}

fn conv(b: &mut Builder, x: &str, [w, bias]: &[String; 2]) -> String {
    let y = b.conv_with(x, &[w, bias], same(3));
    b.relu(&y)
}

/// Two images go through the same layers; the distance of what comes out is told.
pub fn siamese() -> ModelProto {
    let (mut b, x) = start(17);
    let other = b.input("other", "batch 3 8 8");
    let (one, two) = (layer(&mut b, "one", &[8, 3, 3, 3]), layer(&mut b, "two", &[12, 8, 3, 3]));
    let fc = layer(&mut b, "fc", &[6, 12]);
    let ends = [x, other].map(|x| {
        let h = conv(&mut b, &x, &one);
        let h = conv(&mut b, &h, &two);
        let v = b.global_pool(&h);
        b.op("Gemm", &[&v, &fc[0], &fc[1]], vec![("transB", A::I(1))])
    });
    let d = b.op("Sub", &[&ends[0], &ends[1]], vec![]);
    let d = b.op("Abs", &[&d], vec![]);
    let y = b.gemm("head", &d, 6, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// One head reads two levels of a pyramid.
pub fn pyramid_head() -> ModelProto {
    let (mut b, x) = start(17);
    let fine = b.conv("fine", &x, 3, 8, same(3));
    let coarse = b.conv("coarse", &fine, 8, 8, same(3).stride(2));
    let (tower, last) = (layer(&mut b, "tower", &[12, 8, 3, 3]), layer(&mut b, "last", &[4, 12, 3, 3]));
    let mut boxes = Vec::new();
    for level in [fine, coarse] {
        let h = conv(&mut b, &level, &tower);
        let h = b.conv_with(&h, &[&last[0], &last[1]], same(3));
        boxes.push(b.reshape(&h, &[0, 4, -1]));
    }
    let y = b.concat(2, &[&boxes[0], &boxes[1]]);
    b.output(&y, "batch 4 80");
    b.model()
}

/// One block comes three times in a row, as in networks that repeat a layer.
pub fn recursive() -> ModelProto {
    let (mut b, x) = start(17);
    let mut h = b.conv("stem", &x, 3, 8, same(3));
    let (up, down) = (layer(&mut b, "up", &[12, 8, 3, 3]), layer(&mut b, "down", &[8, 12, 3, 3]));
    for _ in 0..3 {
        let g = conv(&mut b, &h, &up);
        let g = b.conv_with(&g, &[&down[0], &down[1]], same(3));
        h = b.add(&h, &g);
    }
    head(b, &h, 8)
}

/// One table gives tokens of two streams that never meet, and is turned to tell tokens of one of them.
pub fn two_streams() -> ModelProto {
    let mut b = Builder::new(17);
    let (left, right) = (b.input_of("left", DType::Int64, "batch 6"), b.input_of("right", DType::Int64, "batch 6"));
    let table = b.weight("table", &[20, 16]);
    let streams = [left, right].map(|ids| {
        let e = b.gather(&table, &ids, 0);
        let h = b.linear(&format!("up.{ids}"), &e, 16, 24);
        let h = b.relu(&h);
        b.linear(&format!("down.{ids}"), &h, 24, 12)
    });
    let y = b.linear("back", &streams[0], 12, 16);
    let t = b.transpose(&table, &[1, 0]);
    let y = b.matmul(&y, &t);
    b.output(&y, "batch 6 20");
    let z = b.linear("other", &streams[1], 12, 5);
    b.output(&z, "batch 6 5");
    b.model()
}

/// Two towers whose convolution is stored somehow and read by each through nodes of its own.
fn towers(read: impl Fn(&mut Builder) -> String, store: impl FnOnce(&mut Builder, Vec<f32>)) -> ModelProto {
    let (mut b, x) = start(17);
    let data = b.random(&[8, 3, 3, 3]);
    store(&mut b, data);
    let parts = ["left", "right"].map(|side| {
        let w = read(&mut b);
        let h = b.conv_with(&x, &[&w], same(3));
        let h = b.relu(&h);
        b.conv(side, &h, 8, 6, same(3))
    });
    let y = b.concat(1, &[&parts[0], &parts[1]]);
    head(b, &y, 12)
}

fn stored(b: &mut Builder, data: &[f32], shape: &[usize], dtype: DType) {
    b.graph.initializer.push(onnx::from_f32("stored", shape, data, dtype).unwrap());
}

pub fn shared_cast() -> ModelProto {
    towers(
        |b| b.op("Cast", &["stored"], vec![("to", A::I(DType::Float as i64))]),
        |b, data| stored(b, &data, &[8, 3, 3, 3], DType::Float16),
    )
}

pub fn shared_transposed() -> ModelProto {
    towers(|b| b.transpose("stored", &[3, 2, 0, 1]), |b, data| stored(b, &data, &[3, 3, 3, 8], DType::Float))
}

pub fn shared_identity() -> ModelProto {
    towers(|b| b.op("Identity", &["stored"], vec![]), |b, data| stored(b, &data, &[8, 3, 3, 3], DType::Float))
}

/// Filters in another order than they are stored.
pub fn shared_gathered() -> ModelProto {
    let order = |b: &mut Builder| match b.graph.node.iter().find(|n| n.op_type() == "Gather") {
        Some(first) => first.output[0].clone(),
        None => {
            let order = b.ints(&[3, 0, 2, 1, 7, 5, 6, 4]);
            b.gather("stored", &order, 0)
        }
    };
    towers(order, |b, data| stored(b, &data, &[8, 3, 3, 3], DType::Float))
}

pub fn shared_dequantized() -> ModelProto {
    towers(
        |b| b.op("DequantizeLinear", &["stored", "scale"], vec![("axis", A::I(0))]),
        |b, data| {
            b.graph.initializer.push(TensorProto {
                name: Some("stored".into()),
                dims: vec![8, 3, 3, 3],
                data_type: Some(DType::Int8 as i32),
                raw_data: Some(data.iter().map(|v| (v * 100.0) as i8 as u8).collect::<Vec<u8>>().into()),
                ..Default::default()
            });
            b.filled("scale", &[8], &[0.01, 0.011, 0.012, 0.013, 0.009, 0.008, 0.01, 0.012]);
        },
    )
}

/// A third of one weight is read by each of three nodes.
pub fn shared_in_parts() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 16");
    let h = b.gemm("stem", &x, 16, 12);
    let w = b.weight("packed", &[24, 12]);
    let parts: Vec<String> = (0..3)
        .map(|k| {
            let part = b.slice(&w, 0, 8 * k, 8 * k + 8);
            let part = b.transpose(&part, &[1, 0]);
            b.matmul(&h, &part)
        })
        .collect();
    let y = b.mul(&parts[0], &parts[1]);
    let y = b.add(&y, &parts[2]);
    let y = b.gemm("head", &y, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Both branches and the main graph read one convolution.
pub fn shared_in_branches() -> ModelProto {
    let (mut b, x) = start(17);
    let flag = b.input_of("flag", DType::Bool, "");
    let first = b.conv("first", &x, 3, 8, same(3));
    let w = b.weight("shared.weight", &[8, 8, 3, 3]);
    let a = b.conv_with(&first, &[&w], same(3));
    let mut yes = inside(&mut b, "yes");
    let c = yes.conv_with(&first, &[&w], same(3));
    let c = yes.relu(&c);
    yes.output(&c, "batch 8 8 8");
    let mut no = inside(&mut b, "no");
    let c = no.conv_with(&first, &[&w], same(3));
    let c = no.sigmoid(&c);
    no.output(&c, "batch 8 8 8");
    let (yes, no) = (subgraph(yes, "yes"), subgraph(no, "no"));
    let c = b.op("If", &[&flag], vec![("then_branch", A::G(yes)), ("else_branch", A::G(no))]);
    let (a, c) = (b.conv("left", &a, 8, 4, same(1)), b.conv("right", &c, 8, 4, same(1)));
    let y = b.concat(1, &[&a, &c]);
    head(b, &y, 8)
}

/// Layers of equal contents that are stored one by one: an exporter that copies weights does not say that they are one.
pub fn twins() -> ModelProto {
    let (mut b, x) = start(17);
    let data = b.random(&[8, 3, 3, 3]);
    let parts = ["left", "right"].map(|side| {
        let w = b.filled(&format!("{side}.weight"), &[8, 3, 3, 3], &data);
        let h = b.conv_with(&x, &[&w], same(3));
        b.relu(&h)
    });
    let y = b.concat(1, &[&parts[0], &parts[1]]);
    head(b, &y, 16)
}

/// Two layers that were never trained: their zeros have been merged.
pub fn merged_zeros() -> ModelProto {
    let (mut b, x) = start(17);
    let zeros = b.filled("zeros", &[8, 3, 3, 3], &[0.0; 216]);
    let parts = ["left", "right"].map(|side| {
        let own = b.conv(side, &x, 3, 8, same(3));
        let h = b.conv_with(&x, &[&zeros], same(3));
        b.add(&own, &h)
    });
    let y = b.concat(1, &[&parts[0], &parts[1]]);
    head(b, &y, 16)
}

/// One layer reads channels as they are, and as rows of an image that keeps its size.
pub fn unlike_uses() -> ModelProto {
    let (mut b, x) = start(17);
    let h = b.conv("conv", &x, 3, 8, same(3));
    let w = b.weight("shared.weight", &[8, 6]);
    let t = b.transpose(&h, &[0, 2, 3, 1]);
    let (by_channel, by_column) = (b.matmul(&t, &w), b.matmul(&h, &w));
    let (p, q) = (b.mean(&by_channel, &[1, 2], false), b.mean(&by_column, &[1, 2], false));
    let y = b.add(&p, &q);
    let y = b.gemm("head", &y, 6, 10);
    b.output(&y, "batch 10");
    b.model()
}
