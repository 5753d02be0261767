//! What pruning can aim at.
//!
//! A target is a unit struct in a file of its own, with a line in [`targets`]: reports, the command line and planning
//! take it from there.

mod activations;
mod basis;
mod goal;
mod latency;
mod params;
mod ratio;
mod read;
mod size;
mod speedup;

use super::error::Error;
use crate::algebra::Cost;
use crate::analysis::Analysis;
use crate::runtime::latency::Pair;

pub use activations::{ActivationBytes, ActivationShare};
pub use basis::{Basis, Latency};
pub use goal::{Goal, Reached, Targets};
pub use latency::{Milliseconds, TimeFactor};
pub use params::Params;
pub use ratio::Ratio;
pub use read::share;
pub use size::Size;
pub use speedup::Speedup;

/// All targets, in the order in which they are listed to users. Of targets that share an option, the first that reads a
/// value has it.
pub fn targets() -> &'static [&'static dyn Target] {
    &[&Speedup, &Params, &Size, &Ratio, &TimeFactor, &Milliseconds, &ActivationShare, &ActivationBytes]
}

/// How a wanted value is given; targets may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Option on the command line, without dashes.
    pub option: &'static str,
    /// What stands for the value in the help of the option.
    pub value: &'static str,
    /// Help of the option.
    pub help: &'static str,
    /// What to give, where a value cannot be read: `give a factor above 1, as in 2x`.
    pub expects: &'static str,
}

/// A figure of the model that pruning brings to a wanted value. Figures are f64, in the unit that the target names.
pub trait Target: Sync {
    /// Key in reports; no two targets have the same.
    fn key(&self) -> &'static str;

    /// How a wanted value is given.
    fn setting(&self) -> &'static Setting;

    /// Reads a wanted value.
    fn parse(&self, text: &str) -> Option<f64>;

    /// Words a figure: `a speed-up of 2.000x`.
    fn show(&self, figure: f64) -> String;

    /// Words a wanted value, as the last line of a summary has it.
    fn show_wanted(&self, wanted: f64) -> String {
        format!("target: {}", self.show(wanted))
    }

    /// Whether figures are integers.
    fn is_integer(&self) -> bool {
        false
    }

    /// The figure with one channel count per group; NaN where it cannot be told.
    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64;

    /// Whether a figure will do.
    fn holds(&self, figure: f64, wanted: f64) -> bool;

    /// What is left at a figure, on a scale that falls evenly as work, weights or channels go.
    fn left(&self, figure: f64) -> f64;

    /// What the target counts, in a unit of its own: MACs, parameters, bytes, channels, milliseconds.
    fn cost(&self, basis: &Basis, counts: &[usize]) -> f64;

    /// What the target counts, where that is a sum of products of channel counts: then savings are told without
    /// evaluating all of it.
    fn polynomial<'a>(&self, _analysis: &'a Analysis) -> Option<&'a Cost> {
        None
    }

    /// What is saved of [`cost`](Target::cost) when one group goes to another count.
    fn saved(&self, basis: &Basis, counts: &[usize], group: usize, to: usize) -> f64 {
        let mut after = counts.to_vec();
        after[group] = to;
        self.cost(basis, counts) - self.cost(basis, &after)
    }

    /// What of [`cost`](Target::cost) must go, from the whole model on.
    fn needed(&self, basis: &Basis, wanted: f64) -> f64 {
        let start = self.left(self.figure(basis, &basis.full));
        self.cost(basis, &basis.full) * (1.0 - self.left(wanted) / start)
    }

    /// Whether what is saved is quickly told.
    fn is_quick(&self) -> bool {
        false
    }

    /// Whether channels of some groups bring the target nearer than those of others, so that the order must know.
    fn is_selective(&self) -> bool {
        false
    }

    /// Whether a model without MACs cannot reach it.
    fn needs_macs(&self) -> bool {
        false
    }

    /// The share of the channels at which the schedule of steps ends, where this is the only target.
    fn ends_at(&self, _wanted: f64) -> Option<f64> {
        None
    }

    /// For targets that a clock decides.
    fn timed(&self) -> Option<&dyn Timed> {
        None
    }
}

