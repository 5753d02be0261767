//! Figures as people read them, and the rows of the tables; no terminal here.

use std::collections::BTreeMap;

use super::data::{
    GroupChange, GroupSensitivity, Likeness, Recovery, Report, SensitivityMeasure, SensitivityReport, StandIn,
    TargetReport, TimeReport, Verification,
};
use super::inspect::{FrozenReason, InspectedGroup};
use crate::escape;
use crate::hint::Hint;
use crate::planning::targets::find;
use crate::runtime::{Device, LoadedLibrary};

/// `1.82 G`, `11.7 M`, `640`: three digits and a decimal prefix.
pub fn count(x: f64) -> String {
    scaled(x, &["", "k", "M", "G", "T", "P", "E"])
}

/// `44.6 MB`, `640 B`.
pub fn bytes(x: f64) -> String {
    scaled(x, &["B", "kB", "MB", "GB", "TB", "PB"])
}

/// `3.21 ms`, `1.2 s`.
pub fn milliseconds(x: f64) -> String {
    if x < 1.0 {
        format!("{} µs", digits(x * 1e3))
    } else if x < 1e3 {
        format!("{} ms", digits(x))
    } else {
        format!("{} s", digits(x / 1e3))
    }
}

/// `12.3 %` of a share.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn scaled(x: f64, units: &[&str]) -> String {
    let (mut x, mut unit) = (x, 0);
    // What rounds to 1000 belongs to the next unit.
    while x.abs() >= 999.5 && unit + 1 < units.len() {
        x /= 1e3;
        unit += 1;
    }
    let number = if unit == 0 && x.fract() == 0.0 { format!("{x:.0}") } else { digits(x) };
    format!("{number} {}", units[unit]).trim_end().to_owned()
}

