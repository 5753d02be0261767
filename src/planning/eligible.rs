//! Which groups may shrink, and how far.

use globset::{Glob, GlobMatcher};

use super::error::{Error, Result};
use super::obstacle;
use super::options::Options;
use super::schemes::Scheme;
use crate::analysis::{Analysis, Group};

/// How far a group may shrink.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Channels that stay at least.
    pub least: usize,
    /// Channels that the user fixed.
    pub fixed: Option<usize>,
}

/// The limits of all groups, some of which may shrink.
///
/// # Errors
/// [`Error::NothingPrunable`] when none may, [`Error::Pattern`] when a pattern is malformed.
pub fn may_shrink(a: &Analysis, scheme: &dyn Scheme, o: &Options) -> Result<Vec<Limit>> {
    let limits = limits(a, scheme, o)?;
    let any = limits.iter().zip(&a.groups).any(|(l, g)| l.least < g.size);
    if any { Ok(limits) } else { Err(obstacle::nothing(a, o)) }
}

/// A limit for each group; a group that may not shrink keeps all.
pub fn limits(a: &Analysis, scheme: &dyn Scheme, o: &Options) -> Result<Vec<Limit>> {
    let protect = globs(&o.protect)?;
    let only = globs(&o.only)?;
    let ratios: Vec<(GlobMatcher, f64)> = o.ratio_for.iter().map(|(p, r)| Ok((glob(p)?, *r))).collect::<Result<_>>()?;
    let whole_groups = a.groups.iter().map(|g| {
        let hit = |m: &GlobMatcher| names(a, g).any(|n| m.is_match(n));
        let whole = Limit { least: g.size, fixed: None };
        if !o.axes.contains(g.kind) || protect.iter().any(hit) || !only.is_empty() && !only.iter().any(hit) {
            return whole;
        }
        let n = o.round_to.max(1);
        let round_up = |k: usize| k.div_ceil(n) * n;
        let floor = if scheme.protects() { (g.size as f64 * o.floor).ceil() as usize } else { 1 };
        let least = round_up(floor.max(1)).min(g.size);
        match ratios.iter().rev().find(|(m, _)| hit(m)) {
            Some((_, ratio)) => {
                let keep = (g.size as f64 * (1.0 - ratio)).round() as usize;
                let nearest = if n > 1 { ((keep + n / 2) / n * n).max(n) } else { keep.max(1) };
                Limit { least: nearest.min(g.size), fixed: Some(nearest.min(g.size)) }
            }
            None => Limit { least, fixed: None },
        }
    });
    Ok(whole_groups.collect())
}

/// What patterns are matched against: the group's name and the names of its weights.
fn names<'a>(a: &'a Analysis, g: &'a Group) -> impl Iterator<Item = &'a str> {
    let both = move |v: usize| [a.graph.weight_name(a.variants[v].tensor), a.graph.names[a.variants[v].tensor]];
    let weights = g.items.iter().flat_map(move |i| both(i.variant));
    std::iter::once(g.name.as_str()).chain(weights)
}

fn globs(patterns: &[String]) -> Result<Vec<GlobMatcher>> {
    patterns.iter().map(|p| glob(p)).collect()
}

fn glob(pattern: &str) -> Result<GlobMatcher> {
    let wrong = |e: globset::Error| Error::Pattern { pattern: pattern.to_owned(), why: e.kind().to_string() };
    Ok(Glob::new(pattern).map_err(wrong)?.compile_matcher())
}
