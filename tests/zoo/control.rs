//! Subgraphs of control flow that read, carry and give channels.

use super::channels::{head, start};
use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::{GraphProto, ModelProto};

/// A subgraph with these inputs and outputs, of what `b` has gathered since it was made.
pub fn subgraph(b: Builder, name: &str) -> GraphProto {
    GraphProto { name: Some(name.into()), ..b.graph }
}

/// A builder for the inside of `outer`, with names of its own.
pub fn inside(outer: &mut Builder, name: &str) -> Builder {
    let mut b = Builder::new(outer.opset).seeded(name.len() as u64 + 1);
    b.prefix = name.to_owned();
    b
}

fn flag(b: &mut Builder) -> String {
    b.input_of("flag", DType::Bool, "")
}

/// Both branches read channels of the outer graph, by weights of the outer graph and of their own.
pub fn branches() -> ModelProto {
    let (mut b, x) = start(17);
    let flag = flag(&mut b);
    let a = b.conv("captured", &x, 3, 8, same(3));
    let outer = b.weight("outer.weight", &[12, 8, 3, 3]);
    let mut yes = inside(&mut b, "yes");
    let c = yes.conv("own", &a, 8, 12, same(1));
    let c = yes.relu(&c);
    yes.output(&c, "batch 12 8 8");
    let mut no = inside(&mut b, "no");
    let c = no.conv_with(&a, &[&outer], same(3));
    no.output(&c, "batch 12 8 8");
    let (yes, no) = (subgraph(yes, "yes"), subgraph(no, "no"));
    let c = b.op("If", &[&flag], vec![("then_branch", A::G(yes)), ("else_branch", A::G(no))]);
    head(b, &c, 12)
}

/// A branch by the size of an axis, as exporters spell "squeeze if it is one": the other has another rank.
pub fn never_taken() -> ModelProto {
    let (mut b, x) = start(18);
    let a = b.conv("captured", &x, 3, 8, same(3));
    let s = b.op("Shape", &[&a], vec![]);
    let height = b.slice(&s, 0, 2, 3);
    let one = b.ints(&[1]);
    let flag = b.op("Equal", &[&height, &one], vec![]);
    let mut yes = inside(&mut b, "yes");
    let m = yes.mean(&a, &[2], false);
    yes.output(&m, "batch 8 8");
    let mut no = inside(&mut b, "no");
    let r = no.relu(&a);
    no.output(&r, "batch 8 8 8");
    let (yes, no) = (subgraph(yes, "yes"), subgraph(no, "no"));
    let c = b.op("If", &[&flag], vec![("then_branch", A::G(yes)), ("else_branch", A::G(no))]);
    let c = b.conv("conv2", &c, 8, 6, same(3));
    head(b, &c, 6)
}

/// Units after the two layers that a branch gives a weight for.
fn by_branch(b: &mut Builder, x: &str, flag: &str) -> ModelProto {
    let h = b.linear("first", x, 6, 16);
    let h = b.op("Softplus", &[&h], vec![]);
    let branch = |b: &mut Builder, name: &str| {
        let mut inner = inside(b, name);
        let w = inner.weight("weight", &[16, 8]);
        let w = inner.op("Identity", &[&w], vec![]);
        inner.output(&w, "16 8");
        subgraph(inner, name)
    };
    let (yes, no) = (branch(b, "yes"), branch(b, "no"));
    let w = b.op("If", &[flag], vec![("else_branch", A::G(no)), ("then_branch", A::G(yes))]);
    let h = b.matmul(&h, &w);
    let h = b.relu(&h);
    let y = b.linear("last", &h, 8, 4);
    b.output(&y, "batch 4");
    std::mem::replace(b, Builder::new(17)).model()
}

/// A condition that the file decides chooses a weight, in a version in which both must have the same sizes.
pub fn weight_of_a_branch() -> ModelProto {
    let mut b = Builder::new(10);
    let x = b.input("x", "batch 6");
    let flag = b.truth(true);
    by_branch(&mut b, &x, &flag)
}

/// A run chooses one.
pub fn weight_of_either_branch() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 6");
    let flag = flag(&mut b);
    by_branch(&mut b, &x, &flag)
}

