//! Tensors put into sequences and taken out again.

use super::channels::{head, start};
use super::control::{inside, subgraph};
use crate::common::builder::*;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

/// Two parts of the channels by their sizes, put into another order.
pub fn parts_by_size() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("first", &x, 3, 12, same(3));
    let sizes = b.ints(&[4, 8]);
    let parts = b.op("SplitToSequence", &[&a, &sizes], vec![("axis", A::I(1))]);
    let (zero, last) = (b.scalar_int(0), b.scalar_int(-1));
    let large = b.op("SequenceAt", &[&parts, &last], vec![]);
    let large = b.relu(&large);
    let parts = b.op("SequenceErase", &[&parts], vec![]);
    let parts = b.op("SequenceInsert", &[&parts, &large, &zero], vec![]);
    let y = b.op("ConcatFromSequence", &[&parts], vec![("axis", A::I(1))]);
    let y = b.conv("second", &y, 12, 6, same(1));
    head(b, &y, 6)
}

/// Equal parts, stacked along a new axis; their number makes a sum of the mean.
pub fn equal_parts() -> ModelProto {
    let (mut b, x) = start(17);
    let a = b.conv("first", &x, 3, 12, same(3));
    b.value_info(&a, "batch 12 8 8");
    let four = b.scalar_int(4);
    let parts = b.op("SplitToSequence", &[&a, &four], vec![("axis", A::I(-3))]);
    let stacked = b.op("ConcatFromSequence", &[&parts], vec![("axis", A::I(-1)), ("new_axis", A::I(1))]);
    let y = b.mean(&stacked, &[-1], false);
    let length = b.op("SequenceLength", &[&parts], vec![]);
    let scale = b.op("Cast", &[&length], vec![("to", A::I(DType::Float as i64))]);
    let y = b.mul(&y, &scale);
    let y = b.conv("second", &y, 4, 6, same(1));
    head(b, &y, 6)
}

/// A loop puts slices into a sequence, as exporters spell a split at given positions; what is left over follows it.
pub fn filled_by_rounds() -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 9 5");
    let a = b.linear("first", &x, 5, 8);
    let (count, go, bounds, one) = (b.scalar_int(2), b.truth(true), b.ints(&[0, 1, 4]), b.ints(&[1]));
    let empty = b.op("SequenceEmpty", &[], vec![]);
    let mut round = inside(&mut b, "round");
    let i = round.input_of("i", DType::Int64, "");
    round.input_of("go", DType::Bool, "");
    let held = round.sequence("held");
    let next = round.scalar_int(1);
    let next = round.add(&i, &next);
    let axis = round.ints(&[0]);
    let (from, to) = (round.gather(&bounds, &i, 0), round.gather(&bounds, &next, 0));
    let (from, to) = (round.op("Unsqueeze", &[&from, &axis], vec![]), round.op("Unsqueeze", &[&to, &axis], vec![]));
    let part = round.op("Slice", &[&a, &from, &to, &one], vec![]);
    let more = round.op("SequenceInsert", &[&held, &part], vec![]);
    let again = round.op("Identity", &[&go], vec![]);
    round.output_of(&again, DType::Bool, "");
    round.sequence_output(&more);
    let round = subgraph(round, "round");
    let parts = b.op("Loop", &[&count, &go, &empty], vec![("body", A::G(round))]);
    let rest = b.slice(&a, 1, 4, 9);
    let parts = b.op("SequenceInsert", &[&parts, &rest], vec![]);
    let mut at = |k: i64| {
        let k = b.scalar_int(k);
        b.op("SequenceAt", &[&parts, &k], vec![])
    };
    let (token, few, many) = (at(0), at(1), at(2));
    let few = b.linear("few", &few, 8, 8);
    let y = b.concat(1, &[&token, &few, &many]);
    let y = b.mean(&y, &[1], false);
    let y = b.gemm("head", &y, 8, 10);
    b.output(&y, "batch 10");
    b.model()
}

/// The caller says which part is read: the sequence stays, and what it holds does not shrink.
pub fn read_at_run_time() -> ModelProto {
    let (mut b, x) = start(17);
    let at = b.input_of("at", DType::Int64, "");
    let a = b.conv("first", &x, 3, 12, same(3));
    let sizes = b.ints(&[6, 6]);
    let parts = b.op("SplitToSequence", &[&a, &sizes], vec![("axis", A::I(1))]);
    let part = b.op("SequenceAt", &[&parts, &at], vec![]);
    b.value_info(&part, "batch 6 8 8");
    let y = b.conv("second", &part, 6, 8, same(1));
    head(b, &y, 8)
}