/// Three significant digits.
fn digits(x: f64) -> String {
    match x.abs() {
        a if a >= 99.95 => format!("{x:.0}"),
        a if a >= 9.995 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

/// `2.00x`, or a dash where there is nothing to compare.
pub fn ratio(before: f64, after: f64) -> String {
    if after > 0.0 && before.is_finite() { format!("{:.2}x", before / after) } else { "-".to_owned() }
}

/// Heads of [`group_rows`].
pub const GROUP_HEADS: [&str; 5] = ["group", "kind", "channels", "share of MACs", "mixed"];

/// One row per group, in the order of the model: at most `limit` rows, those that lose most. Also the number of
/// groups left out.
pub fn group_rows(groups: &[GroupChange], limit: usize) -> (Vec<[String; 5]>, usize) {
    let lost = |g: &GroupChange| (g.before - g.after.min(g.before)) as f64 / g.before.max(1) as f64;
    let row = |g: &GroupChange| {
        let change = match g.before == g.after {
            true => format!("{}", g.before),
            false => format!("{} → {}", g.before, g.after),
        };
        [one_line(&g.name), g.kind.to_string(), change, percent(g.macs_share), mixed(g.mixed)]
    };
    shown(groups, limit, lost, row)
}

/// Rows of at most `limit` items, those of the highest rank, in their order; also the number of items left out.
fn shown<T, R>(items: &[T], limit: usize, rank: impl Fn(&T) -> f64, row: impl Fn(&T) -> R) -> (Vec<R>, usize) {
    let mut chosen: Vec<usize> = (0..items.len()).collect();
    chosen.sort_by(|a, b| rank(&items[*b]).total_cmp(&rank(&items[*a])));
    chosen.truncate(limit);
    chosen.sort_unstable();
    let rows: Vec<R> = chosen.iter().map(|i| row(&items[*i])).collect();
    let more = items.len() - rows.len();
    (rows, more)
}

fn mixed(is: bool) -> String {
    if is { "mixed" } else { "" }.to_owned()
}

/// Heads of [`total_rows`].
pub const TOTAL_HEADS: [&str; 4] = ["", "before", "after", "ratio"];

/// The figures of the whole model; latency where it was measured.
pub fn total_rows(r: &Report) -> Vec<[String; 4]> {
    let row = |name: &str, before: f64, after: f64, show: fn(f64) -> String| {
        [name.to_owned(), show(before), show(after), ratio(before, after)]
    };
    let mut rows = vec![
        row("MACs", r.before.macs, r.after.macs, count),
        row("parameters", r.before.params, r.after.params, count),
        row("file size", r.before.bytes as f64, r.after.bytes as f64, bytes),
        row("peak activations", r.before.activation_bytes, r.after.activation_bytes, bytes),
    ];
    if let Some(l) = &r.latency {
        let time =
            |l: &crate::runtime::latency::Latency| format!("{} ± {:.0} %", milliseconds(l.median), 100.0 * l.spread());
        let (low, high) = l.pair.ratio_range;
        let change = format!("{:.2}x ({low:.2} to {high:.2})", l.pair.ratio);
        rows.push(["latency".to_owned(), time(&l.pair.a), time(&l.pair.b), change]);
    }
    rows
}

/// What the MACs leave out: `not counted in MACs: STFT (1 node)`.
pub fn uncounted(operators: &BTreeMap<String, usize>) -> Option<String> {
    let list: Vec<String> =
        operators.iter().map(|(op, n)| format!("{op} ({n} {})", plural(*n, "node", "nodes"))).collect();
    (!list.is_empty()).then(|| format!("not counted in MACs: {}", list.join(", ")))
}

/// What the latency was measured on: `onnxruntime 1.32.0, x 1x3x224x224`.
pub fn latency_setting(r: &Report) -> Option<String> {
    let l = r.latency.as_ref()?;
    let inputs: Vec<String> = l.inputs.iter().map(|(n, s)| format!("{n} {}", shape(s))).collect();
    let device = if l.device == Device::Cpu { String::new() } else { format!(" ({})", l.device) };
    Some(format!("latency on {}{device}, {}; {} rounds", l.runtime, inputs.join(", "), l.pair.a.runs.len()))
}

/// Which onnxruntime library was loaded, and why that one.
pub fn library(l: &LoadedLibrary) -> String {
    format!("library: onnxruntime {}, {} (by {})", l.version, l.path, l.origin)
}

/// Heads of [`sensitivity_rows`].
pub const SENSITIVITY_HEADS: [&str; 5] = ["group", "channels", "25 % gone", "50 % gone", "75 % gone"];

/// One row per group, in the order of the model: at most `limit`, those that lose most with half of it gone. Also the
/// number of groups left out.
pub fn sensitivity_rows(s: &SensitivityReport, limit: usize) -> (Vec<[String; 5]>, usize) {
    let degradation = |g: &GroupSensitivity, i: usize| g.points.get(i).map_or(0.0, |p| p.degradation);
    let show = |g: &GroupSensitivity, i: usize| match s.of {
        // Not -0.0, which would be shown as such.
        SensitivityMeasure::Accuracy => format!("{:+.1} points", 0.0 - 100.0 * degradation(g, i)),
        SensitivityMeasure::Agreement => format!("{:.4}", 1.0 - degradation(g, i)),
    };
    let row = |g: &GroupSensitivity| [one_line(&g.name), g.before.to_string(), show(g, 0), show(g, 1), show(g, 2)];
    shown(&s.groups, limit, |g| degradation(g, 1), row)
}

/// What the figures of [`sensitivity_rows`] are.
pub fn sensitivity(s: &SensitivityReport) -> String {
    match s.original {
        Some(right) => format!("accuracy with one group smaller; the original has {}", percent(right)),
        None => "mean cosine with the original's outputs with one group smaller".to_owned(),
    }
}

/// What a plan for a time rests on.
pub fn times(t: &TimeReport) -> String {
    let left = if t.left_out > 0 { format!("{} parts cannot run alone; ", t.left_out) } else { String::new() };
    format!(
        "{} subgraphs timed, {} known from earlier runs; {left}their sum is {:.0} % of the original's time; {} {} run",
        t.timed,
        t.known,
        100.0 * t.explained,
        t.plans,
        plural(t.plans, "plan was", "plans were")
    )
}

fn shape(dims: &[usize]) -> String {
    if dims.is_empty() {
        return "scalar".to_owned();
    }
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// What was compared, and how; or why nothing was.
pub fn verification(r: &Report) -> String {
    let Some(v) = &r.verification else {
        return r.not_verified.as_ref().map_or_else(|| "not verified".to_owned(), |why| format!("not verified: {why}"));
    };
    let outputs = format!("{} {} compared{}", v.outputs, plural(v.outputs, "output", "outputs"), at_sizes(v));
    let groups = |n: usize, how: &str| format!("{n} {} {how}", plural(n, "group", "groups"));
    let how = match (v.compared, v.mixed) {
        (n, 0) => groups(n, "masked in the original give"),
        (0, n) => groups(n, "reordered (mixed) give"),
        (n, m) => format!("{} and {}", groups(n, "masked in the original"), groups(m, "reordered (mixed) give")),
    };
    let left = unchecked(v).map(|what| format!("; {what}")).unwrap_or_default();
    format!("verified: {outputs}; {how} the same, largest difference {:.1e} of an element's scale{left}", v.difference)
}

/// `at batch 1 and 3; at one size of length only, 64`.
fn at_sizes(v: &Verification) -> String {
    let list = |n: &[i64]| n.iter().map(i64::to_string).collect::<Vec<_>>().join(" and ");
    let (one, several): (Vec<_>, Vec<_>) = v.sizes.iter().partition(|(_, sizes)| sizes.len() == 1);
    let several: Vec<String> = several.iter().map(|(name, sizes)| format!("{name} {}", list(sizes))).collect();
    let one: Vec<String> = one.iter().map(|(name, sizes)| format!("{name} ({})", list(sizes))).collect();
    let mut out = if several.is_empty() { String::new() } else { format!(" at {}", several.join(", ")) };
    if !one.is_empty() {
        out += &format!(", checked at one size of {} only", one.join(", "));
    }
    out
}

/// What a check left open.
fn unchecked(v: &Verification) -> Option<String> {
    let mut all: Vec<String> =
        v.unchecked_outputs.iter().map(|(n, why)| format!("output '{n}' not checked: {why}")).collect();
    if !v.unchecked_groups.is_empty() {
        all.push(format!("not checked, in branches that did not run: {}", v.unchecked_groups.join(", ")));
    }
    if !v.before_operators.is_empty() {
        let list = v.before_operators.join(", ");
        all.push(format!("checked up to {list} only, which the runtime does not know"));
    }
    (!all.is_empty()).then(|| all.join("; "))
}

/// What of the result was not verified although that was wanted; `None` where all of it was.
pub fn unverified(r: &Report) -> Option<String> {
    match &r.verification {
        Some(v) => unchecked(v),
        None => r.not_verified.clone(),
    }
}

/// That nothing is known of how good the result is, and what to do next; `None` where data tells.
pub fn untested(r: &Report) -> Option<String> {
    match r.recovery {
        Some(Recovery { stand_in: None, .. }) => None,
        Some(_) => Some(format!(
            "untested: no data was given, so the program made some up; a few hundred samples ({}) keep more and \
             tell how much, fine-tuning wins back the rest",
            Hint::Data
        )),
        // Of what was not made there is nothing to say.
        None if r.missed.is_some() => None,
        None => Some(format!(
            "untested: no data was given, and nothing is known of what the model still gets right; a few hundred \
             samples ({}) keep most of it and tell how much, fine-tuning wins back the rest",
            Hint::Data
        )),
    }
}

/// What was done to win accuracy back, and how far the model gives what the original gives before and after.
pub fn recovery(r: &Recovery) -> String {
    let mut done = Vec::new();
    if r.layers == Some(0) && r.layers_left > 0 {
        done.push("least squares brought the outputs no nearer: weights are as they were".to_owned());
    } else if let Some(n) = r.layers {
        let left = if r.layers_left > 0 { format!(" ({} could not be)", r.layers_left) } else { String::new() };
        done.push(format!("{n} {} refitted{left}", plural(n, "layer", "layers")));
    }
    if r.normalizations == Some(0) {
        done.push("no BatchNormalization to recalibrate (insert-bn puts back what the exporter folded)".to_owned());
    } else if let Some(n) = r.normalizations {
        done.push(format!("{n} {} recalibrated", plural(n, "normalisation", "normalisations")));
    }
    let stages = [("pruned", r.pruned), ("refitted", r.refitted), ("recalibrated", r.recalibrated)];
    let figures: Vec<String> =
        stages.iter().filter_map(|(what, l)| Some(format!("{what} {}", likeness(l.as_ref()?)))).collect();
    let kind = match (r.stand_in, r.held_out) {
        (Some(StandIn::DrawnImages), _) => "drawn images",
        (Some(StandIn::RandomInputs), _) => "random inputs",
        (None, true) => "held-out samples",
        (None, false) => "calibration samples",
    };
    let mut out = done.join(", ");
    if !figures.is_empty() {
        out += if out.is_empty() { "" } else { "\n" };
        out += &format!("agreement with the original on {} {kind}: {}", r.samples, figures.join(", "));
    }
    let right: Vec<String> = [("original", r.original)]
        .into_iter()
        .chain(stages.iter().map(|(what, l)| (*what, l.and_then(|l| l.accuracy))))
        .filter_map(|(what, x)| Some(format!("{what} {}", percent(x?))))
        .collect();
    if !right.is_empty() {
        out += &format!("\ntop-1 accuracy on them: {}", right.join(", "));
    }
    out
}

fn likeness(l: &Likeness) -> String {
    match (l.same_answer, l.divergence) {
        (Some(same), Some(divergence)) => format!("{} (divergence {})", percent(same), digits(divergence)),
        _ => format!("cosine {:.4}", l.cosine),
    }
}

/// A line for each of several targets: what was wanted and what was reached.
pub fn targets(r: &Report) -> Vec<String> {
    if r.targets.len() < 2 {
        return Vec::new();
    }
    let line = |t: &TargetReport| {
        let target = find(&t.name)?;
        let reached = t.reached.map_or_else(|| "not known".to_owned(), |x| target.show(x));
        let missed = if t.met { "" } else { ": missed" };
        Some(format!("wanted {}, reached {reached}{missed}", target.show(t.wanted)))
    };
    r.targets.iter().filter_map(line).collect()
}

/// The figure that was reached.
pub fn reached(r: &Report) -> String {
    let steps = match r.steps {
        0 => "replayed".to_owned(),
        n => format!("{n} {}", plural(n, "step", "steps")),
    };
    let channels = r.before.channels - r.after.channels.min(r.before.channels);
    let targets = &r.settings.targets;
    let target = match (r.settings.keep, targets.only()) {
        (Some(keep), _) => format!("target: {keep}"),
        (None, Some(goal)) => goal.target.show_wanted(goal.wanted),
        (None, None) => format!("targets: {targets}"),
    };
    format!(
        "speed-up {:.3}x in MACs ({target}; {steps}; {channels} of {} channels removed)",
        r.speedup, r.before.channels
    )
}

fn plural<'a>(n: usize, one: &'a str, many: &'a str) -> &'a str {
    if n == 1 { one } else { many }
}

/// Heads of [`inspected_rows`].
pub const INSPECTED_HEADS: [&str; 7] = ["group", "node", "kind", "size", "members", "share of MACs", "mixed"];

/// One row per group, at most `limit`; also the number of groups left out.
pub fn inspected_rows(groups: &[InspectedGroup], limit: usize) -> (Vec<[String; 7]>, usize) {
    let row = |g: &InspectedGroup| {
        let (size, members) = (g.size.to_string(), g.members.len().to_string());
        let kind = if g.by_default { g.kind.to_string() } else { format!("{} ({})", g.kind, Hint::Axes) };
        [one_line(&g.name), one_line(&g.node), kind, size, members, percent(g.macs_share), mixed(g.mixed)]
    };
    let rows: Vec<_> = groups.iter().take(limit).map(row).collect();
    let more = groups.len() - rows.len();
    (rows, more)
}

/// Heads of [`member_rows`].
pub const MEMBER_HEADS: [&str; 5] = ["group", "node", "initializer", "axis", "role"];

/// One row per member of every group; the group's name stands in its first.
pub fn member_rows(groups: &[InspectedGroup]) -> Vec<[String; 5]> {
    let rows = groups.iter().flat_map(|g| {
        g.members.iter().enumerate().map(|(i, m)| {
            let name = if i == 0 { one_line(&g.name) } else { String::new() };
            [name, one_line(&m.node), one_line(&m.initializer), m.axis.to_string(), m.role.name().to_owned()]
        })
    });
    rows.collect()
}

fn one_line(name: &str) -> String {
    escape::line(name).into_owned()
}

/// Heads of [`frozen_rows`].
pub const FROZEN_HEADS: [&str; 3] = ["frozen because", "axes", "examples"];

/// One row per reason.
pub fn frozen_rows(frozen: &[FrozenReason]) -> Vec<[String; 3]> {
    let examples = |f: &FrozenReason| f.examples.iter().map(|e| one_line(e)).collect::<Vec<_>>().join("\n");
    frozen.iter().map(|f| [one_line(&f.reason), f.axes.to_string(), examples(f)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::AxisKind;

    #[test]
    fn figures_have_three_digits() {
        let all = [0.0, 7.0, 999.0, 999.6, 11_689_512.0, 1.8181e9, 1.5].map(count);
        assert_eq!(all, ["0", "7", "999", "1.00 k", "11.7 M", "1.82 G", "1.50"]);
        assert_eq!([640.0, 44.6e6, 999.99e3].map(bytes), ["640 B", "44.6 MB", "1.00 MB"]);
        assert_eq!([0.0123, 3.214, 45.67, 1234.0].map(milliseconds), ["12.3 µs", "3.21 ms", "45.7 ms", "1.23 s"]);
        assert_eq!((ratio(2.0, 1.0), ratio(1.0, 0.0)), ("2.00x".to_owned(), "-".to_owned()));
    }

    #[test]
    fn long_tables_keep_what_changed_most_in_model_order() {
        let group = |name: &str, after| GroupChange {
            name: name.into(),
            kind: AxisKind::Conv,
            before: 10,
            after,
            macs_share: 0.1,
            mixed: false,
            members: Vec::new(),
            kept: Vec::new(),
        };
        let (rows, more) = group_rows(&[group("a", 5), group("b", 10), group("c", 1)], 2);
        assert_eq!((rows[0][0].as_str(), rows[1][0].as_str(), more), ("a", "c", 1));
        assert_eq!(rows[1][2], "10 → 1");
    }
}
