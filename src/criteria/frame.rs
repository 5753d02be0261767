//! The common frame: from item scores to comparable group scores.

use serde::{Deserialize, Serialize};

/// How the items of a group make one score per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Sum over items divided by their number.
    #[default]
    Mean,
    /// Sum over items.
    Sum,
    /// Largest item score.
    Max,
    /// Product of item scores.
    Prod,
    /// The first [`ItemRole::Out`](super::ItemRole::Out) item that is read, or the first one where there is none.
    First,
}

/// How a group's scores are made comparable with other groups'; statistics run over surviving channels.
///
/// Where the divisor would be 0 (all scores 0, or all equal for the last two), the result is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// s / mean(s).
    #[default]
    Mean,
    /// s.
    None,
    /// s / Σs.
    Sum,
    /// s / max(s).
    Max,
    /// (s − min) / (max − min).
    MinMax,
    /// (s − mean) / standard deviation (n − 1 in the divisor).
    Gaussian,
}

/// Options that all criteria share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScoreOptions {
    /// Over items.
    pub reduction: Reduction,
    /// Over the surviving channels of a group.
    pub normalization: Normalization,
    /// Seed of criteria that draw numbers.
    pub seed: u64,
}

impl Reduction {
    /// Folds one more item into `total`; `first` says that nothing has been folded yet.
    pub(super) fn fold(self, total: &mut f64, item: f64, first: bool) {
        *total = match self {
            _ if first => item,
            Reduction::Mean | Reduction::Sum => *total + item,
            Reduction::Max => total.max(item),
            Reduction::Prod => *total * item,
            Reduction::First => *total,
        };
    }
}

impl Normalization {
    /// Normalises the scores of the surviving channels in place.
    pub(super) fn apply(self, scores: &mut [f64]) {
        let n = scores.len() as f64;
        let sum: f64 = scores.iter().sum();
        let (low, high) = scores.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &s| (l.min(s), h.max(s)));
        let (shift, divisor) = match self {
            Normalization::None => return,
            Normalization::Mean => (0.0, sum / n),
            Normalization::Sum => (0.0, sum),
            Normalization::Max => (0.0, high),
            Normalization::MinMax => (low, high - low),
            Normalization::Gaussian => {
                let mean = sum / n;
                let squares: f64 = scores.iter().map(|s| (s - mean) * (s - mean)).sum();
                // Equal scores may differ from their own mean by a rounding error.
                (mean, if low < high { (squares / (n - 1.0)).sqrt() } else { 0.0 })
            }
        };
        let divides = divisor.is_normal();
        for s in scores {
            *s = if divides { (*s - shift) / divisor } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(how: Normalization, scores: &[f64]) -> Vec<f64> {
        let mut scores = scores.to_vec();
        how.apply(&mut scores);
        scores
    }

    #[test]
    fn each_normalization_by_hand() {
        let s = [1.0, 2.0, 3.0, 6.0];
        assert_eq!(normalised(Normalization::None, &s), s);
        assert_eq!(normalised(Normalization::Mean, &s), [1.0 / 3.0, 2.0 / 3.0, 1.0, 2.0]);
        assert_eq!(normalised(Normalization::Sum, &s), [1.0 / 12.0, 2.0 / 12.0, 0.25, 0.5]);
        assert_eq!(normalised(Normalization::Max, &s), [1.0 / 6.0, 2.0 / 6.0, 0.5, 1.0]);
        assert_eq!(normalised(Normalization::MinMax, &s), [0.0, 0.2, 0.4, 1.0]);
        // Deviations −2, −1, 0, 3: variance 14 / 3.
        let d = (14.0f64 / 3.0).sqrt();
        assert_eq!(normalised(Normalization::Gaussian, &s), [-2.0 / d, -1.0 / d, 0.0, 3.0 / d]);
    }

    #[test]
    fn nothing_divides_by_zero() {
        use Normalization::*;
        for how in [Mean, None, Sum, Max, MinMax, Gaussian] {
            assert_eq!(normalised(how, &[0.0, 0.0]), [0.0, 0.0], "{how:?}");
            assert!(normalised(how, &[]).is_empty());
        }
        for how in [MinMax, Gaussian] {
            assert_eq!(normalised(how, &[0.1, 0.1, 0.1]), [0.0; 3], "{how:?}");
        }
        assert_eq!(normalised(Gaussian, &[3.0]), [0.0]);
    }
}
