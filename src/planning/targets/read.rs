//! Numbers as users write them.

use std::str::FromStr;

/// A number in an open range, with or without one of the suffixes.
pub(super) fn number(text: &str, suffix: &[&str], low: f64, high: f64) -> Option<f64> {
    let digits = suffix.iter().find_map(|s| text.strip_suffix(s)).unwrap_or(text).trim();
    f64::from_str(digits).ok().filter(|x| x.is_finite() && *x > low && *x < high)
}

/// `2x` or `1.5`: a factor above 1.
pub(super) fn factor(text: &str) -> Option<f64> {
    number(text, &["x", "X"], 1.0, 1e9)
}

/// `50%` or `0.5` as a number between 0 and 1.
pub fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(p) => number(p, &[], 0.0, 100.0).map(|x| x / 100.0),
        None => number(text, &[], 0.0, 1.0),
    }
}

/// A number of bytes, with or without a unit, in any case.
pub(super) fn bytes(text: &str) -> Option<f64> {
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
    number(digits, &[], 0.0, 1e15).map(|n| (n * unit).floor())
}
