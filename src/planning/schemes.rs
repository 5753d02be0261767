//! Schemes: in which order channels of different groups go.

use super::error::Error;
use crate::hint::Hint;

/// What a scheme sees of a group at one step.
pub struct GroupView<'a> {
    /// Channels in the file.
    pub size: usize,
    /// Channels removed in earlier steps.
    pub removed: usize,
    /// For each removable unit, in the order in which the group gives them up: how many channels go with it
    /// and the score that the last of them has.
    pub units: &'a [(usize, f64)],
    /// Equal for groups that sit in the network alike.
    pub structure: &'a str,
    /// How much nearer the target comes when this group shrinks, relative to others; 1 for all where a target does not
    /// tell them apart.
    pub gain: f64,
    /// Measured degradations by the share of the group that is gone, ascending; empty where nothing was measured.
    pub degradations: &'a [(f64, f64)],
}

/// A scheme orders the removable units of all groups by one key; the lowest goes first.
pub trait Scheme: Sync {
    /// Name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// One line for lists.
    fn summary(&self) -> &'static str;

    /// The setting that it follows, and what that is unless set.
    fn setting(&self) -> Option<(Hint, &'static str)> {
        None
    }

    /// Keys of the units of each group. Within a group keys must not fall.
    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>>;

    /// Whether the key is the share of the group (or class) that is gone once the unit goes.
    fn by_share(&self) -> bool {
        false
    }

    /// Whether the order follows measured degradations.
    fn needs_degradations(&self) -> bool {
        false
    }

    /// Whether widths follow curves of what the output loses, not keys.
    fn follows_curves(&self) -> bool {
        false
    }

    /// Whether every group keeps its floor.
    fn protects(&self) -> bool {
        false
    }
}

/// The same ratio in every group.
struct Local;
/// One ranking over all groups.
struct Global;
/// One ranking, with a floor for every group.
struct ProtectedGlobal;
/// One ranking among groups of equal structure, the same ratio for each structure.
struct Isomorphic;
/// Every group shrinks until it costs the same.
struct Sensitivity;
/// Channels go where the output loses least for what is saved.
struct Allocate;

/// All schemes, the default first.
pub fn schemes() -> &'static [&'static dyn Scheme] {
    &[&ProtectedGlobal, &Global, &Local, &Isomorphic, &Sensitivity, &Allocate]
}

/// The scheme that needs nothing but scores and keeps every layer alive.
pub fn default_scheme() -> &'static dyn Scheme {
    &ProtectedGlobal
}

/// The scheme of that name.
///
/// # Errors
/// [`Error::UnknownScheme`], with the names there are.
pub fn find(name: &str) -> Result<&'static dyn Scheme, Error> {
    schemes().iter().copied().find(|s| s.name() == name).ok_or_else(|| Error::UnknownScheme {
        name: name.to_owned(),
        known: schemes().iter().map(|s| s.name()).collect::<Vec<_>>().join(", "),
    })
}

/// The share that is gone before each unit goes.
fn shares(g: &GroupView) -> Vec<f64> {
    let mut gone = g.removed;
    g.units
        .iter()
        .map(|(n, _)| {
            let key = gone as f64 / g.size as f64;
            gone += n;
            key
        })
        .collect()
}

/// A group that brings less than this share of the mean towards the target goes last. Among the others importance
/// alone decides: on the CIFAR ResNets, dividing it by the time that it saves cost more accuracy than it saved.
const IDLE: f64 = 0.05;

/// Scores, out of reach for groups that bring nothing.
fn prices(g: &GroupView) -> Vec<f64> {
    const LAST: f64 = 1e100;
    let idle = g.gain < IDLE;
    scores(g).into_iter().map(|s| if idle && s > 0.0 { s * LAST } else { s }).collect()
}

/// Scores, made monotone.
fn scores(g: &GroupView) -> Vec<f64> {
    g.units
        .iter()
        .scan(f64::NEG_INFINITY, |high, (_, s)| {
            *high = high.max(*s);
            Some(*high)
        })
        .collect()
}

impl Scheme for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn summary(&self) -> &'static str {
        "the same ratio in every group"
    }

    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>> {
        groups.iter().map(shares).collect()
    }

    fn by_share(&self) -> bool {
        true
    }
}

impl Scheme for Global {
    fn name(&self) -> &'static str {
        "global"
    }

    fn summary(&self) -> &'static str {
        "one ranking over all groups"
    }

    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>> {
        groups.iter().map(prices).collect()
    }
}

