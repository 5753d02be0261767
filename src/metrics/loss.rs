use super::{Figure, Metric, Scores};

/// Mean cross-entropy: the negative logarithm of the probability that the label gets. Scores are logits, unless the
/// first batch consists of probabilities.
#[derive(Debug, Default)]
pub struct Loss {
    probabilities: Option<bool>,
    sum: f64,
    samples: u64,
}

impl Metric for Loss {
    fn add(&mut self, scores: &Scores, labels: &[usize]) {
        let probabilities = *self.probabilities.get_or_insert_with(|| scores.are_probabilities());
        for (row, label) in scores.rows().zip(labels) {
            let own = row.get(*label).copied().unwrap_or(f64::NAN);
            // The smallest positive float32: a label that got no probability costs much, not everything.
            self.sum += if probabilities { -own.max(f64::from(f32::MIN_POSITIVE)).ln() } else { log_sum(row) - own };
            self.samples += 1;
        }
    }

    fn figure(&self) -> Figure {
        Figure::number("loss", self.sum / self.samples as f64)
    }
}

/// Logarithm of the sum of exponentials, without overflow.
fn log_sum(row: &[f64]) -> f64 {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + row.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Tensor;

    fn loss(rows: Vec<f32>, labels: &[usize]) -> f64 {
        let mut loss = Loss::default();
        let classes = rows.len() / labels.len();
        loss.add(&Scores::of(&Tensor::new([labels.len(), classes], rows).unwrap()).unwrap(), labels);
        loss.figure().value.unwrap()
    }

    #[test]
    fn logits_and_probabilities_cost_the_same() {
        // softmax([1, 2, 3]) = [0.0900, 0.2447, 0.6652]
        let logits = loss(vec![1.0, 2.0, 3.0], &[1]);
        assert!((logits - 1.407_605_964_444_38).abs() < 1e-12, "{logits}");
        let probabilities = loss(vec![0.090_030_57, 0.244_728_48, 0.665_240_94], &[1]);
        assert!((probabilities - logits).abs() < 1e-6, "{probabilities}");
        assert!((loss(vec![1e4, 0.0, 0.0, 1e4], &[0, 1])).abs() < 1e-9);
    }
}
