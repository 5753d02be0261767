//! Random inputs that are the same on every run for the same seed.

use super::{Error, IoInfo, Result, Tensor};
use std::ops::Range;

/// One random tensor per graph input. `free(input, axis, symbol)` gives the size of an axis that the model leaves
/// open; integers are drawn from `integers`.
///
/// # Errors
/// [`Error::Tensor`] for an input of unknown rank or of a type without representation here.
pub fn random_inputs(
    inputs: &[IoInfo],
    free: &dyn Fn(&IoInfo, usize, Option<&str>) -> usize,
    seed: u64,
    integers: Range<i64>,
) -> Result<Vec<(String, Tensor)>> {
    let one = |(i, info): (usize, &IoInfo)| {
        let Some(shape) = info.shape(&|axis, symbol| free(info, axis, symbol)) else {
            return Err(Error::Tensor { why: format!("input `{}` has no declared rank", info.name) });
        };
        // A seed of its own per input: equal shapes must not get equal values.
        let tensor = Tensor::random(info.dtype, &shape, seed.wrapping_add(i as u64), integers.clone())?;
        Ok((info.name.clone(), tensor))
    };
    inputs.iter().enumerate().map(one).collect()
}
