//! The params target.

use super::{Basis, Setting, Target, share};

/// The share of the parameters that stays.
pub struct Params;

impl Target for Params {
    fn key(&self) -> &'static str {
        "params"
    }

    fn setting(&self) -> &'static Setting {
        &Setting {
            option: "params",
            value: "SHARE",
            help: "At most this share of the parameters stays, as in 50% or 0.5",
            expects: "give a share between 0 and 1, as in 50% or 0.5",
        }
    }

    fn parse(&self, text: &str) -> Option<f64> {
        share(text)
    }

    fn show(&self, figure: f64) -> String {
        format!("{:.2} % of the parameters", figure * 100.0)
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        self.cost(basis, counts) / self.cost(basis, &basis.full)
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure <= wanted
    }

    fn left(&self, figure: f64) -> f64 {
        figure
    }

    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64 {
        basis.analysis.costs.params(counts)
    }
}
