//! Operator sets, and the version of the format.

use onnx_prune::onnx::proto::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pick_mut;
use crate::corpus::Corpus;

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    match rng.random_range(0..8) {
        0 => m.ir_version = Some(rng.random_range(2..16)),
        1 => drop(m.opset_import.pop()),
        2 => pick_mut(&mut m.opset_import, rng)?.domain = Some("ai.onnx".to_owned()),
        _ => pick_mut(&mut m.opset_import, rng)?.version = Some(rng.random_range(6..30)),
    }
    Some(())
}
