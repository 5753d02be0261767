//! The latency target, as a factor or as a time.

use super::read::{factor, number};
use super::{Basis, Setting, Target, Timed};
use crate::runtime::latency::Pair;

/// A measured ratio this far below the target still confirms it, if the interval around it reaches the target.
const DOUBT: f64 = 0.98;

const SETTING: Setting = Setting {
    option: "latency",
    value: "TIME|FACTOR",
    help: "A run takes at most this, as in 5ms, or is so many times faster, as in 2x: measured",
    expects: "give a factor above 1 or a time, as in 2x or 5ms",
};

/// Time of the original / time of the pruned model.
pub struct TimeFactor;

/// Milliseconds of a run.
pub struct Milliseconds;

/// Milliseconds as predicted; memory stands in for them where nothing predicts any.
fn cost(basis: &Basis, counts: &[usize]) -> f64 {
    match basis.latency {
        Some(l) => l.milliseconds(counts),
        None => basis.analysis.costs.activations.soft_peak(counts),
    }
}

fn predicted(basis: &Basis, counts: &[usize]) -> f64 {
    basis.latency.map_or(f64::NAN, |l| l.milliseconds(counts))
}

impl Target for TimeFactor {
    fn key(&self) -> &'static str {
        "latency"
    }

    fn setting(&self) -> &'static Setting {
        &SETTING
    }

    fn parse(&self, text: &str) -> Option<f64> {
        factor(text)
    }

    fn show(&self, figure: f64) -> String {
        format!("{figure:.2}x less time")
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        predicted(basis, &basis.full) / predicted(basis, counts)
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure >= wanted
    }

    fn left(&self, figure: f64) -> f64 {
        1.0 / figure
    }

    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64 {
        cost(basis, counts)
    }

    fn is_selective(&self) -> bool {
        true
    }

    fn timed(&self) -> Option<&dyn Timed> {
        Some(self)
    }
}

impl Timed for TimeFactor {
    fn scaled(&self, wanted: f64, factor: f64) -> f64 {
        (wanted * factor).max(1.0)
    }

    fn measured(&self, pair: &Pair) -> f64 {
        pair.ratio
    }

    fn spare(&self, wanted: f64, pair: &Pair) -> f64 {
        pair.ratio / wanted
    }

    fn confirms(&self, wanted: f64, pair: &Pair) -> bool {
        pair.ratio >= wanted || pair.ratio >= DOUBT * wanted && pair.ratio_range.1 >= wanted
    }
}

impl Target for Milliseconds {
    fn key(&self) -> &'static str {
        "milliseconds"
    }

    fn setting(&self) -> &'static Setting {
        &SETTING
    }

    fn parse(&self, text: &str) -> Option<f64> {
        let units = [("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("s", 1e3)];
        let lower = text.to_lowercase();
        let (digits, ms) = units.iter().find_map(|(unit, ms)| Some((lower.strip_suffix(unit)?, *ms)))?;
        number(digits, &[], 0.0, 1e9).map(|n| n * ms)
    }

    fn show(&self, figure: f64) -> String {
        format!("{figure:.3} ms")
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        predicted(basis, counts)
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure <= wanted
    }

    fn left(&self, figure: f64) -> f64 {
        figure
    }

    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64 {
        cost(basis, counts)
    }

    fn is_selective(&self) -> bool {
        true
    }

    fn timed(&self) -> Option<&dyn Timed> {
        Some(self)
    }
}

impl Timed for Milliseconds {
    fn scaled(&self, wanted: f64, factor: f64) -> f64 {
        wanted / factor
    }

    fn measured(&self, pair: &Pair) -> f64 {
        pair.b.median
    }

    fn spare(&self, wanted: f64, pair: &Pair) -> f64 {
        wanted / pair.b.median.max(f64::MIN_POSITIVE)
    }

    fn confirms(&self, wanted: f64, pair: &Pair) -> bool {
        let b = &pair.b;
        b.median <= wanted || b.median * DOUBT <= wanted && b.median - b.mad <= wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harder_is_faster() {
        assert_eq!((Milliseconds.scaled(5.0, 2.0), TimeFactor.scaled(1.2, 0.5)), (2.5, 1.0));
    }
}