/// A target that a clock decides: plans are run beside the original before they count.
pub trait Timed {
    /// A wanted value so many times harder.
    fn scaled(&self, wanted: f64, factor: f64) -> f64;

    /// The figure as measured: the original is a, the pruned model b.
    fn measured(&self, pair: &Pair) -> f64;

    /// How much faster the pruned model is than it need be: 1 is just fast enough.
    fn spare(&self, wanted: f64, pair: &Pair) -> f64;

    /// Whether a measurement confirms that the wanted value was reached, within its noise.
    fn confirms(&self, wanted: f64, pair: &Pair) -> bool;
}

/// The target with that key in reports.
pub fn find(key: &str) -> Option<&'static dyn Target> {
    targets().iter().copied().find(|t| t.key() == key)
}

/// Settings, each once, in the order of their targets.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    let all = targets();
    all.iter()
        .enumerate()
        .filter(|(i, t)| all[..*i].iter().all(|u| u.setting() != t.setting()))
        .map(|(_, t)| t.setting())
}

/// Reads the value of a target's option: `parse("latency", "5ms")`.
///
/// # Errors
/// [`Error::Target`] where no target with that option takes the value.
pub fn parse(option: &str, text: &str) -> Result<Goal, Error> {
    let mut own = targets().iter().copied().filter(|t| t.setting().option == option).peekable();
    let why = own.peek().map_or("there is no such target", |t| t.setting().expects);
    own.find_map(|t| Some(Goal::new(t, t.parse(text)?)))
        .ok_or_else(|| Error::Target { target: format!("'{text}'"), why: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(option: &str, text: &str) -> Option<(&'static str, f64)> {
        parse(option, text).ok().map(|g| (g.target.key(), g.wanted))
    }

    #[test]
    fn values_are_read() {
        for (option, text, key, wanted) in [
            ("speedup", "2x", "speedup", 2.0),
            ("speedup", "2X", "speedup", 2.0),
            ("speedup", "1.5", "speedup", 1.5),
            ("params", "50%", "params", 0.5),
            ("size", "1.5kB", "size", 1500.0),
            ("size", "2MiB", "size", 2097152.0),
            ("ratio", "0.25", "ratio", 0.25),
            ("latency", "2x", "latency", 2.0),
            ("latency", "5ms", "milliseconds", 5.0),
            ("latency", "5MS", "milliseconds", 5.0),
            ("latency", "0.25s", "milliseconds", 250.0),
            ("activation-memory", "50%", "activation-share", 0.5),
            ("activation-memory", "0.5", "activation-share", 0.5),
            ("activation-memory", "3MB", "activations", 3e6),
        ] {
            assert_eq!(value(option, text), Some((key, wanted)), "--{option} {text}");
        }
        for text in ["1mb", "1MB", "1Mb", "1 mB", "1m", "1000KB", "1000k", "1000000", "1000000 bytes"] {
            assert_eq!(value("size", text), Some(("size", 1e6)), "{text}");
        }
    }

    #[test]
    fn other_values_are_refused() {
        let bad = [
            ("size", &["mb", "1 mbit", "1tbb", "-1mb", "0kb", "nanmb"][..]),
            ("speedup", &["1x", "0", "-2", "nan", "x", "", "inf"]),
            ("latency", &["1x", "0", "-2", "nan", "x", "", "inf", "0ms", "-1ms"]),
            ("params", &["1.5", "0%", "100%", "%"]),
            ("ratio", &["1.5", "0%", "100%", "%"]),
            ("no-such-target", &["2x"]),
        ];
        for (option, texts) in bad {
            for text in texts {
                assert!(parse(option, text).is_err(), "--{option} {text}");
            }
        }
        let error = parse("speedup", "1x").unwrap_err().to_string();
        assert_eq!(error, "target '1x': give a factor above 1, as in 2x");
    }

    #[test]
    fn keys_are_unique_and_options_agree() {
        for (i, t) in targets().iter().enumerate() {
            assert!(targets()[..i].iter().all(|u| u.key() != t.key()), "{}", t.key());
        }
        let mut names: Vec<&str> = settings().map(|s| s.option).collect();
        assert_eq!(names, ["speedup", "params", "size", "ratio", "latency", "activation-memory"]);
        // One option is one setting.
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), settings().count());
    }
}
