//! Operators that work along some axes: channels pass through them.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

/// Two convolutions, with something between them that leaves the channels alone.
fn between(opset: i64, op: impl FnOnce(&mut Builder, &str) -> String) -> ModelProto {
    let (mut b, x) = start(opset);
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let a = op(&mut b, &a);
    let c = b.conv("conv2", &a, 8, 6, same(3));
    head(b, &c, 6)
}

pub fn running_sum() -> ModelProto {
    between(17, |b, x| {
        let axis = b.scalar_int(2);
        let sum = b.op("CumSum", &[x, &axis], vec![]);
        let tenth = b.scalar(0.1);
        b.mul(&sum, &tenth)
    })
}

pub fn triangle() -> ModelProto {
    between(17, |b, x| b.op("Trilu", &[x], vec![("upper", A::I(0))]))
}

pub fn largest() -> ModelProto {
    between(17, |b, x| {
        let k = b.ints(&[4]);
        b.ops("TopK", &[x, &k], vec![("axis", A::I(3))], 2).remove(0)
    })
}

pub fn backwards() -> ModelProto {
    between(17, |b, x| {
        let rows = b.transpose(x, &[2, 0, 1, 3]);
        let lengths = b.op("Shape", &[x], vec![("start", A::I(0)), ("end", A::I(1))]);
        let five = b.ints(&[5]);
        let lengths = b.op("Expand", &[&five, &lengths], vec![]);
        let back = b.op("ReverseSequence", &[&rows, &lengths], vec![("time_axis", A::I(0)), ("batch_axis", A::I(1))]);
        b.transpose(&back, &[1, 2, 0, 3])
    })
}

pub fn masked() -> ModelProto {
    between(17, |b, x| {
        let mask = b.codes("mask", &[8], DType::Bool, &[1, 0, 1, 1, 0, 1, 1, 0]);
        b.op("Compress", &[x, &mask], vec![("axis", A::I(2))])
    })
}

pub fn middle() -> ModelProto {
    between(18, |b, x| {
        let size = b.ints(&[4, 10]);
        b.op("CenterCropPad", &[x, &size], vec![("axes", A::Is(&[2, 3]))])
    })
}

pub fn sampled() -> ModelProto {
    between(17, |b, x| {
        let grid: Vec<f32> = (0..2 * 8 * 8 * 2).map(|_| b.draw()).collect();
        let grid = b.filled("grid", &[2, 8, 8, 2], &grid);
        let two = b.slices(x, &[0], &[0], &[1], &[1]);
        let two = b.concat(0, &[&two, &two]);
        let y = b.op("GridSample", &[&two, &grid], vec![]);
        let y = b.mean(&y, &[0], true);
        b.add(&y, x)
    })
}

pub fn regions() -> ModelProto {
    between(16, |b, x| {
        let boxes = b.filled("boxes", &[2, 4], &[0.0, 0.0, 5.0, 6.0, 1.0, 2.0, 7.0, 7.0]);
        let first = b.ints(&[0, 0]);
        let size = [("output_height", A::I(8)), ("output_width", A::I(8))];
        let y = b.op("RoiAlign", &[x, &boxes, &first], size.into());
        let y = b.mean(&y, &[0], true);
        b.add(&y, x)
    })
}

/// Rows picked for every channel alike: the indices are spread over the channels.
pub fn picked_rows() -> ModelProto {
    between(17, |b, x| {
        let m = b.mean(x, &[1, 3], true);
        let k = b.ints(&[8]);
        let order = b.ops("TopK", &[&m, &k], vec![("axis", A::I(2))], 2).remove(1);
        let size = b.op("Shape", &[x], vec![]);
        let order = b.op("Expand", &[&order, &size], vec![]);
        b.op("GatherElements", &[x, &order], vec![("axis", A::I(2))])
    })
}

pub fn columns_to_image() -> ModelProto {
    let mut b = Builder::new(18);
    let x = b.input("x", "batch 3 8 8");
    let a = b.conv("conv1", &x, 3, 32, Window { kernel: 2, stride: 2, pad: 0, group: 1 });
    let a = b.reshape(&a, &[0, 32, 16]);
    let (size, block) = (b.ints(&[8, 8]), b.ints(&[2, 2]));
    let a = b.op("Col2Im", &[&a, &size, &block], vec![("strides", A::Is(&[2, 2]))]);
    let c = b.conv("conv2", &a, 8, 6, same(3));
    head(b, &c, 6)
}

/// Offsets are computed from the channels, and read others.
pub fn deformed() -> ModelProto {
    between(19, |b, x| {
        let offsets = b.conv("offsets", x, 8, 18, same(3));
        let (w, c) = (b.weight("deform.weight", &[8, 8, 3, 3]), b.weight("deform.bias", &[8]));
        b.op("DeformConv", &[x, &w, &offsets, &c], vec![("pads", A::Is(&[1; 4])), ("kernel_shape", A::Is(&[3, 3]))])
    })
}

/// What the size operand of an unpooling is.
#[derive(Clone, Copy, PartialEq)]
enum Size {
    /// There is none.
    None,
    /// Numbers, that of the channels too.
    Numbers,
    /// That of what was pooled, whose height and width are open.
    Shape,
}

/// A maximum goes back to where it was taken from, with layers in between; the indices go through a copy.
fn unpooling(size: Size) -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input(
        "x",
        match size {
            Size::None => "batch 3 8 8",
            Size::Numbers => "2 3 8 8",
            Size::Shape => "batch 3 height width",
        },
    );
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let window = || vec![("kernel_shape", A::Is(&[2, 2])), ("strides", A::Is(&[2, 2]))];
    let pooled = b.ops("MaxPool", &[&a], window(), 2);
    let c = b.conv("conv2", &pooled[0], 8, 6, same(3));
    let c = b.relu(&c);
    let c = b.conv("conv3", &c, 6, 8, same(3));
    let indices = b.op("Identity", &[&pooled[1]], vec![]);
    let given = match size {
        Size::None => None,
        Size::Numbers => Some(b.ints(&[2, 8, 8, 8])),
        Size::Shape => Some(b.op("Shape", &[&a], vec![])),
    };
    let mut inputs = vec![c.as_str(), indices.as_str()];
    inputs.extend(given.as_deref());
    let c = b.op("MaxUnpool", &inputs, window());
    let p = b.op("GlobalAveragePool", &[&c], vec![]);
    let p = b.op("Flatten", &[&p], vec![]);
    let y = b.gemm("head", &p, 8, 10);
    b.output(&y, if size == Size::Numbers { "2 10" } else { "batch 10" });
    b.model()
}

pub fn unpooled() -> ModelProto {
    unpooling(Size::None)
}

pub fn unpooled_to_open_sizes() -> ModelProto {
    unpooling(Size::Shape)
}

pub fn unpooled_to_a_size() -> ModelProto {
    unpooling(Size::Numbers)
}

/// Indices that something else reads as numbers, and those that go to an image of another size.
pub fn read_indices(elsewhere: bool) -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let window = || vec![("kernel_shape", A::Is(&[2, 2])), ("strides", A::Is(&[2, 2]))];
    let pooled = b.ops("MaxPool", &[&a], window(), 2);
    let c = if elsewhere {
        let numbers = b.op("Cast", &[&pooled[1]], vec![("to", A::I(DType::Float as i64))]);
        b.add(&pooled[0], &numbers)
    } else {
        let size = b.ints(&[2, 8, 9, 8]);
        b.op("MaxUnpool", &[&pooled[0], &pooled[1], &size], window())
    };
    let c = b.conv("conv2", &c, 8, 6, same(3));
    head(b, &c, 6)
}
