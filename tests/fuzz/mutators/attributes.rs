//! Values of attributes.

use onnx_prune::onnx::proto::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{node, number, pick, pick_mut};
use crate::common::builder::{A, attr};
use crate::corpus::Corpus;

const NAMES: &[&str] = &[
    "axis",
    "axes",
    "group",
    "pads",
    "strides",
    "dilations",
    "kernel_shape",
    "keepdims",
    "perm",
    "to",
    "num_heads",
    "blocksize",
    "transA",
    "transB",
    "allowzero",
    "split",
    "num_outputs",
    "start",
    "end",
    "hidden_size",
    "layout",
    "num_groups",
    "batch_dims",
    "scan_input_axes",
    "num_scan_inputs",
    "output_shape",
    "output_padding",
    "ceil_mode",
    "noop_with_empty_axes",
    "channels_last",
    "value_ints",
    "q_num_heads",
    "kv_num_heads",
    "direction",
];

const WORDS: &[&str] = &[
    "",
    "SAME_UPPER",
    "SAME_LOWER",
    "VALID",
    "reflect",
    "edge",
    "wrap",
    "CRD",
    "DCR",
    "bidirectional",
    "ij,jk->ik",
    "...",
];

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    let node = node(m, rng)?;
    match rng.random_range(0..7) {
        0 => {
            let name = pick(NAMES, rng)?;
            let value = [number(rng), number(rng), number(rng), number(rng)];
            let count = rng.random_range(0..=4);
            let a = if rng.random() { attr(name, A::I(value[0])) } else { attr(name, A::Is(&value[..count])) };
            node.attribute.push(a);
        }
        1 if !node.attribute.is_empty() => {
            let k = rng.random_range(0..node.attribute.len());
            node.attribute.remove(k);
        }
        2 if node.attribute.len() > 1 => node.attribute.reverse(),
        3 => {
            let name = *pick(NAMES, rng)?;
            pick_mut(&mut node.attribute, rng)?.name = Some(name.to_owned());
        }
        _ => {
            let a = pick_mut(&mut node.attribute, rng)?;
            if let Some(i) = &mut a.i {
                *i = number(rng);
            }
            if let Some(f) = &mut a.f {
                *f = *pick(&[0.0, -1.0, f32::NAN, f32::INFINITY, 1e-30, 0.5], rng)?;
            }
            match rng.random_range(0..3) {
                0 => drop(a.ints.pop()),
                1 if !a.ints.is_empty() => a.ints.push(number(rng)),
                _ => {
                    if let Some(i) = pick_mut(&mut a.ints, rng) {
                        *i = number(rng);
                    }
                }
            }
            if let Some(s) = &mut a.s {
                *s = pick(WORDS, rng)?.as_bytes().to_vec();
            }
        }
    }
    Some(())
}
