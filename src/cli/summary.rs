//! The result of a run, for people.

use std::fmt::Write;

use onnx_prune::report::{Report, SensitivityReport, Timings, text};

use super::terminal::{limit, one_line, table};

/// Tables, then what was checked and reached.
pub fn summary(r: &Report, verbose: bool) -> Result<String, std::fmt::Error> {
    let mut out = r.sensitivity.as_ref().map(|s| sensitivity(s, verbose) + "\n").unwrap_or_default();
    let (rows, more) = text::group_rows(&r.groups, limit(verbose));
    out += &table(text::GROUP_HEADS, rows, &[2, 3]);
    if more > 0 {
        writeln!(out, "… and {more} more groups that change less (-v shows all)")?;
    }
    out.push('\n');
    out += &table(text::TOTAL_HEADS, text::total_rows(r), &[1, 2, 3]);
    if let Some(left_out) = text::uncounted(&r.uncounted) {
        writeln!(out, "{}", one_line(&left_out))?;
    }
    if let Some(setting) = text::latency_setting(r) {
        writeln!(out, "{}", one_line(&setting))?;
    }
    if let Some(times) = &r.times {
        writeln!(out, "{}", text::times(times))?;
    }
    out.push('\n');
    writeln!(out, "{}", one_line(&text::verification(r)))?;
    if let Some(recovery) = &r.recovery {
        writeln!(out, "{}", text::recovery(recovery))?;
    }
    if let Some(untested) = text::untested(r) {
        writeln!(out, "{untested}")?;
    }
    for target in text::targets(r) {
        writeln!(out, "{target}")?;
    }
    writeln!(out, "{}", text::reached(r))?;
    if verbose {
        writeln!(out, "{}", seconds(&r.seconds))?;
        if let Some(library) = &r.library {
            writeln!(out, "{}", one_line(&text::library(library)))?;
        }
    }
    Ok(out)
}

/// What each group costs.
pub fn sensitivity(s: &SensitivityReport, verbose: bool) -> String {
    let (rows, more) = text::sensitivity_rows(s, limit(verbose));
    let mut out = format!("{}\n", text::sensitivity(s));
    out += &table(text::SENSITIVITY_HEADS, rows, &[1, 2, 3, 4]);
    if more > 0 {
        out += &format!("… and {more} more groups that lose less (-v shows all)\n");
    }
    out
}

fn seconds(t: &Timings) -> String {
    let Timings { load, analyse, calibrate, plan, rewrite, write, verify, recover, latency } = *t;
    let all = [
        ("load", load),
        ("analyse", analyse),
        ("calibrate", calibrate),
        ("plan", plan),
        ("rewrite", rewrite),
        ("write", write),
        ("verify", verify),
        ("recover", recover),
        ("latency", latency),
    ];
    let list: Vec<String> = all.iter().map(|(name, s)| format!("{name} {}", text::milliseconds(s * 1e3))).collect();
    format!("time: {}", list.join(", "))
}
