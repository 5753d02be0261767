//! What stands in the way of a plan, and what would help.

use super::axes::Axes;
use super::eligible::{Limit, limits};
use super::error::{Error, Result};
use super::options::Options;
use super::schemes::Scheme;
use crate::analysis::{Analysis, Kind};

/// Why no group may shrink.
pub fn nothing(a: &Analysis, o: &Options) -> Error {
    let why = if !a.groups.is_empty() {
        let left: Vec<Kind> = Kind::ALL.into_iter().filter(|k| a.groups.iter().any(|g| g.kind == *k)).collect();
        let open = o.only.is_empty() && o.protect.is_empty();
        if !left.iter().any(|k| o.axes.contains(*k)) {
            let names = left.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
            format!("the kinds of its groups are {names}, which shrink with --axes {}", o.axes.with(left))
        } else if open {
            format!("no group that may shrink has more channels than must stay (--round-to {})", o.round_to)
        } else {
            "--only, --protect and --axes leave no group".to_owned()
        }
    } else if let Some(f) = a.frozen.first() {
        format!("all {} weight axes are frozen, the first because of: {} ({})", a.frozen.len(), f.kind, f.at)
    } else {
        "it has no weights between its inputs and outputs that a node could lose".to_owned()
    };
    Error::NothingPrunable { why }
}

/// Names the nodes that hold most of the MACs that are left, and the axes that would help.
pub fn missed(a: &Analysis, limits: &[Limit], counts: &[usize], more: impl FnOnce() -> Result<Option<Axes>>) -> String {
    let mut nodes: Vec<(f64, usize)> =
        (0..a.costs.macs.len()).map(|i| (a.costs.macs.eval_product(i, counts), a.costs.mac_nodes[i])).collect();
    nodes.sort_by(|x, y| y.0.total_cmp(&x.0));
    let total: f64 = nodes.iter().map(|n| n.0).sum();
    let list: Vec<String> = nodes
        .iter()
        .take(3)
        .map(|(m, n)| format!("{} ({:.0} %)", a.graph.label(*n), 100.0 * m / total.max(1.0)))
        .collect();
    let held = limits.iter().zip(a.full_counts()).filter(|(l, n)| l.least == *n).count();
    let mut text =
        format!("what is left is mostly {}; {held} of {} groups may not shrink", list.join(", "), limits.len());
    if let Ok(Some(axes)) = more() {
        text += &format!("; --axes {axes} would reach it");
    }
    text
}

/// The choice of kinds that reaches what the given one does not: with one kind more where that is enough, else with
/// all that the model has.
///
/// # Errors
/// When a pattern is malformed.
pub fn other_axes(
    a: &Analysis,
    scheme: &dyn Scheme,
    o: &Options,
    reached: impl Fn(&[usize]) -> bool,
) -> Result<Option<Axes>> {
    let absent = |k: &Kind| !o.axes.contains(*k) && a.groups.iter().any(|g| g.kind == *k);
    let absent: Vec<Kind> = Kind::ALL.into_iter().filter(absent).collect();
    for more in absent.iter().map(std::slice::from_ref).chain([&absent[..]]) {
        let axes = o.axes.with(more.iter().copied());
        let least = limits(a, scheme, &Options { axes: axes.clone(), ..o.clone() })?;
        if reached(&least.iter().map(|l| l.least).collect::<Vec<_>>()) {
            return Ok(Some(axes));
        }
    }
    Ok(None)
}
