//! How far two models give the same, which needs no labels.

use super::scores::ranking;
use super::{Error, Figure, Result};
use crate::runtime::Tensor;

/// Compares the outputs of a model with those of a reference, sample by sample.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    samples: u64,
    elements: u64,
    cosine: f64,
    squares: f64,
    largest: f64,
    same_answer: u64,
}

impl Agreement {
    /// Adds the outputs of both models for the same samples, which stand along the first axis. An output that only
    /// one of them has is not compared.
    ///
    /// # Errors
    /// When they have no output in common, or one of different shape.
    pub fn add(&mut self, outputs: &[(String, Tensor)], reference: &[(String, Tensor)]) -> Result<()> {
        let mut pairs = Vec::new();
        for (name, a) in outputs {
            let Some((_, b)) = reference.iter().find(|(other, _)| other == name) else { continue };
            if a.shape() != b.shape() {
                let (a, b) = (a.shape(), b.shape());
                return Err(Error::Mismatch(format!("output `{name}` has shape {a:?}, the reference's has {b:?}")));
            }
            pairs.push((a.shape().first().copied().unwrap_or(1), a.to_f64_vec(), b.to_f64_vec()));
        }
        let Some(samples) = pairs.iter().map(|(n, _, _)| *n).min() else {
            return Err(Error::Mismatch("the model and the reference have no output in common".to_owned()));
        };
        let pairs: Vec<_> = pairs.into_iter().filter(|(n, _, _)| *n == samples).collect();
        for i in 0..samples {
            let mut sums = Sums::default();
            let mut same = true;
            for (_, a, b) in &pairs {
                let width = a.len() / samples;
                let (a, b) = (row(a, i, width), row(b, i, width));
                sums.add(a, b);
                same &= ranking(a, 1) == ranking(b, 1);
            }
            self.samples += 1;
            self.same_answer += u64::from(same);
            self.cosine += sums.cosine();
            self.squares += sums.squares;
            self.elements += sums.elements;
            self.largest = max_or_nan(self.largest, sums.largest);
        }
        Ok(())
    }

    /// Mean cosine of the samples; 1 where all outputs point the same way.
    pub fn cosine(&self) -> f64 {
        self.cosine / self.samples as f64
    }

    /// Share of the samples where the largest element of every output is the same.
    pub fn same_answer(&self) -> f64 {
        self.same_answer as f64 / self.samples as f64
    }

    /// Mean cosine of the samples, mean squared error and largest difference of all elements, and the share of the
    /// samples where the largest element of every output is the same.
    pub fn figures(&self) -> Vec<Figure> {
        // Nothing is no agreement.
        let largest = if self.samples > 0 { self.largest } else { f64::NAN };
        vec![
            Figure::number("cosine", self.cosine()),
            Figure::number("mse", self.squares / self.elements as f64),
            Figure::number("largest difference", largest),
            Figure::share("same answer", self.same_answer()),
        ]
    }
}

fn row(values: &[f64], i: usize, width: usize) -> &[f64] {
    values.get(i * width..(i + 1) * width).unwrap_or_default()
}

// `f64::max` drops what is no number, which must show.
fn max_or_nan(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

#[derive(Default)]
struct Sums {
    elements: u64,
    product: f64,
    a: f64,
    b: f64,
    squares: f64,
    largest: f64,
}

impl Sums {
    fn add(&mut self, a: &[f64], b: &[f64]) {
        for (x, y) in a.iter().zip(b) {
            let difference = if x == y { 0.0 } else { x - y };
            self.product += x * y;
            self.a += x * x;
            self.b += y * y;
            self.squares += difference * difference;
            self.largest = max_or_nan(self.largest, difference.abs());
            self.elements += 1;
        }
    }

    /// Nothing but zeros points where other zeros do, and nowhere else.
    fn cosine(&self) -> f64 {
        if self.a == 0.0 && self.b == 0.0 {
            1.0
        } else if self.a == 0.0 || self.b == 0.0 {
            0.0
        } else {
            self.product / (self.a.sqrt() * self.b.sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(values: Vec<f32>) -> Vec<(String, Tensor)> {
        vec![("y".to_owned(), Tensor::new([2, values.len() / 2], values).unwrap())]
    }

    fn values(a: Vec<f32>, b: Vec<f32>) -> Vec<Option<f64>> {
        let mut agreement = Agreement::default();
        agreement.add(&outputs(a), &outputs(b)).unwrap();
        agreement.figures().iter().map(|f| f.value).collect()
    }

    #[test]
    fn known_vectors() {
        let same = values(vec![1.0, 2.0, 0.0, 0.0], vec![1.0, 2.0, 0.0, 0.0]);
        assert_eq!(same[1..], [Some(0.0), Some(0.0), Some(1.0)]);
        assert!((same[0].unwrap() - 1.0).abs() < 1e-15);
        // Cosines 0 and 0.6, squares 2 and 0.8 + 0, differences at most 1.
        let apart = values(vec![1.0, 0.0, 1.0, 0.0], vec![0.0, 1.0, 0.6, 0.8]);
        let expected = [0.3, (2.0 + 0.16 + 0.64) / 4.0, 1.0, 0.0];
        for (found, wanted) in apart.iter().zip(expected) {
            assert!((found.unwrap() - wanted).abs() < 1e-7, "{apart:?}");
        }
    }

    #[test]
    fn what_is_no_number_gives_no_figure() {
        let found = values(vec![f32::NAN, 0.0, 1.0, 0.0], vec![0.0, 1.0, 1.0, 0.0]);
        assert_eq!(found[..3], [None, None, None]);
        assert!(Agreement::default().add(&outputs(vec![0.0; 4]), &outputs(vec![0.0; 6])).is_err());
        assert!(Agreement::default().add(&outputs(vec![0.0; 4]), &[]).is_err());
    }
}
