//! Shapes of inputs and initializers.

use onnx_prune::onnx::proto::tensor_shape_proto::dimension::Value as Size;
use onnx_prune::onnx::proto::type_proto::Value as Type;
use onnx_prune::onnx::proto::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{graph, number, pick_mut};
use crate::corpus::Corpus;

/// Initializers do not become larger than this.
const MAX_BYTES: usize = 1 << 14;

/// The declared sizes of a value.
pub fn declared(v: &mut ValueInfoProto) -> Option<&mut Vec<tensor_shape_proto::Dimension>> {
    match v.r#type.as_mut()?.value.as_mut()? {
        Type::TensorType(t) => Some(&mut t.shape.as_mut()?.dim),
        _ => None,
    }
}

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    let g = graph(m, rng)?;
    match rng.random_range(0..4) {
        0 => {
            let dims = declared(pick_mut(&mut g.input, rng)?)?;
            match rng.random_range(0..4) {
                0 => drop(dims.pop()),
                1 => dims
                    .push(tensor_shape_proto::Dimension { value: Some(Size::DimValue(number(rng))), denotation: None }),
                _ => pick_mut(dims, rng)?.value = Some(Size::DimValue(number(rng))),
            }
        }
        1 => pick_mut(&mut g.initializer, rng)?.dims.reverse(),
        2 => {
            // Another number of positions on one axis, with contents to match.
            let t = pick_mut(&mut g.initializer, rng)?;
            let raw = t.raw_data.clone()?;
            let count = |dims: &[i64]| {
                dims.iter().try_fold(1usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?)).filter(|n| *n > 0)
            };
            let old = count(&t.dims)?;
            let width = raw.len().checked_div(old)?;
            *pick_mut(&mut t.dims, rng)? = rng.random_range(0..24);
            let new = count(&t.dims)?;
            let bytes = new.checked_mul(width).filter(|n| *n <= MAX_BYTES)?;
            t.raw_data = Some(raw.iter().cycle().take(bytes).copied().collect::<Vec<u8>>().into());
        }
        _ => {
            let t = pick_mut(&mut g.initializer, rng)?;
            match rng.random_range(0..3) {
                0 => t.dims.push(1),
                1 => t.dims.insert(0, 1),
                _ => *pick_mut(&mut t.dims, rng)? = number(rng),
            }
        }
    }
    Some(())
}
