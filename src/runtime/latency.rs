//! How long a run takes, with its spread, and how two models compare on a machine that others use too.

use super::{Result, Session, Tensor};
use std::time::{Duration, Instant};

/// How to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyOptions {
    /// Runs before the clock counts; at least one is made, since a runtime may prepare itself on the first.
    pub warmup: usize,
    /// Timed runs.
    pub runs: usize,
    /// Wall time after which no run is started any more, warm-up included, except for the first `least`.
    pub budget: Duration,
    /// Timed runs that are made in any case.
    pub least: usize,
}

impl Default for LatencyOptions {
    fn default() -> Self {
        Self { warmup: 3, runs: 50, budget: Duration::from_secs(20), least: LEAST_RUNS }
    }
}

/// Timed runs that are made even when the budget is spent.
pub const LEAST_RUNS: usize = 3;

// Fewer runs say nothing about their spread.
const ENOUGH_RUNS: usize = 7;
// Limits of trust, as parts of the median: typical deviation of a run, and shift between the halves of a series.
const LARGEST_SPREAD: f64 = 0.10;
const LARGEST_DRIFT: f64 = 0.10;

/// Wall times of single runs, in milliseconds.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Latency {
    /// Every timed run, in the order made.
    pub runs: Vec<f64>,
    /// Middle value.
    pub median: f64,
    /// Fastest run.
    pub min: f64,
    /// Value that 5 % of the runs stay below.
    pub p05: f64,
    /// Value that 95 % of the runs stay below.
    pub p95: f64,
    /// Slowest run.
    pub max: f64,
    /// Median absolute deviation from the median; 1.48 times it estimates a standard deviation.
    pub mad: f64,
}

impl Latency {
    /// Summary of `runs` (milliseconds, in the order made); all zero without runs.
    pub fn of(runs: Vec<f64>) -> Self {
        let sorted = sorted(&runs);
        let median = quantile(&sorted, 0.5);
        let mad = quantile(&self::sorted(&runs.iter().map(|x| (x - median).abs()).collect::<Vec<_>>()), 0.5);
        let at = |q| quantile(&sorted, q);
        Self { median, min: at(0.0), p05: at(0.05), p95: at(0.95), max: at(1.0), mad, runs }
    }

    /// Estimated standard deviation of a run as a part of the median (0.02 is 2 %), robust to single slow runs.
    pub fn spread(&self) -> f64 {
        if self.median > 0.0 { 1.4826 * self.mad / self.median } else { 0.0 }
    }

    /// Why the numbers should not be relied on, and what to do.
    pub fn doubt(&self) -> Option<String> {
        if self.runs.len() < ENOUGH_RUNS {
            return Some(format!("only {} runs were timed; allow more time", self.runs.len()));
        }
        if self.spread() > LARGEST_SPREAD {
            let percent = 100.0 * self.spread();
            return Some(format!("runs vary by {percent:.0} %; close other programs or make more runs"));
        }
        let (first, second) = self.runs.split_at(self.runs.len() / 2);
        let drift = quantile(&sorted(second), 0.5) / quantile(&sorted(first), 0.5) - 1.0;
        if drift.abs() > LARGEST_DRIFT {
            let percent = 100.0 * drift;
            return Some(format!("runs drift by {percent:+.0} % over the series; the machine's speed changed"));
        }
        None
    }

    /// Whether there is no [`Latency::doubt`].
    pub fn trustworthy(&self) -> bool {
        self.doubt().is_none()
    }
}

/// Two models measured in turn, so that a change in the machine's speed hits both.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pair {
    /// The first model.
    pub a: Latency,
    /// The second model.
    pub b: Latency,
    /// Median over the rounds of `a`'s time divided by `b`'s: above 1, `b` is that many times faster.
    pub ratio: f64,
    /// Ends of a 95 % confidence interval of [`Pair::ratio`] (order statistics, no assumption on the distribution).
    pub ratio_range: (f64, f64),
}

impl Pair {
    /// Summary of rounds that timed `a` and `b` each once (milliseconds).
    fn of(a: Vec<f64>, b: Vec<f64>) -> Self {
        let ratios = sorted(&a.iter().zip(&b).map(|(a, b)| a / b).collect::<Vec<_>>());
        // The rank of the median among n values deviates by about half the square root of n.
        let n = ratios.len() as f64;
        let reach = if n > 0.0 { 0.98 / n.sqrt() } else { 0.0 };
        let ratio_range = (quantile(&ratios, 0.5 - reach), quantile(&ratios, 0.5 + reach));
        Self { ratio: quantile(&ratios, 0.5), ratio_range, a: Latency::of(a), b: Latency::of(b) }
    }

    /// Whether the interval lies wholly on one side of 1: one model is faster beyond the noise.
    pub fn is_difference(&self) -> bool {
        self.ratio_range.0 > 1.0 || self.ratio_range.1 < 1.0
    }