impl Scheme for ProtectedGlobal {
    fn name(&self) -> &'static str {
        "protected-global"
    }

    fn summary(&self) -> &'static str {
        "one ranking over all groups, but a floor of each group stays"
    }

    fn setting(&self) -> Option<(Hint, &'static str)> {
        Some((Hint::Floor, "10 %"))
    }

    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>> {
        groups.iter().map(prices).collect()
    }

    fn protects(&self) -> bool {
        true
    }
}

impl Scheme for Isomorphic {
    fn name(&self) -> &'static str {
        "isomorphic"
    }

    fn summary(&self) -> &'static str {
        "one ranking among groups of equal structure, the same ratio for each structure (Fang 2024)"
    }

    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>> {
        let mut keys: Vec<Vec<f64>> = groups.iter().map(|g| vec![0.0; g.units.len()]).collect();
        let mut classes: std::collections::BTreeMap<&str, Vec<usize>> = std::collections::BTreeMap::new();
        for (i, g) in groups.iter().enumerate() {
            classes.entry(g.structure).or_default().push(i);
        }
        for members in classes.values() {
            let total: usize = members.iter().map(|i| groups[*i].size).sum();
            let mut gone: usize = members.iter().map(|i| groups[*i].removed).sum();
            let mut units: Vec<(f64, usize, usize)> = Vec::new();
            for &i in members {
                units.extend(scores(&groups[i]).into_iter().enumerate().map(|(u, s)| (s, i, u)));
            }
            units.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
            for (_, i, u) in units {
                keys[i][u] = gone as f64 / total as f64;
                gone += groups[i].units[u].0;
            }
        }
        keys
    }

    fn by_share(&self) -> bool {
        true
    }
}

impl Scheme for Sensitivity {
    fn name(&self) -> &'static str {
        "sensitivity"
    }

    fn summary(&self) -> &'static str {
        "each group shrinks until it alone would lose as much accuracy or agreement as every other (Li 2017)"
    }

    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>> {
        let of = |g: &GroupView| {
            let gone = shares(g).into_iter().zip(g.units).map(|(s, (n, _))| s + *n as f64 / g.size as f64);
            gone.map(|share| degradation(g.degradations, share)).collect()
        };
        groups.iter().map(of).collect()
    }

    fn needs_degradations(&self) -> bool {
        true
    }

    fn protects(&self) -> bool {
        true
    }
}

impl Scheme for Allocate {
    fn name(&self) -> &'static str {
        "allocate"
    }

    fn summary(&self) -> &'static str {
        "channels go where the output loses least for what is saved, the layers that read them solved anew (on data, or drawn images)"
    }

    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>> {
        groups.iter().map(scores).collect()
    }

    fn follows_curves(&self) -> bool {
        true
    }
}

/// The degradation at a share, linear between measured ones. It never falls, and where nothing is lost the share
/// decides.
fn degradation(measured: &[(f64, f64)], share: f64) -> f64 {
    const TIE: f64 = 1e-6;
    let mut from = (0.0, 0.0f64);
    for &(at, lost) in measured {
        let to = (at, lost.max(from.1));
        if share <= at {
            return from.1 + (to.1 - from.1) * (share - from.0) / (at - from.0).max(f64::MIN_POSITIVE) + TIE * share;
        }
        from = to;
    }
    // The last quarter costs at least what lies before it.
    from.1 * (1.0 + (share - from.0)) + TIE * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degradations_are_met_between_measurements_and_never_fall() {
        let measured = [(0.25, 0.1), (0.5, 0.05), (0.75, 0.4)];
        let at = |share| (degradation(&measured, share) * 1e4).round() / 1e4;
        assert_eq!([0.0, 0.125, 0.25, 0.5, 0.625, 0.75, 1.0].map(at), [0.0, 0.05, 0.1, 0.1, 0.25, 0.4, 0.5]);
        let steps: Vec<f64> = (0..=20).map(|i| degradation(&measured, f64::from(i) / 20.0)).collect();
        assert!(steps.windows(2).all(|w| w[0] < w[1]), "{steps:?}");
    }

    #[test]
    fn groups_shrink_until_they_cost_the_same() {
        let units = [(1, 0.5); 4];
        let view =
            |degradations| GroupView { size: 4, removed: 0, units: &units, structure: "", gain: 1.0, degradations };
        let keys = Sensitivity.keys(&[view(&[(0.5, 0.2)]), view(&[(0.5, 0.1)])]);
        assert!(keys[0].iter().zip(&keys[1]).all(|(a, b)| a > b), "{keys:?}");
    }
}
