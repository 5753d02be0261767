//! Shapes computed at run time, and the spellings of old and new operator sets.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::edit::NewNode;
use onnx_prune::onnx::proto::{GraphProto, ModelProto, OperatorSetIdProto};

/// One entry of a shape, as a vector.
fn size(b: &mut Builder, x: &str, axis: i64) -> String {
    let s = b.op("Shape", &[x], vec![]);
    let i = b.scalar_int(axis);
    let d = b.gather(&s, &i, 0);
    b.unsqueeze(&d, &[0])
}

/// Batch, height and width are open; images become lists of positions by shape arithmetic.
pub fn run_time_sizes() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 3 height width");
    let a = b.conv("patch", &x, 3, 8, Window { kernel: 2, stride: 2, pad: 0, group: 1 });
    let (n, c, h, w) = (size(&mut b, &a, 0), size(&mut b, &a, 1), size(&mut b, &a, 2), size(&mut b, &a, 3));
    let hw = b.mul(&h, &w);
    let shape = b.concat(0, &[&n, &c, &hw]);
    let r = b.op("Reshape", &[&a, &shape], vec![]);
    let t = b.transpose(&r, &[0, 2, 1]);
    let l = b.linear("inner", &t, 8, 12);
    let l = b.relu(&l);
    let l = b.linear("outer", &l, 12, 8);
    let back = b.transpose(&l, &[0, 2, 1]);
    let shape = b.concat(0, &[&n, &c, &h, &w]);
    let back = b.op("Reshape", &[&back, &shape], vec![]);
    let y = b.add(&a, &back);
    let y = b.conv("last", &y, 8, 4, same(3));
    b.output(&y, "batch 4 h w");
    b.model()
}

/// A shape of an open element, a run-time one and a channel count, where 0 means none.
pub fn half_open_shape() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch tokens 12");
    let e = b.linear("embed", &x, 12, 16);
    let (open, n, width) = (b.ints(&[-1]), size(&mut b, &x, 1), b.ints(&[16]));
    let shape = b.concat(0, &[&open, &n, &width]);
    let r = b.op("Reshape", &[&e, &shape], vec![("allowzero", A::I(1))]);
    let y = b.linear("head", &r, 16, 10);
    b.output(&y, "batch tokens 10");
    b.model()
}

/// All but the first channel, where the one is the truth of a size.
pub fn truth_of_a_size() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 12");
    let e = b.linear("embed", &x, 12, 16);
    let n = size(&mut b, &x, 1);
    let n = b.op("Cast", &[&n], vec![("to", A::I(DType::Bool as i64))]);
    let from = b.op("Cast", &[&n], vec![("to", A::I(DType::Int64 as i64))]);
    let (to, axis) = (b.ints(&[16]), b.ints(&[1]));
    let rest = b.op("Slice", &[&e, &from, &to, &axis], vec![]);
    let y = b.linear("head", &rest, 15, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// The first of an open number of positions: that it is one only the file says.
pub fn declared_slice() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch tokens 12");
    let e = b.linear("embed", &x, 12, 16);
    let (zero, one, n) = (b.scalar_int(0), b.scalar_int(1), size(&mut b, &x, 1));
    let n = b.squeeze(&n, &[0]);
    let r = b.op("Range", &[&zero, &n, &one], vec![]);
    let r = b.op("Cast", &[&r], vec![("to", A::I(1))]);
    let first = b.slice(&r, 0, 0, 1);
    b.value_info(&first, "1");
    let y = b.add(&e, &first);
    let y = b.linear("head", &y, 16, 10);
    b.output(&y, "batch tokens 10");
    b.model()
}

