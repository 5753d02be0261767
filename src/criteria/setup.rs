//! From weights and groups as given to what the scoreboard keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::board::{GroupState, ItemState, Source};
use super::distances::Distances;
use super::item::Positions;
use super::marginals::{Marginals, Power};
use super::state::State;
use super::survivors::Survivors;
use super::{Criterion, Error, GroupItems, Item, Measure, NOT_MINE, Plan, Roles, ScoreOptions, Weight, random};

/// The parts of a scoreboard.
pub(super) struct Parts {
    pub(super) states: Vec<State>,
    pub(super) readers: Vec<Vec<usize>>,
    pub(super) groups: Vec<GroupState>,
    pub(super) notes: Vec<String>,
}

/// Key of a state: the weight and what is measured of it.
type Key = (usize, Measure);

/// What a state must be built with.
#[derive(Default)]
struct Request {
    /// Axes that are read.
    scored: Vec<usize>,
    /// Items whose channels are compared: axis, positions, number of channels.
    compared: Vec<(usize, Arc<Positions>, usize)>,
}

pub(super) fn prepare(
    criterion: &'static dyn Criterion,
    weights: Vec<Weight>,
    groups: Vec<GroupItems>,
    options: ScoreOptions,
) -> Result<Parts, Error> {
    check(&weights, &groups)?;
    let (plans, notes) = plans(criterion, &groups)?;
    // What is read of items: the plan, or what orders equals where the plan reads none.
    let none = Plan { measure: Measure::Draw, roles: Roles::NONE };
    let read: Vec<Plan> = plans
        .iter()
        .map(|p| {
            if p.measure.reads_items() {
                *p
            } else {
                criterion.ties().filter(|_| *p == criterion.plan()).unwrap_or(none)
            }
        })
        .collect();

    let positions: Vec<Vec<Arc<Positions>>> = groups
        .iter()
        .map(|g| g.items.iter().map(|i| Arc::new(Positions::new(&i.channel, g.channels))).collect())
        .collect();
    let mut tracked: Vec<Vec<usize>> = vec![Vec::new(); weights.len()];
    let mut requests: BTreeMap<Key, Request> = BTreeMap::new();
    // Index of each item among the compared ones of its state.
    let mut compared: Vec<Vec<usize>> = Vec::with_capacity(groups.len());
    for ((group, plan), positions) in groups.iter().zip(&read).zip(&positions) {
        let mut indices = Vec::with_capacity(group.items.len());
        for (item, positions) in group.items.iter().zip(positions) {
            insert(&mut tracked[item.weight], item.axis);
            indices.push(0);
            if !plan.reads(item) {
                continue;
            }
            let request = requests.entry((item.weight, plan.measure)).or_default();
            insert(&mut request.scored, item.axis);
            if let (Measure::Distances, Some(index)) = (plan.measure, indices.last_mut()) {
                *index = request.compared.len();
                request.compared.push((item.axis, Arc::clone(positions), group.channels));
            }
        }
        compared.push(indices);
    }

    let keys: Vec<Key> = requests.keys().copied().collect();
    // Weights that nothing reads are dropped here.
    let weights: Vec<Option<Arc<Weight>>> = weights
        .into_iter()
        .enumerate()
        .map(|(w, weight)| keys.iter().any(|k| k.0 == w).then(|| Arc::new(weight)))
        .collect();
    let requests: Vec<(Key, Request)> = requests.into_iter().collect();
    let states = requests
        .par_iter()
        .with_max_len(1)
        .filter_map(|((w, measure), request)| {
            let weight = weights[*w].clone()?;
            Some(build(weight, *measure, &tracked[*w], request))
        })
        .collect::<Vec<Result<State, Error>>>()
        .into_iter()
        .collect::<Result<Vec<State>, Error>>()?;

    let mut readers = vec![Vec::new(); states.len()];
    let mut built = Vec::with_capacity(groups.len());
    let given: Vec<Option<Vec<f64>>> =
        groups.par_iter().zip(&plans).map(|(group, plan)| given(criterion, *plan, group, options.seed)).collect();
    for (g, (((group, plan), given), positions)) in groups.into_iter().zip(&read).zip(given).zip(positions).enumerate()
    {
        let mut items = Vec::with_capacity(group.items.len());
        for ((item, positions), &index) in group.items.iter().zip(positions).zip(&compared[g]) {
            let track = tracked[item.weight].iter().position(|&a| a == item.axis).unwrap_or(0);
            let mut state = ItemState { role: item.role, positions, listeners: Vec::new(), source: Source::Unread };
            for (s, _) in keys.iter().enumerate().filter(|(_, k)| k.0 == item.weight) {
                state.listeners.push((s, track));
                if plan.reads(item) && keys[s].1 == plan.measure {
                    state.source = match plan.measure {
                        Measure::Distances => Source::Distances { state: s, index },
                        _ => Source::Sums { state: s, track },
                    };
                    insert(&mut readers[s], g);
                }
            }
            items.push(state);
        }
        built.push(GroupState {
            items,
            alive: vec![true; group.channels],
            given,
            own_plan: plans[g] == criterion.plan(),
            stale: true,
            scores: vec![f64::NAN; group.channels],
        });
    }
    Ok(Parts { states, readers, groups: built, notes })
}

