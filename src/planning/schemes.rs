//! Schemes: in which order channels of different groups go.

use super::error::Error;

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
}

/// A scheme orders the removable units of all groups by one key; the lowest goes first.
pub trait Scheme: Sync {
    /// Name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// One line for lists.
    fn summary(&self) -> &'static str;

    /// Keys of the units of each group. Within a group keys must not fall.
    fn keys(&self, groups: &[GroupView]) -> Vec<Vec<f64>>;

    /// Whether the key is the share of the group (or class) that is gone once the unit goes.
    fn by_share(&self) -> bool {
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

/// All schemes, the default first.
pub fn schemes() -> &'static [&'static dyn Scheme] {
    &[&ProtectedGlobal, &Global, &Local, &Isomorphic]
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

/// Exponent of a group's gain in one ranking over all groups. 1 would empty the few slowest groups first.
const GAIN: f64 = 0.5;

/// What a unit costs in importance, for what it brings.
fn prices(g: &GroupView) -> Vec<f64> {
    let worth = g.gain.powf(GAIN).max(f64::MIN_POSITIVE);
    scores(g).into_iter().map(|s| if s > 0.0 { s / worth } else { s }).collect()
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
        "one ranking over all groups, but a floor of each group stays (--floor, 10 %)"
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