/// A branch whose reshape follows the captured channels.
pub fn branch_with_shapes() -> ModelProto {
    let (mut b, x) = start(17);
    let flag = flag(&mut b);
    let a = b.conv("captured", &x, 3, 8, same(3));
    let mut yes = inside(&mut b, "yes");
    let r = yes.reshape(&a, &[0, 2, 4, 64]);
    let r = yes.relu(&r);
    let r = yes.reshape(&r, &[-1, 8, 8, 8]);
    yes.output(&r, "batch 8 8 8");
    let mut no = inside(&mut b, "no");
    let r = no.sigmoid(&a);
    no.output(&r, "batch 8 8 8");
    let (yes, no) = (subgraph(yes, "yes"), subgraph(no, "no"));
    let c = b.op("If", &[&flag], vec![("then_branch", A::G(yes)), ("else_branch", A::G(no))]);
    head(b, &c, 8)
}

/// A state that three rounds refine, by weights of the subgraph and of the outer graph.
pub fn rounds() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("stem", &x, 3, 8, same(3));
    let outer = b.weight("outer.weight", &[8, 6, 1, 1]);
    let (count, go) = (b.scalar_int(3), b.truth(true));
    let mut round = inside(&mut b, "round");
    round.input_of("i", DType::Int64, "");
    let c = round.input_of("c", DType::Bool, "");
    let s = round.input("s", "batch 8 8 8");
    let h = round.conv("inner", &s, 8, 6, same(3));
    let h = round.relu(&h);
    let h = round.conv_with(&h, &[&outer], same(1));
    let h = round.add(&h, &s);
    let c = round.op("Identity", &[&c], vec![]);
    round.output_of(&c, DType::Bool, "");
    round.output(&h, "batch 8 8 8");
    let round = subgraph(round, "round");
    let y = b.op("Loop", &[&count, &go, &a], vec![("body", A::G(round))]);
    head(b, &y, 8)
}

/// A cell written out: a state that begins as zeros, step by step over time, all states kept.
pub fn scanned() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "6 2 5");
    let h0 = b.filled("h0", &[2, 8], &[0.0; 16]);
    let mut step = inside(&mut b, "step");
    let h = step.input("h", "2 8");
    let e = step.input("e", "2 5");
    let (from_input, from_state) = (step.linear("input", &e, 5, 8), step.linear("state", &h, 8, 8));
    let s = step.add(&from_input, &from_state);
    let s = step.op("Tanh", &[&s], vec![]);
    let kept = step.op("Identity", &[&s], vec![]);
    step.output(&s, "2 8");
    step.output(&kept, "2 8");
    let step = subgraph(step, "step");
    let out = b.ops("Scan", &[&h0, &x], vec![("num_scan_inputs", A::I(1)), ("body", A::G(step))], 2);
    let m = b.mean(&out[1], &[0], false);
    let s = b.add(&m, &out[0]);
    let y = b.gemm("head", &s, 8, 10);
    b.output(&y, "2 10");
    b.model()
}

/// States that are matrices, each read by a product with a column: tract 0.23 never returns from preparing this.
pub fn scanned_matrices() -> ModelProto {
    let mut b = Builder::new(18);
    let x = b.input("x", "1 24 16");
    let h = b.linear("in", &x, 16, 32);
    let h = b.linear("mid", &h, 32, 32);
    let h = b.relu(&h);
    let h = b.reshape(&h, &[24, 1, 8, 4]);
    let c = b.linear("column", &x, 16, 4);
    let c = b.transpose(&c, &[1, 0, 2]);
    let first = b.filled("first", &[1, 8, 4], &[0.0; 32]);
    let mut step = inside(&mut b, "step");
    let state = step.input("state", "1 8 4");
    let (row, column) = (step.input("row", "1 8 4"), step.input("column", "1 4"));
    let decay = step.filled("decay", &[8, 4], &[0.5; 32]);
    let s = step.mul(&state, &decay);
    let s = step.add(&s, &row);
    let column = step.unsqueeze(&column, &[2]);
    let y = step.matmul(&s, &column);
    let y = step.squeeze(&y, &[2]);
    step.output(&s, "1 8 4");
    step.output(&y, "1 8");
    let step = subgraph(step, "step");
    let out = b.ops("Scan", &[&first, &h, &c], vec![("num_scan_inputs", A::I(2)), ("body", A::G(step))], 2);
    let y = b.transpose(&out[1], &[1, 0, 2]);
    let y = b.linear("head", &y, 8, 6);
    b.output(&y, "1 24 6");
    b.model()
}