    /// Why the ratio should not be relied on. Noise and drift that hit both models alike are no reason.
    pub fn doubt(&self) -> Option<String> {
        if self.a.runs.len() < ENOUGH_RUNS {
            return Some(format!("only {} rounds were timed; allow more time", self.a.runs.len()));
        }
        let (low, high) = self.ratio_range;
        (high - low > LARGEST_SPREAD * self.ratio).then(|| {
            format!("the ratio is only known to lie in {low:.2}..{high:.2}; close other programs or make more runs")
        })
    }

    /// Whether there is no [`Pair::doubt`].
    pub fn trustworthy(&self) -> bool {
        self.doubt().is_none()
    }
}

/// Times runs of `session` on `inputs`.
///
/// # Errors
/// That of the first run that fails.
pub fn measure(session: &mut dyn Session, inputs: &[(String, Tensor)], options: &LatencyOptions) -> Result<Latency> {
    let start = Instant::now();
    warm_up(session, inputs, options, start)?;
    let mut runs = Vec::new();
    while goes_on(runs.len(), options, start) {
        runs.push(time(session, inputs)?);
    }
    Ok(Latency::of(runs))
}

/// Times runs of two sessions in turn, the order within a round changing every round. The budget is for both.
///
/// # Errors
/// That of the first run that fails.
pub fn measure_pair(
    (a, a_inputs): (&mut dyn Session, &[(String, Tensor)]),
    (b, b_inputs): (&mut dyn Session, &[(String, Tensor)]),
    options: &LatencyOptions,
) -> Result<Pair> {
    let start = Instant::now();
    warm_up(a, a_inputs, options, start)?;
    warm_up(b, b_inputs, options, start)?;
    let (mut a_runs, mut b_runs) = (Vec::new(), Vec::new());
    while goes_on(a_runs.len(), options, start) {
        // What runs second finds warm or spoilt caches: each model is second as often as the other.
        if a_runs.len() % 2 == 0 {
            a_runs.push(time(a, a_inputs)?);
            b_runs.push(time(b, b_inputs)?);
        } else {
            b_runs.push(time(b, b_inputs)?);
            a_runs.push(time(a, a_inputs)?);
        }
    }
    Ok(Pair::of(a_runs, b_runs))
}

fn goes_on(done: usize, options: &LatencyOptions, start: Instant) -> bool {
    done < options.least.max(1) || (done < options.runs && start.elapsed() < options.budget)
}

fn warm_up(
    session: &mut dyn Session,
    inputs: &[(String, Tensor)],
    options: &LatencyOptions,
    start: Instant,
) -> Result<()> {
    let mut done = 0;
    // A fifth of the time is enough to get warm.
    while done == 0 || (done < options.warmup && start.elapsed() < options.budget / 5) {
        session.run(inputs)?;
        done += 1;
    }
    Ok(())
}

fn time(session: &mut dyn Session, inputs: &[(String, Tensor)]) -> Result<f64> {
    let start = Instant::now();
    let outputs = session.run(inputs)?;
    let elapsed = start.elapsed();
    // Freed after the clock is read.
    drop(outputs);
    Ok(elapsed.as_secs_f64() * 1e3)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// Linear interpolation between the two nearest ranks; 0 for no values.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let rank = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (rank - rank.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_of_known_values() {
        let latency = Latency::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!((latency.median, latency.min, latency.max, latency.mad), (3.0, 1.0, 5.0, 1.0));
        assert_eq!(latency.runs[0], 5.0);
        assert_eq!(Latency::of(Vec::new()).median, 0.0);
    }

    #[test]
    fn doubts_are_told() {
        let steady = Latency::of((0..20).map(|i| 10.0 + 0.1 * f64::from(i % 3)).collect());
        assert!(steady.trustworthy(), "{:?}", steady.doubt());
        assert!(!Latency::of(vec![1.0; 3]).trustworthy());
        let noisy = Latency::of((0..20).map(|i| f64::from(1 + i % 5)).collect());
        assert!(noisy.doubt().unwrap().contains("vary"));
        let drifting = Latency::of((0..20).map(|i| if i < 10 { 10.0 } else { 11.3 }).collect());
        assert!(drifting.doubt().unwrap().contains("drift"));
    }

    #[test]
    fn a_common_slowdown_leaves_the_ratio_alone() {
        let speed: Vec<f64> = (0..30).map(|i| if i < 15 { 1.0 } else { 3.0 }).collect();
        let pair = Pair::of(speed.iter().map(|s| 8.0 * s).collect(), speed.iter().map(|s| 4.0 * s).collect());
        assert!((pair.ratio - 2.0).abs() < 1e-12 && pair.trustworthy() && pair.is_difference());
        assert!(!pair.a.trustworthy());
        let same = Pair::of(vec![1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.0], vec![1.0; 8]);
        assert!(!same.is_difference());
    }
}
