//! Declarations that are wrong, missing, or more than before.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{graph, number, pick_mut, tensor};
use crate::common::builder::declared;
use crate::corpus::Corpus;

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    let g = graph(m, rng)?;
    let name = tensor(g, rng)?;
    let sizes: Vec<String> = (0..rng.random_range(0..5)).map(|_| number(rng).to_string()).collect();
    match rng.random_range(0..6) {
        0 => g.value_info.push(declared(&name, DType::Float, &sizes.join(" "))),
        1 => g.value_info.push(declared(&name, DType::Int64, &sizes.join(" "))),
        2 => g.output.push(declared(&name, DType::Float, &sizes.join(" "))),
        3 => pick_mut(&mut g.output, rng)?.name = Some(name),
        4 => pick_mut(&mut g.output, rng)?.r#type = None,
        _ => pick_mut(&mut g.input, rng)?.r#type = None,
    }
    Some(())
}
