//! The speedup target.

use super::read::factor;
use super::{Basis, Setting, Target};
use crate::algebra::Cost;
use crate::analysis::Analysis;

/// MACs of the original / MACs of the pruned model.
pub struct Speedup;

impl Target for Speedup {
    fn key(&self) -> &'static str {
        "speedup"
    }

    fn setting(&self) -> &'static Setting {
        &Setting {
            option: "speedup",
            value: "FACTOR",
            help: "MACs before / MACs after is at least this",
            expects: "give a factor above 1, as in 2x",
        }
    }

    fn parse(&self, text: &str) -> Option<f64> {
        factor(text)
    }

    fn show(&self, figure: f64) -> String {
        format!("a speed-up of {figure:.3}x")
    }

    fn show_wanted(&self, wanted: f64) -> String {
        format!("target {wanted}x")
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        let macs = &basis.analysis.costs.macs;
        macs.eval(&basis.full) / macs.eval(counts)
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure >= wanted
    }

    fn left(&self, figure: f64) -> f64 {
        1.0 / figure
    }

    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64 {
        basis.analysis.costs.macs.eval(counts)
    }

    fn polynomial<'a>(&self, analysis: &'a Analysis) -> Option<&'a Cost> {
        Some(&analysis.costs.macs)
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn needs_macs(&self) -> bool {
        true
    }
}
