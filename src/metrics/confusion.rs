//! Which classes are taken for which.

use super::scores::ranking;
use super::{Figure, Scores};

/// Counts of samples by label (row) and answer (column).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

/// The figures of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassFigures {
    /// Samples with this label.
    pub samples: u64,
    /// Samples that were taken for this class.
    pub answers: u64,
    /// Of the samples taken for this class, the share that is; `None` without any.
    pub precision: Option<f64>,
    /// Of the samples of this class, the share that was recognised: its accuracy. `None` without any.
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: Option<f64>,
}

impl Confusion {
    /// No sample yet.
    pub fn new(classes: usize) -> Self {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Counts samples; what is beyond the classes is not counted.
    pub fn add(&mut self, scores: &Scores, labels: &[usize]) {
        for (row, label) in scores.rows().zip(labels) {
            let Some(answer) = ranking(row, 1).first().copied().filter(|a| *a < self.classes) else { continue };
            if let Some(count) = self.counts.get_mut(label * self.classes + answer) {
                *count += 1;
            }
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// For each label, how often each class was the answer.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes.max(1))
    }

    /// The figures of each class.
    pub fn per_class(&self) -> Vec<ClassFigures> {
        let mut answers = vec![0u64; self.classes];
        for row in self.rows() {
            answers.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
        }
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let one = |((class, row), answers): ((usize, &[u64]), u64)| {
            let samples = row.iter().sum();
            let right = row.get(class).copied().unwrap_or(0);
            let (precision, recall) = (share(right, answers), share(right, samples));
            ClassFigures { samples, answers, precision, recall, f1: share(2 * right, samples + answers) }
        };
        self.rows().enumerate().zip(answers).map(one).collect()
    }

    /// Mean recall over the classes that have samples: accuracy with all classes alike.
    pub fn balanced(&self) -> Figure {
        let recalls: Vec<f64> = self.per_class().iter().filter_map(|c| c.recall).collect();
        Figure::share("balanced", recalls.iter().sum::<f64>() / recalls.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Tensor;

    #[test]
    fn figures_of_a_known_matrix() {
        let mut confusion = Confusion::new(3);
        let one_hot = [0, 0, 1, 1, 1, 0].iter().flat_map(|a| (0..3).map(move |i| if i == *a { 1f32 } else { 0.0 }));
        let scores = Scores::of(&Tensor::new([6, 3], one_hot.collect::<Vec<f32>>()).unwrap()).unwrap();
        confusion.add(&scores, &[0, 0, 0, 1, 1, 1]);
        assert_eq!(confusion.rows().collect::<Vec<_>>(), [[2, 1, 0], [1, 2, 0], [0, 0, 0]]);
        let [a, b, c] = confusion.per_class()[..] else { panic!("three classes") };
        assert_eq!((a.samples, a.answers, a.precision, a.recall), (3, 3, Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert_eq!(b.f1, Some(2.0 / 3.0));
        assert_eq!((c.precision, c.recall, c.f1), (None, None, None));
        assert_eq!(confusion.balanced().value, Some(2.0 / 3.0));
    }
}
