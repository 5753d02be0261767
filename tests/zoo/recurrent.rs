//! Recurrent layers: one direction and both, with and without what is optional.

use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

/// Gates of a cell: LSTM 4, GRU 3, RNN 1.
fn gates(op: &str) -> i64 {
    match op {
        "LSTM" => 4,
        "GRU" => 3,
        _ => 1,
    }
}

/// A recurrent node of 8 times `from` inputs: names of Y, Y_h (and Y_c).
struct Layer<'a> {
    op: &'a str,
    name: &'a str,
    from: i64,
    hidden: i64,
    directions: i64,
}

impl Layer<'_> {
    /// The node, with further inputs behind the bias and further attributes.
    fn build(&self, b: &mut Builder, x: &str, more: &[&str], attrs: Vec<(&'static str, A)>) -> Vec<String> {
        let Layer { op, name, from, hidden, directions } = *self;
        let g = gates(op);
        let w = b.weight(&format!("{name}.W"), &[directions, g * hidden, from]);
        let r = b.weight(&format!("{name}.R"), &[directions, g * hidden, hidden]);
        let bias = b.weight(&format!("{name}.B"), &[directions, 2 * g * hidden]);
        let direction = if directions == 2 { "bidirectional" } else { "forward" };
        let mut all = vec![("hidden_size", A::I(hidden)), ("direction", A::S(direction))];
        all.extend(attrs);
        let inputs = [&[x, &w, &r, &bias], more].concat();
        b.ops(op, &inputs, all, if op == "LSTM" { 3 } else { 2 })
    }
}

fn start() -> (Builder, String) {
    let mut b = Builder::new(17);
    let x = b.input("x", "6 batch 5");
    (b, x)
}

/// Classifies the last state of a layer, one row for each direction.
fn head(mut b: Builder, state: &str, hidden: i64) -> ModelProto {
    let s = b.squeeze(state, &[0]);
    let y = b.gemm("head", &s, hidden, 10);
    b.output(&y, "batch 10");
    b.model()
}

fn one_layer(op: &'static str, attrs: Vec<(&'static str, A)>) -> ModelProto {
    let (mut b, x) = start();
    let out = Layer { op, name: "cell", from: 5, hidden: 8, directions: 1 }.build(&mut b, &x, &[], attrs);
    head(b, &out[1], 8)
}

pub fn lstm() -> ModelProto {
    one_layer("LSTM", vec![])
}

pub fn gru() -> ModelProto {
    one_layer("GRU", vec![])
}

pub fn gru_reset_after() -> ModelProto {
    one_layer("GRU", vec![("linear_before_reset", A::I(1))])
}

pub fn rnn() -> ModelProto {
    one_layer("RNN", vec![])
}

/// Two layers in both directions: the second reads the product of directions and units of the first.
pub fn stacked_bidirectional() -> ModelProto {
    let (mut b, x) = start();
    let layer = |name, from| Layer { op: "LSTM", name, from, hidden: 8, directions: 2 };
    let first = layer("first", 5).build(&mut b, &x, &[], vec![]);
    let t = b.transpose(&first[0], &[0, 2, 1, 3]);
    let t = b.reshape(&t, &[0, 0, -1]);
    let second = layer("second", 16).build(&mut b, &t, &[], vec![]);
    let t = b.transpose(&second[0], &[0, 2, 1, 3]);
    let t = b.reshape(&t, &[0, 0, -1]);
    let m = b.mean(&t, &[0], false);
    let y = b.gemm("head", &m, 16, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// The last states of both directions, side by side: every unit stands twice on the joined axis.
pub fn both_last_states() -> ModelProto {
    let (mut b, x) = start();
    let out = Layer { op: "GRU", name: "cell", from: 5, hidden: 8, directions: 2 }.build(&mut b, &x, &[], vec![]);
    let (zero, one) = (b.scalar_int(0), b.scalar_int(1));
    let (forward, backward) = (b.gather(&out[1], &zero, 0), b.gather(&out[1], &one, 0));
    let both = b.concat(1, &[&forward, &backward]);
    let y = b.gemm("head", &both, 16, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// An encoder's last states begin a decoder: both have the same units.
pub fn states_handed_on() -> ModelProto {
    let (mut b, x) = start();
    let layer = |name| Layer { op: "LSTM", name, from: 5, hidden: 8, directions: 1 };
    let first = layer("encoder").build(&mut b, &x, &[], vec![]);
    let second = layer("decoder").build(&mut b, &x, &["", &first[1], &first[2]], vec![]);
    let all = b.squeeze(&second[0], &[1]);
    let m = b.mean(&all, &[0], false);
    let y = b.gemm("head", &m, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// States that the file gives, lengths of the sequences, peepholes: all that is optional.
pub fn all_optional() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "6 2 5");
    b.graph.initializer.push({
        let mut t = onnx_prune::onnx::from_i64("lengths", &[2], &[6, 4]).unwrap();
        t.data_type = Some(DType::Int32 as i32);
        t.raw_data = Some(vec![6, 0, 0, 0, 4, 0, 0, 0].into());
        t
    });
    let (h, c) = (b.weight("cell.h", &[1, 2, 8]), b.weight("cell.c", &[1, 2, 8]));
    let p = b.weight("cell.P", &[1, 24]);
    let cell = Layer { op: "LSTM", name: "cell", from: 5, hidden: 8, directions: 1 };
    let out = cell.build(&mut b, &x, &["lengths", &h, &c, &p], vec![]);
    let all = b.squeeze(&out[0], &[1]);
    let m = b.mean(&all, &[0], false);
    let last = b.squeeze(&out[2], &[0]);
    let s = b.add(&m, &last);
    let y = b.gemm("head", &s, 8, 10);
    b.output(&y, "2 10");
    b.model()
}

/// Batch before time: no runtime here runs it, the axes are known all the same.
pub fn batch_first() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 6 5");
    let cell = Layer { op: "GRU", name: "cell", from: 5, hidden: 8, directions: 1 };
    let out = cell.build(&mut b, &x, &[], vec![("layout", A::I(1))]);
    let s = b.squeeze(&out[1], &[1]);
    let y = b.gemm("head", &s, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}
