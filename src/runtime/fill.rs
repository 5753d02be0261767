//! Contents of inputs that no data is given for.

use super::{Data, Error, Result, Tensor};
use crate::tensor::DType;
use crate::tensor::element_count;
use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::str::FromStr;

/// What an input is filled with.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// One number.
    Number(f64),
    /// 0, 1, 2, … in the order of the elements.
    Range,
    /// Uniform from the first number up to the second, which is left out for integers.
    Uniform(f64, f64),
    /// Standard normal, then made positive and moved away from 0.
    Positive,
    /// The same below 0.
    Negative,
    /// Standard normal times this.
    Normal(f64),
    /// A tensor of one number is spread over the whole input.
    Given(Tensor),
    /// These integers, or as many of them as there is room for.
    Listed(Vec<i64>),
}

/// What is not a way to fill an input.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is none of zeros, ones, range, random:LO..HI and a number")]
pub struct UnknownFill(String);

impl FromStr for Fill {
    type Err = UnknownFill;

    fn from_str(text: &str) -> Result<Self, UnknownFill> {
        let refuse = || UnknownFill(text.to_owned());
        let number = |t: &str| t.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        Ok(match text {
            "zeros" => Fill::Number(0.0),
            "ones" => Fill::Number(1.0),
            "range" => Fill::Range,
            _ => match text.strip_prefix("random:") {
                Some(range) => {
                    let ends = range.split_once("..").and_then(|(lo, hi)| Some((number(lo)?, number(hi)?)));
                    let (lo, hi) = ends.filter(|(lo, hi)| lo < hi).ok_or_else(refuse)?;
                    Fill::Uniform(lo, hi)
                }
                None => Fill::Number(number(text).ok_or_else(refuse)?),
            },
        })
    }
}

/// What `Positive` stays away from 0.
const AWAY: f64 = 0.1;

impl Fill {
    /// A tensor of this type and shape; `seed` decides what is random.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a type without representation here, a shape that is too large, and a given tensor of
    /// another shape.
    pub fn tensor(&self, dtype: DType, shape: &[usize], seed: u64) -> Result<Tensor> {
        let refuse = |why: String| Err(Error::Tensor { why });
        let Some(count) = element_count(shape) else { return refuse(format!("shape {shape:?} is too large")) };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let whole = !dtype.is_real();
        let normal = |seed: u64| Tensor::random(DType::Double, shape, seed, 0..1).map(|t| t.to_f64_vec());
        let values: Vec<f64> = match self {
            Fill::Number(x) => vec![*x; count],
            Fill::Range => (0..count).map(|i| i as f64).collect(),
            Fill::Uniform(lo, hi) if whole => (0..count)
                .map(|_| rng.random_range(lo.ceil() as i64..(hi.ceil() as i64).max(lo.ceil() as i64 + 1)) as f64)
                .collect(),
            Fill::Uniform(lo, hi) => (0..count).map(|_| rng.random_range(*lo..*hi)).collect(),
            Fill::Positive => normal(seed)?.into_iter().map(|x| x.abs() + AWAY).collect(),
            Fill::Negative => normal(seed)?.into_iter().map(|x| -x.abs() - AWAY).collect(),
            Fill::Normal(scale) => normal(seed)?.into_iter().map(|x| x * scale).collect(),
            Fill::Listed(list) => list.iter().map(|x| *x as f64).chain(std::iter::repeat(1.0)).take(count).collect(),
            Fill::Given(t) if t.shape() == shape => t.to_f64_vec(),
            Fill::Given(t) if t.len() == 1 => vec![t.to_f64_vec()[0]; count],
            Fill::Given(t) => return refuse(format!("shape {:?} was given for one of {shape:?}", t.shape())),
        };
        if let Fill::Given(t) = self
            && t.dtype() == dtype
            && t.shape() == shape
        {
            return Ok(t.clone());
        }
        of_numbers(dtype, shape, &values)
    }
}

/// A tensor of any type from numbers; what does not fit an integer type is cut to its range.
fn of_numbers(dtype: DType, shape: &[usize], v: &[f64]) -> Result<Tensor> {
    macro_rules! cast {
        ($ty:ty) => {
            Data::from(v.iter().map(|x| *x as $ty).collect::<Vec<$ty>>())
        };
    }
    let data = match dtype {
        DType::Float => cast!(f32),
        DType::Double => Data::F64(v.to_vec()),
        DType::Float16 => Data::F16(v.iter().map(|x| f16::from_f64(*x)).collect()),
        DType::Bfloat16 => Data::BF16(v.iter().map(|x| bf16::from_f64(*x)).collect()),
        DType::Int64 => cast!(i64),
        DType::Int32 => cast!(i32),
        DType::Int16 => cast!(i16),
        DType::Int8 => cast!(i8),
        DType::Uint64 => cast!(u64),
        DType::Uint32 => cast!(u32),
        DType::Uint16 => cast!(u16),
        DType::Uint8 => cast!(u8),
        DType::Bool => Data::Bool(v.iter().map(|x| *x != 0.0).collect()),
        _ => return Err(Error::Tensor { why: format!("no values for {}", dtype.format_name()) }),
    };
    Ok(Tensor::new(shape, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, dtype: DType, shape: &[usize]) -> Vec<f64> {
        text.parse::<Fill>().unwrap().tensor(dtype, shape, 3).unwrap().to_f64_vec()
    }

    #[test]
    fn words_become_numbers() {
        assert_eq!(fill("16000", DType::Int64, &[]), [16000.0]);
        assert_eq!(fill("0.5", DType::Float, &[2]), [0.5, 0.5]);
        assert_eq!(fill("ones", DType::Bool, &[2]), [1.0, 1.0]);
        assert_eq!(fill("range", DType::Int32, &[1, 3]), [0.0, 1.0, 2.0]);
        let whole = fill("random:3..6", DType::Int64, &[200]);
        assert!([3.0, 4.0, 5.0].iter().all(|x| whole.contains(x)) && whole.iter().all(|x| (3.0..6.0).contains(x)));
        assert!(fill("random:-1..0", DType::Float, &[50]).iter().all(|x| (-1.0..0.0).contains(x)));
        for bad in ["", "two", "random:", "random:2..1", "random:1..1", "nan", "inf"] {
            assert!(bad.parse::<Fill>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_given_number_is_spread_and_a_given_shape_kept() {
        let one = Fill::Given(Tensor::new([], vec![7i64]).unwrap());
        assert_eq!(one.tensor(DType::Float, &[2, 1], 0).unwrap().to_f64_vec(), [7.0, 7.0]);
        let two = Fill::Given(Tensor::new([2], vec![1f32, 2.0]).unwrap());
        assert!(two.tensor(DType::Float, &[3], 0).is_err());
        assert!(Fill::Positive.tensor(DType::Float, &[99], 1).unwrap().to_f64_vec().iter().all(|x| *x >= 0.1));
        let listed = Fill::Listed(vec![1, 12]).tensor(DType::Int64, &[4], 0).unwrap();
        assert_eq!(listed.to_f64_vec(), [1.0, 12.0, 1.0, 1.0]);
    }
}
