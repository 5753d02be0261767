use super::scores::rank;
use super::{Figure, Metric, Scores};

/// Share of the samples whose label is among the `K` highest scores.
#[derive(Debug, Default)]
pub struct TopK<const K: usize> {
    hits: u64,
    samples: u64,
}

impl<const K: usize> TopK<K> {
    /// Adds a sample.
    pub fn see(&mut self, scores: &[f64], label: usize) {
        self.hits += u64::from(rank(scores, label) < K);
        self.samples += 1;
    }
}

impl<const K: usize> Metric for TopK<K> {
    fn add(&mut self, scores: &Scores, labels: &[usize]) {
        scores.rows().zip(labels).for_each(|(row, label)| self.see(row, *label));
    }

    fn figure(&self) -> Figure {
        let name = match K {
            1 => "top-1",
            5 => "top-5",
            _ => "top-k",
        };
        Figure::share(name, self.hits as f64 / self.samples as f64)
    }
}
