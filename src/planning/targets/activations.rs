//! The target of activation memory, as a share or in bytes.

use super::read::bytes;
use super::{Basis, Setting, Target, share};

const SETTING: Setting = Setting {
    option: "activation-memory",
    value: "SIZE|SHARE",
    help: "Live activations take at most this, as in 10MB or 50%",
    expects: "give a share or a size, as in 50% or 10MB",
};

/// The share of the original's live activations, at the peak.
pub struct ActivationShare;

/// Bytes of live activations at the peak.
pub struct ActivationBytes;

fn peak(basis: &Basis, counts: &[usize]) -> f64 {
    basis.analysis.costs.activations.peak(counts)
}

/// The peak itself hardly tells what brings it down.
fn soft_peak(basis: &Basis, counts: &[usize]) -> f64 {
    basis.analysis.costs.activations.soft_peak(counts)
}

impl Target for ActivationShare {
    fn key(&self) -> &'static str {
        "activation-share"
    }

    fn setting(&self) -> &'static Setting {
        &SETTING
    }

    fn parse(&self, text: &str) -> Option<f64> {
        share(text)
    }

    fn show(&self, figure: f64) -> String {
        format!("{:.2} % of the activations' memory", figure * 100.0)
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        peak(basis, counts) / peak(basis, &basis.full)
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure <= wanted
    }

    fn left(&self, figure: f64) -> f64 {
        figure
    }

    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64 {
        soft_peak(basis, counts)
    }

    fn is_selective(&self) -> bool {
        true
    }
}

impl Target for ActivationBytes {
    fn key(&self) -> &'static str {
        "activations"
    }

    fn setting(&self) -> &'static Setting {
        &SETTING
    }

    fn parse(&self, text: &str) -> Option<f64> {
        bytes(text)
    }

    fn show(&self, figure: f64) -> String {
        format!("{:.3} MB of activations", figure / 1e6)
    }

    fn is_integer(&self) -> bool {
        true
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        peak(basis, counts).ceil()
    }

    fn holds(&self, figure: f64, wanted: f64) -> bool {
        figure <= wanted
    }

    fn left(&self, figure: f64) -> f64 {
        figure
    }

    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64 {
        soft_peak(basis, counts)
    }

    fn is_selective(&self) -> bool {
        true
    }
}
