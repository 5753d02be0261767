//! Judging a classifier.

use super::loss::Loss;
use super::top_k::TopK;
use super::{Confusion, Error, Figure, Result, Scores};

/// A figure of a classifier, gathered batch by batch.
pub trait Metric: Send {
    /// Adds samples: a row of scores and a label for each.
    fn add(&mut self, scores: &Scores, labels: &[usize]);

    /// The figure over all samples so far.
    fn figure(&self) -> Figure;
}

/// Every metric, in the order of tables.
pub fn metrics() -> Vec<Box<dyn Metric>> {
    vec![Box::new(TopK::<1>::default()), Box::new(TopK::<5>::default()), Box::new(Loss::default())]
}

/// All that is told of a classifier.
pub struct Classification {
    metrics: Vec<Box<dyn Metric>>,
    confusion: Confusion,
    samples: u64,
    not_finite: u64,
}

impl Classification {
    /// No sample yet.
    pub fn new(classes: usize) -> Self {
        Classification { metrics: metrics(), confusion: Confusion::new(classes), samples: 0, not_finite: 0 }
    }

    /// Adds samples.
    ///
    /// # Errors
    /// When scores and labels do not fit each other or the classes.
    pub fn add(&mut self, scores: &Scores, labels: &[usize]) -> Result<()> {
        let classes = self.confusion.classes();
        if scores.classes() != classes {
            return Err(Error::Mismatch(format!("{} scores per sample for {classes} classes", scores.classes())));
        }
        let rows = scores.rows().count();
        if rows != labels.len() {
            return Err(Error::Mismatch(format!("{rows} rows of scores for {} labels", labels.len())));
        }
        if let Some(class) = labels.iter().copied().find(|label| *label >= classes) {
            return Err(Error::Class { class, classes });
        }
        self.metrics.iter_mut().for_each(|m| m.add(scores, labels));
        self.confusion.add(scores, labels);
        self.samples += labels.len() as u64;
        self.not_finite += scores.rows().filter(|row| row.iter().any(|x| !x.is_finite())).count() as u64;
        Ok(())
    }

    /// Figures over all samples; the fifth highest score says nothing where there are hardly more classes.
    pub fn figures(&self) -> Vec<Figure> {
        let all = self.metrics.iter().map(|m| m.figure());
        let mut all: Vec<Figure> = all.filter(|f| f.name != "top-5" || self.confusion.classes() > 5).collect();
        all.push(self.confusion.balanced());
        all
    }

    /// Which classes are taken for which.
    pub fn confusion(&self) -> &Confusion {
        &self.confusion
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Samples with a score that is infinite or no number; they count as wrong.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Tensor;

    #[test]
    fn figures_add_up_over_batches() {
        let rows: Vec<f32> =
            vec![9., 1., 2., 3., 4., 5., /**/ 1., 2., 3., 4., 5., 6., /**/ 0., 9., 1., 1., 1., 1.];
        let scores = |range: std::ops::Range<usize>| {
            Scores::of(&Tensor::new([3, 6], rows.clone()).unwrap().rows(range).unwrap()).unwrap()
        };
        let labels = [0, 0, 0];
        let (mut whole, mut parts) = (Classification::new(6), Classification::new(6));
        whole.add(&scores(0..3), &labels).unwrap();
        parts.add(&scores(0..1), &labels[..1]).unwrap();
        parts.add(&scores(1..3), &labels[1..]).unwrap();
        let figures = whole.figures();
        assert_eq!(figures, parts.figures());
        assert_eq!(figures.iter().map(|f| f.name).collect::<Vec<_>>(), ["top-1", "top-5", "loss", "balanced"]);
        assert_eq!(figures[0].value, Some(1.0 / 3.0));
        assert_eq!(figures[1].value, Some(1.0 / 3.0));
        assert_eq!((whole.samples(), whole.not_finite()), (3, 0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let scores = Scores::of(&Tensor::new([2, 3], vec![0f32; 6]).unwrap()).unwrap();
        assert!(Classification::new(4).add(&scores, &[0, 0]).is_err());
        assert!(Classification::new(3).add(&scores, &[0]).is_err());
        assert!(matches!(Classification::new(3).add(&scores, &[0, 3]), Err(Error::Class { class: 3, classes: 3 })));
        assert_eq!(Classification::new(3).figures()[0].value, None);
    }
}
