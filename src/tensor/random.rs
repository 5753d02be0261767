//! Random tensors that are the same on every run for the same seed.

use super::values::element_count;
use super::{DType, Data, Error, Result, Tensor};
use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

impl Tensor {
    /// Random elements: standard normal for floats, uniform in `integers` for integers (cut to what the type
    /// holds), a fair coin for booleans.
    ///
    /// # Errors
    /// For a type without representation here, an overflowing shape, or an empty range.
    pub fn random(dtype: DType, shape: &[usize], seed: u64, integers: Range<i64>) -> Result<Self> {
        let Some(count) = element_count(shape) else {
            return Err(Error { why: format!("shape {shape:?} is too large") });
        };
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let float = |rng: &mut ChaCha8Rng| (0..count).map(|_| normal(rng)).collect::<Vec<f64>>();
        // Every bound is cut to the element type before the draw, so the cast back cannot wrap.
        macro_rules! integer {
            ($ty:ty) => {{
                let low = integers.start.max(i64::try_from(<$ty>::MIN).unwrap_or(i64::MIN));
                let last = integers.end.saturating_sub(1).min(i64::try_from(<$ty>::MAX).unwrap_or(i64::MAX));
                if low > last {
                    return Err(Error { why: format!("no {} in {integers:?}", dtype.format_name()) });
                }
                Data::from((0..count).map(|_| rng.random_range(low..=last) as $ty).collect::<Vec<$ty>>())
            }};
        }
        let data = match dtype {
            DType::Float => Data::F32(float(rng).into_iter().map(|x| x as f32).collect()),
            DType::Double => Data::F64(float(rng)),
            DType::Float16 => Data::F16(float(rng).into_iter().map(f16::from_f64).collect()),
            DType::Bfloat16 => Data::BF16(float(rng).into_iter().map(bf16::from_f64).collect()),
            DType::Int64 => integer!(i64),
            DType::Int32 => integer!(i32),
            DType::Int16 => integer!(i16),
            DType::Int8 => integer!(i8),
            DType::Uint64 => integer!(u64),
            DType::Uint32 => integer!(u32),
            DType::Uint16 => integer!(u16),
            DType::Uint8 => integer!(u8),
            DType::Bool => Data::Bool((0..count).map(|_| rng.random::<bool>()).collect()),
            _ => return Err(Error { why: format!("no random values for {}", dtype.format_name()) }),
        };
        Tensor::new(shape, data)
    }
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
        let draw = |seed| Tensor::random(DType::Float, &[1000], seed, 0..1).unwrap();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        let values = draw(3).to_f64_vec();
        let mean = values.iter().sum::<f64>() / 1000.0;
        let variance = values.iter().map(|x| x * x).sum::<f64>() / 1000.0;
        assert!(mean.abs() < 0.15 && (variance - 1.0).abs() < 0.2, "{mean} {variance}");
    }

    #[test]
    fn integers_stay_in_range_and_type() {
        let values = Tensor::random(DType::Uint8, &[500], 1, -10..1000).unwrap().to_f64_vec();
        assert!(values.iter().all(|&x| (0.0..256.0).contains(&x)));
        assert!(Tensor::random(DType::Int64, &[1], 1, 5..5).is_err());
        assert!(Tensor::random(DType::String, &[1], 1, 0..5).is_err());
    }
}