impl Plan {
    fn reads(&self, item: &Item) -> bool {
        self.measure.reads_items() && self.roles.contains(item.role)
    }

    /// Whether there is anything of the group to measure.
    fn applies(&self, group: &GroupItems) -> bool {
        match self.measure {
            Measure::Draw => true,
            Measure::Ranks => group.statistics.ranks.as_ref().is_some_and(|r| r.len() == group.channels),
            Measure::Errors => group.statistics.errors.as_ref().is_some_and(|e| e.len() == group.channels),
            Measure::Variances => group.statistics.variances.as_ref().is_some_and(|v| v.len() == group.channels),
            Measure::Shares => group.statistics.gram.as_ref().is_some_and(|g| g.len() == group.channels.pow(2)),
            Measure::SumAbs | Measure::SumSquares | Measure::Distances => group.items.iter().any(|i| self.reads(i)),
        }
    }
}

/// Scores that are taken once and stay, where the plan reads no item.
fn given(criterion: &dyn Criterion, plan: Plan, group: &GroupItems, seed: u64) -> Option<Vec<f64>> {
    match plan.measure {
        Measure::Draw => Some(random::draws(seed, &group.name, group.channels)),
        Measure::Ranks => group.statistics.ranks.clone(),
        Measure::Errors => group.statistics.errors.clone(),
        Measure::Variances => group.statistics.variances.clone(),
        Measure::Shares => group.statistics.gram.as_ref().map(|gram| criterion.of_shares(gram, group.channels)),
        Measure::SumAbs | Measure::SumSquares | Measure::Distances => None,
    }
}

fn insert(sorted: &mut Vec<usize>, value: usize) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
}

fn build(weight: Arc<Weight>, measure: Measure, tracked: &[usize], request: &Request) -> Result<State, Error> {
    let survivors = Survivors::new(&weight, tracked);
    let scored: Vec<bool> = tracked.iter().map(|a| request.scored.contains(a)).collect();
    let power = match measure {
        Measure::Distances => {
            let track = |axis: usize| tracked.iter().position(|&a| a == axis).unwrap_or(0);
            let items = request.compared.iter().map(|(axis, p, n)| (track(*axis), Arc::clone(p), *n)).collect();
            return Ok(State::Distances(Distances::new(weight, survivors, items)?));
        }
        Measure::SumAbs => Power::One,
        // The rest read no item and are never asked for.
        Measure::SumSquares
        | Measure::Draw
        | Measure::Ranks
        | Measure::Shares
        | Measure::Errors
        | Measure::Variances => Power::Two,
    };
    Ok(State::Sums(Marginals::new(weight, power, survivors, &scored)?))
}

/// The plan that scores each group, and a note for each group that is not scored by the criterion's own.
fn plans(criterion: &'static dyn Criterion, groups: &[GroupItems]) -> Result<(Vec<Plan>, Vec<String>), Error> {
    let own = criterion.plan();
    if !groups.is_empty()
        && !groups.iter().any(|g| own.applies(g))
        && let Some(error) = criterion.nothing_to_read()
    {
        return Err(error);
    }
    let mut notes = Vec::new();
    let plans = groups
        .iter()
        .map(|group| {
            if own.applies(group) {
                return own;
            }
            let name = &group.name;
            match criterion.fallback().filter(|plan| plan.applies(group)) {
                Some(plan) => {
                    notes.push(format!("group '{name}': nothing that {} reads; scored by l2", criterion.name()));
                    plan
                }
                None => {
                    notes.push(format!("group '{name}': no weight to score; all its channels score 0"));
                    Plan { measure: Measure::SumSquares, roles: Roles::NONE }
                }
            }
        })
        .collect();
    Ok((plans, notes))
}

/// Checks that weights, items and groups fit together, so that nothing later can be out of range.
fn check(weights: &[Weight], groups: &[GroupItems]) -> Result<(), Error> {
    for weight in weights {
        let size = weight.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if size != Some(weight.data.len()) {
            let (weight, shape, found) = (weight.name.clone(), weight.shape.clone(), weight.data.len());
            return Err(Error::Shape { weight, shape, found });
        }
    }
    for group in groups {
        for (index, item) in group.items.iter().enumerate() {
            if let Err(reason) = check_item(item, weights, group.channels) {
                return Err(Error::Item { group: group.name.clone(), item: index, reason });
            }
        }
    }
    Ok(())
}

fn check_item(item: &Item, weights: &[Weight], channels: usize) -> Result<(), String> {
    let weight = weights.get(item.weight).ok_or_else(|| format!("there is no weight {}", item.weight))?;
    let size = *weight.shape.get(item.axis).ok_or_else(|| format!("'{}' has no axis {}", weight.name, item.axis))?;
    if item.channel.len() != size || u32::try_from(size).is_err() {
        return Err(format!(
            "axis {} of '{}' has {size} positions, the item {}",
            item.axis,
            weight.name,
            item.channel.len()
        ));
    }
    match item.channel.iter().find(|&&c| c != NOT_MINE && c as usize >= channels) {
        Some(c) => Err(format!("channel {c} of {channels}")),
        None => Ok(()),
    }
}
