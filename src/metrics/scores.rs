//! What a classifier says: one score per class and sample.

use super::{Error, Result};
use crate::runtime::Tensor;

/// Rows of scores, one row per sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    classes: usize,
    values: Vec<f64>,
}

impl Scores {
    /// Reads an output that has samples along its first axis and classes along one other; further axes of size 1 do
    /// not matter, as in `[n, 1000, 1, 1]`.
    ///
    /// # Errors
    /// [`Error::Form`] when another axis is larger than 1.
    pub fn of(output: &Tensor) -> Result<Self> {
        let refuse = |why: &str| Err(Error::Form { shape: output.shape().to_vec(), why: why.to_owned() });
        let Some((samples, rest)) = output.shape().split_first().filter(|(_, rest)| !rest.is_empty()) else {
            return refuse("holds no scores per sample");
        };
        if rest.iter().filter(|size| **size != 1).count() > 1 {
            return refuse("holds more than one score per sample and class");
        }
        let classes = rest.iter().product();
        if classes == 0 || *samples == 0 {
            return refuse("is empty");
        }
        Ok(Scores { classes, values: output.to_f64_vec() })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The scores of each sample.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.classes)
    }

    /// Whether all rows are probabilities already: a softmax stands at the end of the model.
    pub fn are_probabilities(&self) -> bool {
        self.rows().all(|row| {
            let sum: f64 = row.iter().sum();
            row.iter().all(|x| *x >= 0.0) && (sum - 1.0).abs() < 1e-3
        })
    }
}

/// Classes from the highest score down; of equal scores the first class comes first, and what is no number last.
pub(crate) fn ranking(row: &[f64], most: usize) -> Vec<usize> {
    let key = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x };
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|a, b| key(row[*b]).total_cmp(&key(row[*a])).then(a.cmp(b)));
    order.truncate(most);
    order
}

/// How many classes come before `class`: 0 for the answer itself. A row that is not finite puts it last.
pub(crate) fn rank(row: &[f64], class: usize) -> usize {
    let Some(own) = row.get(class).filter(|_| row.iter().all(|x| x.is_finite())) else { return row.len() };
    let before = |(i, x): (usize, &f64)| x > own || (x == own && i < class);
    row.iter().enumerate().filter(|pair| before(*pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_size_one_do_not_matter() {
        let tensor = |shape: &[usize]| Tensor::new(shape, vec![0f32; shape.iter().product()]).unwrap();
        for shape in [&[2, 5][..], &[2, 5, 1, 1], &[2, 1, 5]] {
            assert_eq!(Scores::of(&tensor(shape)).unwrap().classes(), 5);
        }
        for shape in [&[][..], &[2], &[2, 5, 3], &[0, 5], &[2, 0]] {
            assert!(Scores::of(&tensor(shape)).is_err(), "{shape:?}");
        }
    }

    #[test]
    fn ties_go_to_the_first_class() {
        let row = [0.2, 0.7, 0.7, 0.1];
        assert_eq!([0, 1, 2, 3].map(|class| rank(&row, class)), [2, 0, 1, 3]);
        assert_eq!(ranking(&row, 3), [1, 2, 0]);
        assert_eq!(rank(&[f64::NAN, 1.0], 1), 2);
        assert_eq!(ranking(&[f64::NAN, -1.0], 1), [1]);
    }

    #[test]
    fn logits_are_no_probabilities() {
        let scores = |row: Vec<f32>| Scores::of(&Tensor::new([1, row.len()], row).unwrap()).unwrap();
        assert!(scores(vec![0.25, 0.75, 0.0]).are_probabilities());
        assert!(!scores(vec![0.25, 1.75, -1.0]).are_probabilities());
        assert!(!scores(vec![0.25, 0.25, 0.0]).are_probabilities());
        assert!(!scores(vec![f32::NAN, 1.0]).are_probabilities());
    }
}
