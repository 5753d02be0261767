//! How far a candidate is from its target.

use super::eligible::Limit;
use super::target::{Measured, Target};
use crate::algebra::Cost;
use crate::analysis::Analysis;

/// Predicts how long a model with some channel counts runs.
pub trait Latency: Sync {
    /// Milliseconds of a run with one channel count per group.
    fn milliseconds(&self, counts: &[usize]) -> f64;
}

/// Weighs candidates, in the unit of a target.
pub struct Gauge<'a> {
    a: &'a Analysis,
    target: Target,
    /// Bytes that the file takes beside weights.
    fixed_bytes: f64,
    latency: Option<&'a dyn Latency>,
    full: Vec<usize>,
    /// Channels that a ratio is a share of.
    channels: usize,
    /// For each group, the products of the target's polynomial that it is a factor of; empty for other targets.
    products: Vec<Vec<usize>>,
}

impl<'a> Gauge<'a> {
    /// A gauge for a target. Latency is only known with something that predicts it.
    pub fn new(a: &'a Analysis, target: Target, fixed_bytes: f64, latency: Option<&'a dyn Latency>) -> Self {
        let full = a.full_counts();
        let channels = full.iter().sum();
        let mut gauge = Gauge { a, target, fixed_bytes, latency, full, channels, products: Vec::new() };
        if let Some(cost) = gauge.polynomial() {
            let mut products = vec![Vec::new(); gauge.full.len()];
            (0..cost.len()).for_each(|i| cost.atoms_of(i).into_iter().for_each(|g| products[g].push(i)));
            gauge.products = products;
        }
        gauge
    }

    /// The same, with ratios as shares of what may shrink.
    pub fn of(self, channels: usize) -> Self {
        Gauge { channels, ..self }
    }

    /// The figure of a candidate.
    pub fn measure(&self, counts: &[usize]) -> Measured {
        let (costs, full) = (&self.a.costs, &self.full);
        let time = |counts: &[usize]| self.latency.map_or(f64::NAN, |l| l.milliseconds(counts));
        Measured(match self.target {
            Target::Speedup(_) => Target::Speedup(costs.macs.eval(full) / costs.macs.eval(counts)),
            Target::Params(_) => Target::Params(costs.params(counts) / costs.params(full)),
            Target::Size(_) => Target::Size((costs.weight_bytes(counts) + self.fixed_bytes) as u64),
            Target::Ratio(_) => {
                let gone: usize = full.iter().zip(counts).map(|(n, k)| n - k).sum();
                Target::Ratio(gone as f64 / self.channels as f64)
            }
            Target::Latency(_) => Target::Latency(time(full) / time(counts)),
            Target::Milliseconds(_) => Target::Milliseconds(time(counts)),
            Target::Activations(_) => Target::Activations(costs.activations.peak(counts).ceil() as u64),
            Target::ActivationShare(_) => {
                Target::ActivationShare(costs.activations.peak(counts) / costs.activations.peak(full))
            }
        })
    }

    /// Whether a candidate reaches the target.
    pub fn reached(&self, counts: &[usize]) -> bool {
        match (self.measure(counts).0, self.target) {
            (Target::Speedup(m), Target::Speedup(t)) | (Target::Latency(m), Target::Latency(t)) => m >= t,
            (Target::Params(m), Target::Params(t))
            | (Target::Milliseconds(m), Target::Milliseconds(t))
            | (Target::ActivationShare(m), Target::ActivationShare(t)) => m <= t,
            (Target::Size(m), Target::Size(t)) | (Target::Activations(m), Target::Activations(t)) => m <= t,
            (Target::Ratio(m), Target::Ratio(t)) => m >= t - 1e-12,
            _ => false,
        }
    }

    /// What the target counts, where that is a sum of products of channel counts.
    fn polynomial(&self) -> Option<&'a Cost> {
        match self.target {
            Target::Speedup(_) => Some(&self.a.costs.macs),
            _ => None,
        }
    }

    /// What is saved of what the target counts when one group goes to another count.
    pub fn saved(&self, counts: &[usize], group: usize, to: usize) -> f64 {
        let mut after = counts.to_vec();
        after[group] = to;
        if let Some(cost) = self.polynomial() {
            let products = &self.products[group];
            return products.iter().map(|i| cost.eval_product(*i, counts) - cost.eval_product(*i, &after)).sum();
        }
        let stored = |counts: &[usize]| match self.target {
            Target::Params(_) => self.a.costs.params(counts),
            _ => self.a.costs.weight_bytes(counts),
        };
        match (self.target, self.latency) {
            (Target::Params(_) | Target::Size(_), _) => stored(counts) - stored(&after),
            (Target::Ratio(_), _) => counts[group].saturating_sub(to) as f64,
            (Target::Latency(_) | Target::Milliseconds(_), Some(l)) => l.milliseconds(counts) - l.milliseconds(&after),
            _ => self.a.costs.activations.soft_peak(counts) - self.a.costs.activations.soft_peak(&after),
        }
    }

    /// Whether what is saved is quickly told.
    pub fn is_quick(&self) -> bool {
        self.polynomial().is_some() || matches!(self.target, Target::Ratio(_))
    }

    /// The share of the way to the target that a candidate has gone, 0 to 1.
    pub fn way(&self, counts: &[usize]) -> f64 {
        let line = |figure: Target| match figure {
            Target::Speedup(x) | Target::Latency(x) => 1.0 / x,
            Target::Params(x) | Target::Milliseconds(x) | Target::ActivationShare(x) => x,
            Target::Size(n) | Target::Activations(n) => n as f64,
            Target::Ratio(x) => 1.0 - x,
        };
        let [start, now] = [&self.full[..], counts].map(|counts| line(self.measure(counts).0));
        let share = (start - now) / (start - line(self.target));
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Whether channels of some groups bring the target nearer than those of others, so that the order must know.
    pub fn is_selective(&self) -> bool {
        self.is_of_memory() || matches!(self.target, Target::Latency(_) | Target::Milliseconds(_))
    }

    /// Whether only what is alive at the peak counts.
    fn is_of_memory(&self) -> bool {
        matches!(self.target, Target::Activations(_) | Target::ActivationShare(_))
    }

    /// What each group would bring if it alone shrank to its least, relative to the mean over groups that may shrink.
    pub fn gains(&self, counts: &[usize], limits: &[Limit]) -> Vec<f64> {
        if !self.is_selective() {
            return vec![1.0; counts.len()];
        }
        let cost = |counts: &[usize]| match self.latency {
            Some(l) if !self.is_of_memory() => l.milliseconds(counts),
            _ => self.a.costs.activations.soft_peak(counts),
        };
        let now = cost(counts);
        let mut candidate = counts.to_vec();
        let mut gain = |g: usize| {
            if counts[g] <= limits[g].least {
                return 0.0;
            }
            candidate[g] = limits[g].least;
            let gain = now - cost(&candidate);
            candidate[g] = counts[g];
            gain.max(0.0)
        };
        let gains: Vec<f64> = (0..counts.len()).map(&mut gain).collect();
        let positive: Vec<f64> = gains.iter().copied().filter(|g| *g > 0.0).collect();
        let mean = positive.iter().sum::<f64>() / positive.len().max(1) as f64;
        gains.iter().map(|g| if mean > 0.0 { g / mean } else { 1.0 }).collect()
    }
}
