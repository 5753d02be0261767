//! How far a network gives what the original gives.

use std::ops::Range;

use super::samples::Samples;
use super::segments::Network;
use crate::evaluation::Accuracy;
use crate::metrics::{Agreement, Scores};
use crate::report::Likeness;
use crate::runtime::Tensor;
use crate::statistics::{Error, Result};

/// The outputs of one batch, without what a batch of fixed size was filled up with.
pub type Outputs = Vec<(String, Tensor)>;

/// Runs a network to its end and takes its outputs in some batches; what is no float is left out.
///
/// # Errors
/// When the runtime fails.
pub fn outputs(network: &mut Network, samples: &Samples, batches: Range<usize>) -> Result<Vec<Outputs>> {
    let names = network.output_names();
    network.advance(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let of_batch = |k: usize| {
        let mut out = Vec::new();
        for name in names.iter().filter(|n| network.has(n)) {
            let tensor = network.get(name, k)?;
            if super::floats(&tensor).is_none() {
                continue;
            }
            let (n, filled) = (samples.count(k..k + 1), samples.filled(k));
            let whole = tensor.shape().first().copied().unwrap_or(0);
            let tensor = if whole == filled && n < filled { tensor.rows(0..n)? } else { Tensor::clone(&tensor) };
            out.push((name.clone(), tensor));
        }
        Ok(out)
    };
    batches.map(of_batch).collect()
}

/// Compares outputs with the original's, batch by batch; `from` is the first batch's number. Outputs whose shape
/// depends on what they hold are left out; `None` where nothing is left.
///
/// # Errors
/// When they cannot be compared.
pub fn likeness(given: &[Outputs], wanted: &[Outputs], samples: &Samples, from: usize) -> Result<Option<Likeness>> {
    let mut agreement = Agreement::default();
    let mut accuracy = Accuracy::default();
    let (mut divergence, mut rows) = (0.0, 0usize);
    let mut compared = 0;
    for (k, (given, wanted)) in given.iter().zip(wanted).enumerate() {
        let like = |(name, t): &&(String, Tensor)| {
            wanted.iter().any(|(n, w)| n == name && w.shape() == t.shape() && !t.is_empty())
        };
        let given = &given.iter().filter(like).cloned().collect::<Outputs>();
        if given.is_empty() {
            continue;
        }
        compared += 1;
        let wrong = |e: crate::metrics::Error| Error::Activation {
            tensor: given.first().map(|(n, _)| n.clone()).unwrap_or_default(),
            sample: String::new(),
            why: e.to_string(),
        };
        agreement.add(given, wanted).map_err(wrong)?;
        let targets = samples.targets(from + k);
        if let (Some(given), Some(wanted)) = (scores(given.first()), scores(wanted.first())) {
            for (g, w) in given.rows().zip(wanted.rows()) {
                divergence += kl(w, g, wanted.are_probabilities());
                rows += 1;
            }
            accuracy.see(&given, targets);
        }
    }
    let finite = |x: f64| Some(x).filter(|x| x.is_finite());
    Ok((compared > 0).then(|| Likeness {
        accuracy: accuracy.value(),
        same_answer: (rows > 0).then(|| agreement.same_answer()),
        divergence: (rows > 0).then(|| divergence / rows as f64).and_then(finite),
        cosine: finite(agreement.cosine()).unwrap_or(0.0),
    }))
}

/// What outputs have lost against the original's: of class scores the mean Kullback-Leibler divergence, of others the
/// mean square of the difference relative to their variance; the mean over outputs. An output that has another shape
/// has lost all; infinite where one is not finite.
pub fn loss(given: &[Outputs], wanted: &[Outputs]) -> f64 {
    let names: Vec<&String> = wanted.first().into_iter().flatten().map(|(n, _)| n).collect();
    let of = |name: &String| -> f64 {
        let pick = |o: &Outputs| o.iter().find(|(n, _)| n == name).map(|(_, t)| t.clone());
        let pairs: Vec<(Tensor, Tensor)> =
            given.iter().zip(wanted).filter_map(|(g, w)| Some((pick(g)?, pick(w)?))).collect();
        if pairs.iter().any(|(g, w)| g.shape() != w.shape()) {
            return 1.0;
        }
        let as_scores = |t: &Tensor| Scores::of(t).ok().filter(|s| s.classes() > 1);
        let (mut sum, mut rows) = (0.0, 0usize);
        for (g, w) in &pairs {
            let (Some(g), Some(w)) = (as_scores(g), as_scores(w)) else { return relative(&pairs) };
            let probabilities = w.are_probabilities();
            for (g, w) in g.rows().zip(w.rows()) {
                sum += kl(w, g, probabilities);
                rows += 1;
            }
        }
        sum / rows.max(1) as f64
    };
    let mean = names.iter().map(|n| of(n)).sum::<f64>() / names.len().max(1) as f64;
    if mean.is_finite() { mean } else { f64::INFINITY }
}

/// Σ (z − z₀)² / Σ (z₀ − mean)².
fn relative(pairs: &[(Tensor, Tensor)]) -> f64 {
    let (mut error, mut sum, mut squares, mut n) = (0.0, 0.0, 0.0, 0.0);
    for (g, w) in pairs {
        for (g, w) in g.to_f64_vec().into_iter().zip(w.to_f64_vec()) {
            error += (g - w) * (g - w);
            sum += w;
            squares += w * w;
            n += 1.0;
        }
    }
    error / (squares - sum * sum / f64::max(n, 1.0)).max(f64::MIN_POSITIVE)
}

fn scores(output: Option<&(String, Tensor)>) -> Option<Scores> {
    Scores::of(&output?.1).ok().filter(|s| s.classes() > 1)
}

/// Kullback-Leibler divergence of scores from wanted ones.
fn kl(wanted: &[f64], given: &[f64], probabilities: bool) -> f64 {
    const LEAST: f64 = 1e-12;
    let logs = |row: &[f64]| -> Vec<f64> {
        if probabilities {
            return row.iter().map(|p| p.max(LEAST).ln()).collect();
        }
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
        row.iter().map(|v| v - top - sum.ln()).collect()
    };
    let (p, q) = (logs(wanted), logs(given));
    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_by_hand() {
        let half = [0.0, 0.0];
        let logits = [3f64.ln(), 0.0];
        // Σ p·ln(p/q) with p = (1/2, 1/2) and q = (3/4, 1/4).
        let expected = 0.5 * (0.5f64 / 0.75).ln() + 0.5 * 2f64.ln();
        assert!((kl(&half, &logits, false) - expected).abs() < 1e-12);
        assert!((kl(&[0.5, 0.5], &[0.75, 0.25], true) - expected).abs() < 1e-12);
        let one = |values: Vec<f32>, shape: &[usize]| vec![vec![("y".to_owned(), Tensor::new(shape, values).unwrap())]];
        let found = loss(&one(vec![3f32.ln(), 0.0], &[1, 2]), &one(vec![0.0, 0.0], &[1, 2]));
        assert!((found - expected).abs() < 1e-6);
        // An image: squares 1, 0, 0, 0 against a variance sum of 2.
        let found = loss(&one(vec![2.0, 2.0, 2.0, 2.0], &[1, 1, 2, 2]), &one(vec![1.0, 2.0, 2.0, 3.0], &[1, 1, 2, 2]));
        assert!((found - 1.0).abs() < 1e-6);
    }
}
