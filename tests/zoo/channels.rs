//! Channels of convolutions, and operators that follow them.

use crate::common::builder::*;
use onnx_prune::onnx::proto::ModelProto;

/// Pools, classifies, and declares the outcome.
pub fn head(mut b: Builder, x: &str, channels: i64) -> ModelProto {
    let v = b.global_pool(x);
    let y = b.gemm("head", &v, channels, 10);
    b.output(&y, "batch 10");
    b.model()
}

pub fn start(opset: i64) -> (Builder, String) {
    let mut b = Builder::new(opset);
    let x = b.input("x", "batch 3 8 8");
    (b, x)
}

/// Three convolutions, normalisation and pooling between them.
pub fn chain() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let c = b.conv_no_bias("conv2", &a, 8, 12, same(3).stride(2));
    let c = b.bn("bn2", &c, 12);
    let c = b.relu(&c);
    let c = b.pool(&c);
    let d = b.conv("conv3", &c, 12, 6, same(1));
    head(b, &d, 6)
}

/// A block that is added to its own input.
pub fn residual() -> ModelProto {
    let (mut b, x) = start(17);
    let s = b.conv("stem", &x, 3, 8, same(3));
    let s = b.relu(&s);
    let a = b.conv("inner", &s, 8, 6, same(3));
    let a = b.relu(&a);
    let a = b.conv("outer", &a, 6, 8, same(3));
    let a = b.bn("bn", &a, 8);
    let y = b.add(&a, &s);
    let y = b.relu(&y);
    head(b, &y, 8)
}

/// A convolution of each channel by itself.
pub fn depthwise() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("expand", &x, 3, 8, same(1));
    let a = b.op("Clip", &[&a, "", ""], vec![]);
    let d = b.conv("dw", &a, 8, 8, same(3).group(8));
    let d = b.bn("bn", &d, 8);
    let p = b.conv("project", &d, 8, 6, same(1));
    head(b, &p, 6)
}

/// Two outputs of each channel.
pub fn depthwise_doubled() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("expand", &x, 3, 8, same(1));
    let d = b.conv("dw", &a, 8, 16, same(3).group(8));
    let p = b.conv("project", &d, 16, 6, same(1));
    head(b, &p, 6)
}

/// Four groups of two channels become four groups of four.
pub fn group_conv() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("before", &x, 3, 8, same(3));
    let g = b.conv("grouped", &a, 8, 16, same(3).group(4));
    let p = b.conv("after", &g, 16, 6, same(1));
    head(b, &p, 6)
}

fn up(b: &mut Builder, x: &str, weight: &str, bias: &str, group: i64) -> String {
    let attrs = vec![("kernel_shape", A::Is(&[2, 2])), ("strides", A::Is(&[2, 2])), ("group", A::I(group))];
    b.op("ConvTranspose", &[x, weight, bias], attrs)
}

pub fn transposed_conv() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("down", &x, 3, 8, same(3).stride(2));
    let (w, c) = (b.weight("up.weight", &[8, 6, 2, 2]), b.weight("up.bias", &[6]));
    let u = up(&mut b, &a, &w, &c, 1);
    let y = b.conv("last", &u, 6, 3, same(3));
    b.output(&y, "batch 3 8 8");
    b.model()
}

/// A transposed convolution of each channel by itself, and one in two groups.
pub fn transposed_depthwise() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("down", &x, 3, 8, same(3).stride(2));
    let (w, c) = (b.weight("up.weight", &[8, 1, 2, 2]), b.weight("up.bias", &[8]));
    let u = up(&mut b, &a, &w, &c, 8);
    let (w, c) = (b.weight("up2.weight", &[8, 3, 2, 2]), b.weight("up2.bias", &[6]));
    let u = up(&mut b, &u, &w, &c, 2);
    let y = b.conv("last", &u, 6, 3, same(1));
    b.output(&y, "batch 3 16 16");
    b.model()
}

