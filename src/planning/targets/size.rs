//! The size target.

use super::read::bytes;
use super::{Basis, Setting, Target};

/// Bytes of the file, with its external data.
pub struct Size;

impl Target for Size {
    fn key(&self) -> &'static str {
        "size"
    }

    fn setting(&self) -> &'static Setting {
        &Setting {
            option: "size",
            value: "SIZE",
            help: "The file takes at most this, as in 10MB or 1.5GiB",
            expects: "give a size, as in 10MB",
        }
    }

    fn parse(&self, text: &str) -> Option<f64> {
        bytes(text)
    }

    fn show(&self, figure: f64) -> String {
        format!("{:.3} MB", figure / 1e6)
    }

    fn is_integer(&self) -> bool {
        true
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        (basis.analysis.costs.weight_bytes(counts) + basis.fixed_bytes).floor().max(0.0)
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure <= wanted
    }

    fn left(&self, figure: f64) -> f64 {
        figure
    }

    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64 {
        basis.analysis.costs.weight_bytes(counts)
    }
}
