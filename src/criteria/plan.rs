//! What a criterion measures, and on what.

use super::item::Roles;
use super::l2::Square;
use super::measure::Measure;
use super::{Error, GroupItems, ScoredItem, Weight};
use crate::statistics::{AnyKey, GroupStatistics, Key, OfGroup, Pass, line};

/// What a criterion must be given: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    /// Nothing but the groups.
    pub const NOTHING: Needs = Needs(0);
    /// Values of weights.
    pub const WEIGHTS: Needs = Needs(1);
    /// Activations on calibration data.
    pub const ACTIVATIONS: Needs = Needs(2);
    /// Gradients of the mean loss over calibration data.
    pub const GRADIENTS: Needs = Needs(4);
    /// Gradients of each sample's loss.
    pub const SAMPLE_GRADIENTS: Needs = Needs(8);

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn and(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether gradients of any kind are in the set.
    pub const fn reads_gradients(self) -> bool {
        self.contains(Needs::GRADIENTS) || self.contains(Needs::SAMPLE_GRADIENTS)
    }

    /// What a statistic is made of.
    fn of(key: &dyn AnyKey) -> Needs {
        match line(key).map(|l| l.pass) {
            Some(Pass::Moments(_) | Pass::Maps(_) | Pass::Curves(_)) => Needs::ACTIVATIONS,
            Some(Pass::Gradients) => Needs::GRADIENTS,
            Some(Pass::SampleGradients) => Needs::SAMPLE_GRADIENTS,
            None => Needs::NOTHING,
        }
    }
}

/// How a group's channels get their scores.
#[derive(Clone, Copy)]
pub(super) enum Score {
    /// Measured of each item of some roles, and kept true while channels go.
    Items(&'static dyn Measure, Roles),
    /// Made once of what is known of the group.
    Group(&'static [&'static dyn AnyKey], fn(&Known) -> Vec<f64>),
}

/// What a criterion measures, and on which items.
#[derive(Clone, Copy)]
pub struct ScorePlan(pub(super) Score);

impl ScorePlan {
    /// Squares of all weights.
    pub const L2: ScorePlan = ScorePlan::items(&Square, Roles::SCORED);

    /// A measure of each item with one of these roles; the items of a group are then reduced to one score per channel.
    pub const fn items(measure: &'static dyn Measure, roles: Roles) -> ScorePlan {
        ScorePlan(Score::Items(measure, roles))
    }

    /// One score per channel, made once of statistics of the group; channels that go change no other's.
    pub const fn group(keys: &'static [&'static dyn AnyKey], scores: fn(&Known) -> Vec<f64>) -> ScorePlan {
        ScorePlan(Score::Group(keys, scores))
    }

    /// The statistics that are read.
    pub fn statistics(&self) -> Vec<&'static dyn AnyKey> {
        match self.0 {
            Score::Items(measure, _) => measure.statistic().into_iter().collect(),
            Score::Group(keys, _) => keys.to_vec(),
        }
    }

    /// What must be given. Statistics may be missing for some groups, which are then scored by weights.
    pub fn needs(&self) -> Needs {
        let reads = self.statistics();
        let own = match self.0 {
            Score::Group(..) if reads.is_empty() => Needs::NOTHING,
            _ => Needs::WEIGHTS,
        };
        reads.into_iter().fold(own, |needs, key| needs.and(Needs::of(key)))
    }

    /// The measure, where the plan reads this item.
    pub(super) fn reads(&self, item: &ScoredItem, weights: &[Weight]) -> Option<&'static dyn Measure> {
        let Score::Items(measure, roles) = self.0 else { return None };
        let known = match measure.statistic() {
            Some(key) => weights.get(item.weight).is_some_and(|w| w.statistics.has(key)),
            None => true,
        };
        (roles.contains(item.role) && known).then_some(measure)
    }

    /// Whether there is anything of the group to measure.
    pub(super) fn applies(&self, group: &GroupItems, weights: &[Weight]) -> bool {
        match self.0 {
            Score::Items(..) => group.items.iter().any(|i| self.reads(i, weights).is_some()),
            Score::Group(keys, _) => keys.iter().all(|key| {
                let numbers = group.statistics.named(key.name()).map(<[f64]>::len);
                numbers.is_some() && numbers == key.extent().of_group(group.channels)
            }),
        }
    }

    /// Scores of a group that are made once; `None` where they are measured of its items.
    pub fn given(&self, group: &GroupItems, seed: u64) -> Option<Vec<f64>> {
        let Score::Group(_, scores) = self.0 else { return None };
        let (name, channels, statistics) = (group.name.as_str(), group.channels, &group.statistics);
        Some(scores(&Known { name, channels, seed, statistics }))
    }
}

/// What is known of a group that a criterion scores as a whole.
pub struct Known<'g> {
    /// The group's name.
    pub name: &'g str,
    /// Its channels.
    pub channels: usize,
    /// Seed of the run.
    pub seed: u64,
    statistics: &'g GroupStatistics,
}

impl Known<'_> {
    /// The numbers of a statistic that the plan reads: C of them, or C × C row-major.
    pub fn of<E: OfGroup>(&self, key: Key<E>) -> &[f64] {
        self.statistics.get(key).unwrap_or_default()
    }
}

/// The plan that scores each group.
pub(super) struct Chosen {
    pub(super) plan: ScorePlan,
    /// Whether it is the criterion's own, not its fallback.
    pub(super) own: bool,
}

/// Nothing is read, and all channels score 0.
pub(super) const NOTHING: ScorePlan = ScorePlan::items(&Square, Roles::NONE);

/// The plan that scores each group, and a note for each group that is not scored by the criterion's own.
pub(super) fn plans(
    criterion: &'static dyn super::Criterion,
    weights: &[Weight],
    groups: &[GroupItems],
) -> Result<(Vec<Chosen>, Vec<String>), Error> {
    let own = criterion.plan();
    let applies = |g: &GroupItems| own.applies(g, weights);
    if !groups.is_empty()
        && !groups.iter().any(applies)
        && let Some(error) = criterion.nothing_to_read()
    {
        return Err(error);
    }
    let mut notes = Vec::new();
    let plans = groups.iter().map(|group| {
        if applies(group) {
            return Chosen { plan: own, own: true };
        }
        let name = &group.name;
        let plan = match criterion.fallback().filter(|plan| plan.applies(group, weights)) {
            Some(plan) => {
                notes.push(format!("group '{name}': nothing that {} reads; scored by l2", criterion.name()));
                plan
            }
            None => {
                notes.push(format!("group '{name}': no weight to score; all its channels score 0"));
                NOTHING
            }
        };
        Chosen { plan, own: false }
    });
    let plans = plans.collect();
    Ok((plans, notes))
}
