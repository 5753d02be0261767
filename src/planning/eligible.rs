//! Which groups may shrink, and how far.

use globset::GlobMatcher;

use super::error::Result;
use super::obstacle;
use super::options::Options;
use super::patterns::{self, glob, names};
use super::schemes::Scheme;
use crate::analysis::Analysis;

/// How far a group may shrink.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Channels that stay at least.
    pub least: usize,
    /// Channels that the user fixed.
    pub fixed: Option<usize>,
    /// What the number of kept channels is a multiple of.
    pub unit: usize,
}

/// The limits of all groups, some of which may shrink.
///
/// # Errors
/// [`Error::NothingPrunable`] when none may, [`Error::Unmatched`] when a pattern matches nothing, [`Error::Pattern`]
/// when one is malformed.
///
/// [`Error::NothingPrunable`]: super::Error::NothingPrunable
/// [`Error::Unmatched`]: super::Error::Unmatched
/// [`Error::Pattern`]: super::Error::Pattern
pub fn may_shrink(a: &Analysis, scheme: &dyn Scheme, o: &Options) -> Result<Vec<Limit>> {
    // A model without groups has more to tell than that a pattern matches none.
    if !a.groups.is_empty() {
        patterns::check(a, o)?;
    }
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
        let n = o.unit(g.size);
        let whole = Limit { least: g.size, fixed: None, unit: n };
        if !o.axes.contains(g.kind) || protect.iter().any(hit) || !only.is_empty() && !only.iter().any(hit) {
            return whole;
        }
        let round_up = |k: usize| k.div_ceil(n) * n;
        let floor = if scheme.protects() { (g.size as f64 * o.floor).ceil() as usize } else { 1 };
        let least = round_up(floor.max(1)).min(g.size);
        match ratios.iter().rev().find(|(m, _)| hit(m)) {
            Some((_, ratio)) => {
                let keep = (g.size as f64 * (1.0 - ratio)).round() as usize;
                let nearest = if n > 1 { ((keep + n / 2) / n * n).max(n) } else { keep.max(1) };
                Limit { least: nearest.min(g.size), fixed: Some(nearest.min(g.size)), unit: n }
            }
            None => Limit { least, fixed: None, unit: n },
        }
    });
    Ok(whole_groups.collect())
}

fn globs(patterns: &[String]) -> Result<Vec<GlobMatcher>> {
    patterns.iter().map(|p| glob(p)).collect()
}
