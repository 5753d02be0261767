//! What the user's patterns mean: nodes, groups and initializers by name.

use globset::{Glob, GlobMatcher};

use super::error::{Error, Result};
use super::options::Options;
use crate::analysis::{Analysis, AxisKind, Group};
use crate::hint::Hint;

/// A compiled pattern.
pub fn glob(pattern: &str) -> Result<GlobMatcher> {
    let wrong = |e: globset::Error| Error::Pattern { pattern: pattern.to_owned(), why: e.kind().to_string() };
    Ok(Glob::new(pattern).map_err(wrong)?.compile_matcher())
}

/// What patterns are matched against: the group's name, the names of its initializers and of the nodes that use them.
pub fn names<'a>(a: &'a Analysis, g: &'a Group) -> impl Iterator<Item = &'a str> {
    let members = g.items.iter().map(|i| &a.views[i.view]);
    let weights = members.clone().flat_map(|v| [a.graph.weight_name(v.tensor), a.graph.name(v.tensor)]);
    let nodes = members.flat_map(|v| v.uses.iter()).map(|u| a.graph.node(u.node).name());
    std::iter::once(g.name.as_str()).chain(weights).chain(nodes).filter(|n| !n.is_empty())
}

/// Whether every pattern and every kind that was asked for is there: a slip of the pen would otherwise prune what was
/// to be protected. Patterns of `protect` may also match what cannot shrink anyway.
///
/// # Errors
/// [`Error::Unmatched`] with the nearest names; [`Error::Pattern`] when a pattern is malformed.
pub fn check(a: &Analysis, o: &Options) -> Result<()> {
    for pattern in &o.protect {
        let matcher = glob(pattern)?;
        if !everything(a).any(|n| matcher.is_match(n)) {
            return Err(unmatched(a, Hint::Protect, pattern));
        }
    }
    let named = o.only.iter().map(|p| (Hint::Only, p)).chain(o.ratio_for.iter().map(|(p, _)| (Hint::RatioFor, p)));
    for (option, pattern) in named {
        let matcher = glob(pattern)?;
        let hit: Vec<&Group> = a.groups.iter().filter(|g| names(a, g).any(|n| matcher.is_match(n))).collect();
        if hit.is_empty() {
            return Err(unmatched(a, option, pattern));
        }
        if !hit.iter().any(|g| o.axes.contains(g.kind)) {
            let kinds: Vec<AxisKind> = AxisKind::ALL.into_iter().filter(|k| hit.iter().any(|g| g.kind == *k)).collect();
            let names = kinds.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
            let why =
                format!("matches only groups of kind {names}, which shrink with {} {}", Hint::Axes, o.axes.with(kinds));
            return Err(Error::Unmatched { pattern: format!("{option} '{pattern}'"), why });
        }
    }
    Ok(())
}

/// Whether there are groups of all `kinds`.
///
/// # Errors
/// [`Error::Unmatched`] with the kinds that there are.
pub fn check_kinds(a: &Analysis, o: &Options, kinds: &[AxisKind]) -> Result<()> {
    let known: Vec<AxisKind> = AxisKind::ALL.into_iter().filter(|k| a.groups.iter().any(|g| g.kind == *k)).collect();
    let Some(missing) = kinds.iter().find(|k| !known.contains(k)) else { return Ok(()) };
    let list = known.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
    let alike = known.iter().find(|k| *missing == AxisKind::Heads && **k == AxisKind::QueryHeads);
    let why = match alike {
        Some(k) => format!("its heads are of kind {k}, which shrink with {} {}", Hint::Axes, o.axes.with([*k])),
        None if known.is_empty() => "it has no groups that can shrink".to_owned(),
        None => format!("the kinds of its groups are {list}"),
    };
    Err(Error::Unmatched { pattern: format!("this model has no group of kind {missing}"), why })
}

/// Kinds that were asked for by name and that no group is of.
pub fn absent(a: &Analysis, o: &Options) -> Option<String> {
    if o.axes == super::Axes::all() {
        return None;
    }
    let absent = |k: &AxisKind| {
        o.axes.contains(*k) && !super::Axes::default().contains(*k) && !a.groups.iter().any(|g| g.kind == *k)
    };
    let names: Vec<&str> = AxisKind::ALL.into_iter().filter(absent).map(AxisKind::name).collect();
    (!names.is_empty()).then(|| format!("{}: no group of this model is of kind {}", Hint::Axes, names.join(" or ")))
}

/// Groups, initializers and nodes by name.
fn everything(a: &Analysis) -> impl Iterator<Item = &str> {
    let groups = a.groups.iter().map(|g| g.name.as_str());
    let weights = a.views.iter().map(|v| a.graph.name(v.tensor));
    let initializers = a.graph.proto().initializer.iter().map(|t| t.name());
    let nodes = a.graph.nodes().map(|n| n.name());
    groups.chain(weights).chain(initializers).chain(nodes).filter(|n| !n.is_empty())
}

fn unmatched(a: &Analysis, option: Hint, pattern: &str) -> Error {
    let why = match glob(pattern).ok().and_then(|m| everything(a).find(|n| m.is_match(n))) {
        Some(found) => {
            let frozen = a.frozen.iter().find(|f| f.places.iter().any(|(weight, _)| weight == found));
            let reason = frozen.map_or_else(String::new, |f| format!(": {}", f.kind));
            format!("matches '{found}', which belongs to no group that can shrink{reason}")
        }
        None => {
            let near = nearest(pattern, everything(a));
            let list = near.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
            format!("matches no node, group or initializer; the nearest names are {list} ({} lists all)", Hint::Inspect)
        }
    };
    Error::Unmatched { pattern: format!("{option} '{pattern}'"), why }
}

/// How many names to suggest.
const SHOWN: usize = 3;

/// The names that hold what is most like a pattern, the likest first.
fn nearest<'a>(pattern: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let plain: Vec<char> = pattern.to_lowercase().chars().filter(|c| !"*?[]{}!".contains(*c)).take(100).collect();
    let mut ranked: Vec<(usize, usize, &str)> = names.map(|n| (edits(&plain, n), n.len(), n)).collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(SHOWN).map(|(.., name)| name).collect()
}

/// The fewest insertions, deletions and replacements that make `wanted` a part of `name`.
fn edits(wanted: &[char], name: &str) -> usize {
    let mut above: Vec<usize> = (0..=wanted.len()).collect();
    let mut least = wanted.len();
    for c in name.to_lowercase().chars() {
        let mut diagonal = above[0];
        for (i, w) in wanted.iter().enumerate() {
            let replaced = diagonal + usize::from(*w != c);
            diagonal = above[i + 1];
            above[i + 1] = replaced.min(diagonal + 1).min(above[i] + 1);
        }
        least = least.min(above[wanted.len()]);
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_hold_what_was_meant() {
        let names = ["layers.0.attn.weight", "layers.0.mlp.weight", "Layers.1.attn.weight", "head", "/layers.1/Add"];
        assert_eq!(nearest("layer.0.atn*", names.into_iter())[0], "layers.0.attn.weight");
        assert_eq!(nearest("*HEAD*", names.into_iter())[0], "head");
        assert_eq!(nearest("layers.1.attn*", names.into_iter())[0], "Layers.1.attn.weight");
        assert_eq!(nearest("", ["a"].into_iter()), ["a"]);
        let chars = |t: &str| t.chars().collect::<Vec<_>>();
        assert_eq!(
            [("abc", "xabcx"), ("abc", "axc"), ("abc", ""), ("ab", "b")].map(|(w, n)| edits(&chars(w), n)),
            [0, 1, 3, 1]
        );
    }
}