/// Flattening whose width is computed from the number of channels.
pub fn shape_from_channels() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let s = b.op("Shape", &[&a], vec![]);
    let rest = b.slice(&s, 0, 1, 4);
    let width = b.op("ReduceProd", &[&rest], vec![("axes", A::Is(&[0])), ("keepdims", A::I(1))]);
    let open = b.ints(&[-1]);
    let shape = b.concat(0, &[&open, &width]);
    let f = b.op("Reshape", &[&a, &shape], vec![]);
    let y = b.gemm("head", &f, 512, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Split, slice, pad, squeeze: the same layers in both spellings.
fn pieces(opset: i64) -> ModelProto {
    let (mut b, x) = start(opset);
    let a = b.conv("conv", &x, 3, 12, same(3));
    let parts = b.split(&a, 1, &[4, 8]);
    let p = b.pad(&parts[0], &[0, 2, 0, 0, 0, 2, 0, 0]);
    let y = b.add(&parts[1], &p);
    let y = b.conv("added", &y, 8, 8, same(3));
    let s = b.slice(&a, 1, 4, 10);
    let s = b.conv("sliced", &s, 6, 8, same(3));
    let y = b.add(&y, &s);
    let y = b.relu(&y);
    let v = b.op("GlobalAveragePool", &[&y], vec![]);
    let v = b.squeeze(&v, &[2, 3]);
    let y = b.gemm("head", &v, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// Operator set 7: sizes are attributes.
pub fn old_attributes() -> ModelProto {
    let mut m = pieces(7);
    m.ir_version = Some(4);
    m
}

/// Operator set 13: sizes are inputs.
pub fn new_operands() -> ModelProto {
    pieces(13)
}

/// Fully connected layers only, batch open.
pub fn dense_input() -> ModelProto {
    let mut b = Builder::new(13);
    let x = b.input("x", "batch 20");
    let h = b.gemm("fc1", &x, 20, 16);
    let h = b.relu(&h);
    let h = b.linear("fc2", &h, 16, 12);
    let h = b.relu(&h);
    let y = b.gemm("fc3", &h, 12, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// A one-dimensional convolution spelled as a two-dimensional one.
pub fn squeezed() -> ModelProto {
    let mut b = Builder::new(13);
    let x = b.input("x", "batch 3 16");
    let u = b.unsqueeze(&x, &[-1]);
    let w = b.weight("conv.weight", &[8, 3, 3, 1]);
    let c = b.op("Conv", &[&u, &w], vec![("kernel_shape", A::Is(&[3, 1])), ("pads", A::Is(&[1, 0, 1, 0]))]);
    let s = b.squeeze(&c, &[3]);
    let t = b.transpose(&s, &[0, 2, 1]);
    let y = b.linear("head", &t, 8, 5);
    b.output(&y, "batch 16 5");
    b.model()
}

/// Channels repeated: every copy loses the same ones.
pub fn tiled() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let r = b.ints(&[1, 2, 1, 1]);
    let t = b.op("Tile", &[&a, &r], vec![]);
    let c = b.conv("after", &t, 16, 8, same(1));
    head(b, &c, 8)
}

/// Channels picked by a constant range of indices.
pub fn gathered_range() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("conv", &x, 3, 8, same(3));
    let i = b.ints(&[3, 4, 5, 6]);
    let g = b.gather(&a, &i, 1);
    let p = b.conv("part", &g, 4, 6, same(1));
    let q = b.conv("whole", &a, 8, 6, same(1));
    let y = b.add(&p, &q);
    head(b, &y, 6)
}

/// A subgraph reads an outer tensor: its channels stay, others go.
pub fn if_captures() -> ModelProto {
    let (mut b, x) = start(17);
    let flag = b.input_of("flag", DType::Bool, "");
    let a = b.conv("captured", &x, 3, 8, same(3));
    let subgraph = |name: &str, op: &str, out: &str| GraphProto {
        name: Some(name.into()),
        node: vec![NewNode::new(op).input(&a).output(out).build()],
        output: vec![declared(out, DType::Float, "batch 8 8 8")],
        ..Default::default()
    };
    let (yes, no) = (subgraph("yes", "Relu", "kept"), subgraph("no", "Neg", "turned"));
    let c = b.op("If", &[&flag], vec![("then_branch", A::G(yes)), ("else_branch", A::G(no))]);
    b.value_info(&c, "batch 8 8 8");
    let d = b.conv("free", &c, 8, 12, same(3));
    head(b, &d, 12)
}

/// An operator that nobody knows stands between two that are known.
pub fn custom_operator() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("first", &x, 3, 8, same(3));
    let c = b.conv("touched", &a, 8, 12, same(3));
    b.value_info(&c, "batch 12 8 8");
    let t = b.op("Mystery", &[&c], vec![]);
    b.graph.node.last_mut().unwrap().domain = Some("com.example".into());
    b.value_info(&t, "batch 12 8 8");
    let d = b.conv("after", &t, 12, 6, same(1));
    let mut m = head(b, &d, 6);
    m.opset_import.push(OperatorSetIdProto { domain: Some("com.example".into()), version: Some(1) });
    m
}
