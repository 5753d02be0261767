//! What pruning aims at, and how far a candidate is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// The aim of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Base MACs / pruned MACs is at least this.
    Speedup(f64),
    /// At most this share of the parameters is left.
    Params(f64),
    /// The file takes at most this many bytes.
    Size(u64),
    /// At least this share of all prunable channels is removed.
    Ratio(f64),
    /// Base latency / pruned latency is at least this.
    Latency(f64),
    /// A run takes at most this many milliseconds.
    Milliseconds(f64),
    /// Live activations take at most this many bytes.
    Activations(u64),
    /// Live activations take at most this share of what they took.
    ActivationShare(f64),
}

/// What the result must keep of what the model knew: the smallest model that does is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// At least this share of the answers, or this cosine of outputs that are no answers, is the original's.
    Agreement(f64),
    /// At most this share of right answers is lost.
    Drop(f64),
}

impl Keep {
    /// `0.9` or `90%`: the agreement that stays.
    ///
    /// # Errors
    /// [`Error::Target`] for anything else, likewise below.
    pub fn agreement(text: &str) -> Result<Self, Error> {
        share(text).map(Keep::Agreement).ok_or_else(|| wrong(text, "give a share between 0 and 1, as in 0.9 or 90%"))
    }

    /// `1%` or `0.01`: the accuracy that may go.
    pub fn drop(text: &str) -> Result<Self, Error> {
        share(text).map(Keep::Drop).ok_or_else(|| wrong(text, "give a share between 0 and 1, as in 1% or 0.01"))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::Agreement(x) => write!(f, "an agreement of at least {:.1} %", x * 100.0),
            Keep::Drop(x) => write!(f, "at most {:.1} points of accuracy lost", x * 100.0),
        }
    }
}

/// A figure of a candidate in the unit of its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured(pub Target);

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Target::Speedup(s) => write!(f, "a speed-up of {s:.3}x"),
            Target::Params(p) => write!(f, "{:.2} % of the parameters", p * 100.0),
            Target::Size(b) => write!(f, "{:.3} MB", b as f64 / 1e6),
            Target::Ratio(r) => write!(f, "{:.2} % of the channels removed", r * 100.0),
            Target::Latency(x) => write!(f, "{x:.2}x less time"),
            Target::Milliseconds(ms) => write!(f, "{ms:.3} ms"),
            Target::Activations(b) => write!(f, "{:.3} MB of activations", b as f64 / 1e6),
            Target::ActivationShare(s) => write!(f, "{:.2} % of the activations' memory", s * 100.0),
        }
    }
}

/// Parses a number that must lie in an open range.
fn number(text: &str, suffix: &[&str], low: f64, high: f64) -> Option<f64> {
    let digits = suffix.iter().find_map(|s| text.strip_suffix(s)).unwrap_or(text).trim();
    f64::from_str(digits).ok().filter(|x| x.is_finite() && *x > low && *x < high)
}

impl Target {
    /// `2x`, `1.5`: a factor above 1.
    ///
    /// # Errors
    /// [`Error::Target`] for anything else; likewise in the other parsers.
    pub fn speedup(text: &str) -> Result<Self, Error> {
        number(text, &["x", "X"], 1.0, 1e9)
            .map(Target::Speedup)
            .ok_or_else(|| wrong(text, "give a factor above 1, as in 2x"))
    }

    /// `50%` or `0.5`: the share that stays.
    pub fn params(text: &str) -> Result<Self, Error> {
        share(text).map(Target::Params).ok_or_else(|| wrong(text, "give a share between 0 and 1, as in 50% or 0.5"))
    }

    /// `10MB`, `500kB`, `1.5GiB`, `123456`: bytes.
    pub fn size(text: &str) -> Result<Self, Error> {
        bytes(text).map(Target::Size).ok_or_else(|| wrong(text, "give a size, as in 10MB"))
    }

