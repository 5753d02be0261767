//! Channels that are put together and taken apart.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::proto::ModelProto;

/// 4 + 6 channels, split as 5 + 5.
pub fn concat_split() -> ModelProto {
    let (mut b, x) = start(17);
    let p = b.conv("left", &x, 3, 4, same(3));
    let q = b.conv("right", &x, 3, 6, same(3));
    let c = b.concat(1, &[&p, &q]);
    let parts = b.split(&c, 1, &[5, 5]);
    let p = b.conv("top", &parts[0], 5, 7, same(1));
    let q = b.conv("bottom", &parts[1], 5, 7, same(1));
    let y = b.add(&p, &q);
    head(b, &y, 7)
}

/// Each layer reads the outputs of all before it.
pub fn dense_block() -> ModelProto {
    let (mut b, x) = start(17);
    let mut all = b.conv("stem", &x, 3, 8, same(3));
    for k in 0..3 {
        let channels = 8 + 4 * k;
        let n = b.bn(&format!("bn{k}"), &all, channels);
        let n = b.relu(&n);
        let c = b.conv(&format!("conv{k}"), &n, channels, 4, same(3));
        all = b.concat(1, &[&all, &c]);
    }
    head(b, &all, 20)
}

/// 12 channels as 3 · 4, exchanged to 4 · 3.
pub fn channel_shuffle() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("before", &x, 3, 12, same(3));
    let r = b.reshape(&a, &[-1, 3, 4, 8, 8]);
    let t = b.transpose(&r, &[0, 2, 1, 3, 4]);
    let s = b.reshape(&t, &[-1, 12, 8, 8]);
    let d = b.conv("dw", &s, 12, 12, same(3).group(12));
    let c = b.conv("after", &d, 12, 6, same(1));
    head(b, &c, 6)
}

/// The shortcut halves the image by slicing and doubles the channels with zeros on both sides.
pub fn padded_shortcut() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("stem", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let c = b.conv("conv1", &a, 8, 16, same(3).stride(2));
    let c = b.relu(&c);
    let c = b.conv("conv2", &c, 16, 16, same(3));
    let s = b.slices(&a, &[2, 3], &[0, 0], &[i64::MAX, i64::MAX], &[2, 2]);
    let s = b.pad(&s, &[0, 4, 0, 0, 0, 4, 0, 0]);
    let y = b.add(&c, &s);
    let y = b.relu(&y);
    head(b, &y, 16)
}

/// One zero bias serves three convolutions, two of them through Identity.
pub fn shared_zero_bias() -> ModelProto {
    let (mut b, x) = start(17);
    let zero = b.filled("zero", &[8], &[0.0; 8]);
    let mut y = x;
    for (k, from) in [3, 8, 8].into_iter().enumerate() {
        let w = b.weight(&format!("conv{k}.weight"), &[8, from, 3, 3]);
        let bias = if k == 0 { zero.clone() } else { b.op("Identity", &[&zero], vec![]) };
        y = b.conv_with(&y, &[&w, &bias], same(3));
        y = b.relu(&y);
    }
    head(b, &y, 8)
}

/// Channels 2 to 6 of 8 go one way, all of them another.
pub fn slice_of_channels() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("wide", &x, 3, 8, same(3));
    let s = b.slice(&a, 1, 2, 6);
    let p = b.conv("part", &s, 4, 6, same(3));
    let q = b.conv("whole", &a, 8, 6, same(3));
    let y = b.add(&p, &q);
    head(b, &y, 6)
}

/// One weight read by two convolutions whose inputs and outputs are pruned apart.
pub fn shared_conv() -> ModelProto {
    let (mut b, x) = start(17);
    let p = b.conv("left", &x, 3, 8, same(3));
    let q = b.conv("right", &x, 3, 8, same(3));
    let w = b.weight("shared.weight", &[6, 8, 3, 3]);
    let p = b.conv_with(&p, &[&w], same(3));
    let q = b.conv_with(&q, &[&w], same(3));
    let p = b.relu(&p);
    let c = b.concat(1, &[&p, &q]);
    head(b, &c, 12)
}

/// A convolution in two groups whose input is a concatenation of unequal parts.
pub fn grouped_after_concat() -> ModelProto {
    let (mut b, x) = start(17);
    let p = b.conv("left", &x, 3, 8, same(3));
    let q = b.conv("right", &x, 3, 4, same(3));
    let c = b.concat(1, &[&p, &q]);
    let g = b.conv("grouped", &c, 12, 8, same(3).group(2));
    let e = b.conv("last", &g, 8, 6, same(1));
    head(b, &e, 6)
}
