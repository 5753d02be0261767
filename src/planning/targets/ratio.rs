//! The ratio target.

use super::{Basis, Setting, Target, share};

/// The share of the prunable channels that goes.
pub struct Ratio;

impl Target for Ratio {
    fn key(&self) -> &'static str {
        "ratio"
    }

    fn setting(&self) -> &'static Setting {
        &Setting {
            option: "ratio",
            value: "SHARE",
            help: "At least this share of the prunable channels goes, as in 50% or 0.5",
            expects: "give a share between 0 and 1, as in 0.5 or 50%",
        }
    }

    fn parse(&self, text: &str) -> Option<f64> {
        share(text)
    }

    fn show(&self, figure: f64) -> String {
        format!("{:.2} % of the channels removed", figure * 100.0)
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        let gone: usize = basis.full.iter().zip(counts).map(|(n, k)| n - k).sum();
        gone as f64 / basis.channels as f64
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure >= wanted - 1e-12
    }

    fn left(&self, figure: f64) -> f64 {
        1.0 - figure
    }

    fn cost(&self, _: &Basis, counts: &[usize]) -> f64 {
        counts.iter().sum::<usize>() as f64
    }

    fn saved(&self, _: &Basis, counts: &[usize], group: usize, to: usize) -> f64 {
        counts[group].saturating_sub(to) as f64
    }

    fn needed(&self, basis: &Basis, wanted: f64) -> f64 {
        basis.channels as f64 * wanted
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn ends_at(&self, wanted: f64) -> Option<f64> {
        Some(wanted)
    }
}