/// 49 positions of each channel meet a fully connected layer.
pub fn flatten_to_gemm() -> ModelProto {
    let mut b = Builder::new(13);
    let x = b.input("x", "batch 3 7 7");
    let a = b.conv("conv", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let f = b.op("Flatten", &[&a], vec![]);
    let h = b.gemm("fc1", &f, 8 * 49, 12);
    let h = b.relu(&h);
    let y = b.gemm("fc2", &h, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Channels scaled by a function of their own means.
pub fn squeeze_excite() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let s = b.mean(&a, &[2, 3], true);
    let s = b.conv("reduce", &s, 8, 4, same(1));
    let s = b.relu(&s);
    let s = b.conv("expand", &s, 4, 8, same(1));
    let s = b.sigmoid(&s);
    let y = b.mul(&a, &s);
    head(b, &y, 8)
}

pub fn instance_norm() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let (w, c) = (b.weight("norm.weight", &[8]), b.weight("norm.bias", &[8]));
    let a = b.op("InstanceNormalization", &[&a, &w, &c], vec![]);
    let a = b.relu(&a);
    head(b, &a, 8)
}

/// Each channel is divided by a number of its own, and by the root of another.
pub fn divided() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let numbers: Vec<f32> = (0..8).map(|i| 0.5 + 0.25 * i as f32).collect();
    let (std, var) = (b.filled("std", &[8, 1, 1], &numbers), b.filled("var", &[1, 8, 1, 1], &numbers));
    let a = b.op("Div", &[&a, &std], vec![]);
    let root = b.op("Sqrt", &[&var], vec![]);
    let inverse = b.op("Reciprocal", &[&root], vec![]);
    let a = b.mul(&a, &inverse);
    head(b, &a, 8)
}

/// Group normalisation as exporters write it: reshape, InstanceNormalization, reshape, scale and shift.
pub fn group_norm() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let r = b.reshape(&a, &[0, 4, -1]);
    let (one, zero) = (b.filled("ones", &[4], &[1.0; 4]), b.filled("zeros", &[4], &[0.0; 4]));
    let n = b.op("InstanceNormalization", &[&r, &one, &zero], vec![]);
    let n = b.reshape(&n, &[-1, 8, 8, 8]);
    let (w, c) = (b.weight("norm.weight", &[8, 1, 1]), b.weight("norm.bias", &[8, 1, 1]));
    let n = b.mul(&n, &w);
    let n = b.add(&n, &c);
    let n = b.relu(&n);
    head(b, &n, 8)
}

/// Sixteen channels become four on an image of twice the size.
pub fn pixel_shuffle() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 16, same(3));
    let s = b.op("DepthToSpace", &[&a], vec![("blocksize", A::I(2)), ("mode", A::S("CRD"))]);
    let c = b.conv("middle", &s, 4, 12, same(3));
    let s = b.op("DepthToSpace", &[&c], vec![("blocksize", A::I(2))]);
    let y = b.conv("last", &s, 3, 3, same(3));
    b.output(&y, "batch 3 32 32");
    b.model()
}

pub fn space_to_depth() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 6, same(3));
    let s = b.op("SpaceToDepth", &[&a], vec![("blocksize", A::I(2))]);
    let c = b.conv("after", &s, 24, 8, same(3));
    head(b, &c, 8)
}

/// Groups of a normalisation that reach from one part of a concatenation into the next.
pub fn group_norm_across_parts() -> ModelProto {
    across_parts(|b, x| {
        let (w, c) = (b.weight("norm.weight", &[16]), b.weight("norm.bias", &[16]));
        b.op("GroupNormalization", &[x, &w, &c], vec![("num_groups", A::I(2))])
    })
}

/// The same written out.
pub fn spelled_norm_across_parts() -> ModelProto {
    across_parts(|b, x| {
        let r = b.reshape(x, &[0, 2, -1]);
        let (one, zero) = (b.filled("ones", &[2], &[1.0; 2]), b.filled("zeros", &[2], &[0.0; 2]));
        let n = b.op("InstanceNormalization", &[&r, &one, &zero], vec![]);
        let s = b.op("Shape", &[x], vec![]);
        b.op("Reshape", &[&n, &s], vec![])
    })
}

fn across_parts(norm: impl FnOnce(&mut Builder, &str) -> String) -> ModelProto {
    let (mut b, x) = start(21);
    b.ir = 10;
    let (left, right) = (b.conv("left", &x, 3, 4, same(3)), b.conv("right", &x, 3, 12, same(3)));
    let a = b.concat(1, &[&left, &right]);
    let n = norm(&mut b, &a);
    let n = b.relu(&n);
    let c = b.conv("next", &n, 16, 6, same(3));
    head(b, &c, 6)
}
