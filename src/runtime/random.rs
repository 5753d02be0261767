//! Random inputs that are the same on every run for the same seed.

use super::tensor::{dtype_name, element_count};
use super::{Data, Error, IoInfo, Result, Tensor};
use crate::onnx::proto::tensor_proto::DataType;
use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

impl Tensor {
    /// Random elements: standard normal for floats, uniform in `integers` for integers (cut to what the type
    /// holds), a fair coin for booleans.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a type without representation here, an overflowing shape, or an empty range.
    pub fn random(dtype: i32, shape: &[usize], seed: u64, integers: Range<i64>) -> Result<Self> {
        let Some(count) = element_count(shape) else {
            return Err(Error::Tensor { why: format!("shape {shape:?} is too large") });
        };
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let float = |rng: &mut ChaCha8Rng| (0..count).map(|_| normal(rng)).collect::<Vec<f64>>();
        // Every bound is cut to the element type before the draw, so the cast back cannot wrap.
        macro_rules! integer {
            ($ty:ty) => {{
                let low = integers.start.max(i64::try_from(<$ty>::MIN).unwrap_or(i64::MIN));
                let last = integers.end.saturating_sub(1).min(i64::try_from(<$ty>::MAX).unwrap_or(i64::MAX));
                if low > last {
                    return Err(Error::Tensor { why: format!("no {} in {integers:?}", dtype_name(dtype)) });
                }
                Data::from((0..count).map(|_| rng.random_range(low..=last) as $ty).collect::<Vec<$ty>>())
            }};
        }
        let data = match DataType::try_from(dtype) {
            Ok(DataType::Float) => Data::F32(float(rng).into_iter().map(|x| x as f32).collect()),
            Ok(DataType::Double) => Data::F64(float(rng)),
            Ok(DataType::Float16) => Data::F16(float(rng).into_iter().map(f16::from_f64).collect()),
            Ok(DataType::Bfloat16) => Data::BF16(float(rng).into_iter().map(bf16::from_f64).collect()),
            Ok(DataType::Int64) => integer!(i64),
            Ok(DataType::Int32) => integer!(i32),
            Ok(DataType::Int16) => integer!(i16),
            Ok(DataType::Int8) => integer!(i8),
            Ok(DataType::Uint64) => integer!(u64),
            Ok(DataType::Uint32) => integer!(u32),
            Ok(DataType::Uint16) => integer!(u16),
            Ok(DataType::Uint8) => integer!(u8),
            Ok(DataType::Bool) => Data::Bool((0..count).map(|_| rng.random::<bool>()).collect()),
            _ => return Err(Error::Tensor { why: format!("no random values for {}", dtype_name(dtype)) }),
        };
        Tensor::new(shape, data)
    }
}

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

// Box-Muller; the first draw is turned into (0, 1], whose logarithm is finite.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u = 1.0 - rng.random::<f64>();
    let v = rng.random::<f64>();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_values_again() {
        let draw = |seed| Tensor::random(DataType::Float as i32, &[1000], seed, 0..1).unwrap();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        let values = draw(3).to_f64_vec();
        let mean = values.iter().sum::<f64>() / 1000.0;
        let variance = values.iter().map(|x| x * x).sum::<f64>() / 1000.0;
        assert!(mean.abs() < 0.15 && (variance - 1.0).abs() < 0.2, "{mean} {variance}");
    }

    #[test]
    fn integers_stay_in_range_and_type() {
        let values = Tensor::random(DataType::Uint8 as i32, &[500], 1, -10..1000).unwrap().to_f64_vec();
        assert!(values.iter().all(|&x| (0.0..256.0).contains(&x)));
        assert!(Tensor::random(DataType::Int64 as i32, &[1], 1, 5..5).is_err());
        assert!(Tensor::random(DataType::String as i32, &[1], 1, 0..5).is_err());
    }
}