    /// `2x` or `1.5`: a factor above 1; `5ms`, `800us`, `0.2s`: a time.
    pub fn latency(text: &str) -> Result<Self, Error> {
        let times = [("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("s", 1e3)];
        let lower = text.to_lowercase();
        let time = times.iter().find_map(|(unit, ms)| Some((lower.strip_suffix(unit)?, *ms)));
        match time {
            Some((digits, ms)) => number(digits, &[], 0.0, 1e9).map(|n| Target::Milliseconds(n * ms)),
            None => number(text, &["x", "X"], 1.0, 1e9).map(Target::Latency),
        }
        .ok_or_else(|| wrong(text, "give a factor above 1 or a time, as in 2x or 5ms"))
    }

    /// `50%` or `0.5`: the share that stays; anything else is bytes, as in `10MB`.
    pub fn activations(text: &str) -> Result<Self, Error> {
        let target = share(text).map(Target::ActivationShare).or_else(|| bytes(text).map(Target::Activations));
        target.ok_or_else(|| wrong(text, "give a share or a size, as in 50% or 10MB"))
    }

    /// `0.5` or `50%`: the share of channels that goes.
    pub fn ratio(text: &str) -> Result<Self, Error> {
        share(text).map(Target::Ratio).ok_or_else(|| wrong(text, "give a share between 0 and 1, as in 0.5 or 50%"))
    }
}

/// A number of bytes, with or without a unit, in any case.
fn bytes(text: &str) -> Option<u64> {
    let units: [(&str, f64); 13] = [
        ("gib", 1073741824.0),
        ("mib", 1048576.0),
        ("kib", 1024.0),
        ("gb", 1e9),
        ("mb", 1e6),
        ("kb", 1e3),
        ("bytes", 1.0),
        ("byte", 1.0),
        ("b", 1.0),
        ("g", 1e9),
        ("m", 1e6),
        ("k", 1e3),
        ("", 1.0),
    ];
    let text = text.trim().to_ascii_lowercase();
    let (digits, unit) = units.iter().find_map(|(u, n)| Some((text.strip_suffix(u)?, *n)))?;
    number(digits, &[], 0.0, 1e15).map(|n| (n * unit) as u64)
}

/// `50%` or `0.5` as a number between 0 and 1.
pub(crate) fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(p) => number(p, &[], 0.0, 100.0).map(|x| x / 100.0),
        None => number(text, &[], 0.0, 1.0),
    }
}

fn wrong(target: &str, why: &str) -> Error {
    Error::Target { target: format!("'{target}'"), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_parse() {
        assert_eq!(Target::speedup("2x").unwrap(), Target::Speedup(2.0));
        assert_eq!(Target::speedup("1.5").unwrap(), Target::Speedup(1.5));
        assert_eq!(Target::params("50%").unwrap(), Target::Params(0.5));
        assert_eq!(Target::size("1.5kB").unwrap(), Target::Size(1500));
        assert_eq!(Target::size("2MiB").unwrap(), Target::Size(2 << 20));
        for text in ["1mb", "1MB", "1Mb", "1 mB", "1m", "1000KB", "1000k", "1000000", "1000000 bytes"] {
            assert_eq!(Target::size(text).unwrap(), Target::Size(1_000_000), "{text}");
        }
        assert_eq!(Target::latency("5MS").unwrap(), Target::Milliseconds(5.0));
        assert_eq!(Target::speedup("2X").unwrap(), Target::Speedup(2.0));
        for bad in ["mb", "1 mbit", "1tbb", "-1mb", "0kb", "nanmb"] {
            assert!(Target::size(bad).is_err(), "{bad}");
        }
        assert_eq!(Target::ratio("0.25").unwrap(), Target::Ratio(0.25));
        assert_eq!(Target::latency("2x").unwrap(), Target::Latency(2.0));
        assert_eq!(Target::latency("5ms").unwrap(), Target::Milliseconds(5.0));
        assert_eq!(Target::latency("0.25s").unwrap(), Target::Milliseconds(250.0));
        assert_eq!(Target::activations("50%").unwrap(), Target::ActivationShare(0.5));
        assert_eq!(Target::activations("3MB").unwrap(), Target::Activations(3_000_000));
        for bad in ["1x", "0", "-2", "nan", "x", "", "inf"] {
            assert!(Target::speedup(bad).is_err() && Target::latency(bad).is_err(), "{bad}");
        }
        for bad in ["1.5", "0%", "100%", "%"] {
            assert!(Target::params(bad).is_err() && Target::ratio(bad).is_err(), "{bad}");
        }
    }
}