/// A list that grows by a row in every round: its length is not what it began with.
pub fn growing() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "1 5");
    let first = b.linear("first", &x, 5, 8);
    let (count, go) = (b.scalar_int(3), b.truth(true));
    let mut round = inside(&mut b, "round");
    round.input_of("i", DType::Int64, "");
    let c = round.input_of("c", DType::Bool, "");
    let s = round.input("s", "rows 8");
    let size = round.op("Shape", &[&s], vec![]);
    let flat = round.reshape(&s, &[-1]);
    let again = round.op("Reshape", &[&flat, &size], vec![]);
    let row = round.linear("row", &x, 5, 8);
    let more = round.concat(0, &[&again, &row]);
    let c = round.op("Identity", &[&c], vec![]);
    round.output_of(&c, DType::Bool, "");
    round.output(&more, "more 8");
    let round = subgraph(round, "round");
    let y = b.op("Loop", &[&count, &go, &first], vec![("body", A::G(round))]);
    let m = b.op("ReduceMax", &[&y], vec![("axes", A::Is(&[0])), ("keepdims", A::I(1))]);
    let y = b.gemm("head", &m, 8, 10);
    b.output(&y, "1 10");
    b.model()
}

/// A cell whose weights go through the loop as states that never change, as some exporters write them; one of them is
/// read behind the loop, one is copied on the way.
pub fn handed_on() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "6 2 5");
    let (w, r) = (b.weight("input.weight", &[5, 8]), b.weight("state.weight", &[8, 8]));
    let (h0, count, go) = (b.filled("h0", &[2, 8], &[0.0; 16]), b.scalar_int(6), b.truth(true));
    let mut round = inside(&mut b, "round");
    let i = round.input_of("i", DType::Int64, "");
    let c = round.input_of("c", DType::Bool, "");
    let h = round.input("h", "2 8");
    let (own_w, own_r) = (round.input("w", "5 8"), round.input("r", "8 8"));
    let e = round.gather(&x, &i, 0);
    let (from_input, from_state) = (round.matmul(&e, &own_w), round.matmul(&h, &own_r));
    let s = round.add(&from_input, &from_state);
    let s = round.op("Tanh", &[&s], vec![]);
    let (again, kept) = (round.op("Identity", &[&own_r], vec![]), round.op("Identity", &[&s], vec![]));
    let c = round.op("Identity", &[&c], vec![]);
    round.output_of(&c, DType::Bool, "");
    round.output(&s, "2 8");
    round.output(&own_w, "5 8");
    round.output(&again, "8 8");
    round.output(&kept, "2 8");
    let round = subgraph(round, "round");
    let out = b.ops("Loop", &[&count, &go, &h0, &w, &r], vec![("body", A::G(round))], 4);
    let m = b.mean(&out[3], &[0], false);
    let m = b.matmul(&m, &out[2]);
    let s = b.add(&m, &out[0]);
    let y = b.gemm("head", &s, 8, 10);
    b.output(&y, "2 10");
    b.model()
}

/// The same by a Scan.
pub fn scanned_with_weights() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "6 2 5");
    let (w, r) = (b.weight("input.weight", &[5, 8]), b.weight("state.weight", &[8, 8]));
    let h0 = b.filled("h0", &[2, 8], &[0.0; 16]);
    let mut step = inside(&mut b, "step");
    let (own_w, h, own_r) = (step.input("w", "5 8"), step.input("h", "2 8"), step.input("r", "8 8"));
    let e = step.input("e", "2 5");
    let (from_input, from_state) = (step.matmul(&e, &own_w), step.matmul(&h, &own_r));
    let s = step.add(&from_input, &from_state);
    let s = step.op("Tanh", &[&s], vec![]);
    let kept = step.op("Identity", &[&s], vec![]);
    step.output(&own_w, "5 8");
    step.output(&s, "2 8");
    step.output(&own_r, "8 8");
    step.output(&kept, "2 8");
    let step = subgraph(step, "step");
    let out = b.ops("Scan", &[&w, &h0, &r, &x], vec![("num_scan_inputs", A::I(1)), ("body", A::G(step))], 4);
    let m = b.mean(&out[3], &[0], false);
    let s = b.add(&m, &out[1]);
    let y = b.gemm("head", &s, 8, 10);
    b.output(&y, "2 10");
    b.model()
}
