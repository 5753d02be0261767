//! What initializers and constants hold, and of which type.

use onnx_prune::onnx::edit::NewNode;
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{DType, to_i64};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{graph, ints, number, pick_mut};
use crate::corpus::Corpus;

/// Other numbers in a tensor of integers.
fn numbers(t: &mut TensorProto, rng: &mut ChaCha8Rng) -> Option<()> {
    let mut v = to_i64(t).ok().filter(|v| !v.is_empty())?;
    match rng.random_range(0..4) {
        0 => v.fill(number(rng)),
        1 => v.reverse(),
        _ => *pick_mut(&mut v, rng)? = number(rng),
    }
    let new = ints(t.name(), &v);
    (t.raw_data, t.data_type) = (new.raw_data, new.data_type);
    (t.int64_data, t.int32_data, t.uint64_data) = (Vec::new(), Vec::new(), Vec::new());
    Some(())
}

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    let g = graph(m, rng)?;
    match rng.random_range(0..6) {
        0..3 => {
            let all = g.initializer.iter_mut().filter(|t| t.data_type() == DType::Int64 as i32);
            let mut all: Vec<&mut TensorProto> = all.collect();
            let attrs = g.node.iter_mut().flat_map(|n| &mut n.attribute).filter_map(|a| a.t.as_mut());
            all.extend(attrs);
            numbers(pick_mut(&mut all, rng)?, rng)?;
        }
        3 => pick_mut(&mut g.initializer, rng)?.data_type = Some(rng.random_range(0..28)),
        4 => {
            // A constant, as a node.
            let k = rng.random_range(0..g.initializer.len().max(1));
            let t = g.initializer.get(k)?.clone();
            g.initializer.remove(k);
            let name = t.name().to_owned();
            g.node.insert(0, NewNode::new("Constant").output(name).tensor("value", t).build());
        }
        _ => {
            // Something a caller gives.
            let k = rng.random_range(0..g.initializer.len().max(1));
            let t = g.initializer.get(k)?;
            let dims: Vec<String> = t.dims.iter().map(i64::to_string).collect();
            let dtype = DType::try_from(t.data_type()).ok()?;
            let v = crate::common::builder::declared(t.name(), dtype, &dims.join(" "));
            g.input.push(v);
            if rng.random() {
                g.initializer.remove(k);
            }
        }
    }
    Some(())
}
