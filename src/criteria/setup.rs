//! From weights and groups as given to what the scoreboard keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::board::{GroupState, ItemState, Source};
use super::item::Positions;
use super::measure::{Measure, MeasureState, ReadItem, Reading};
use super::plan::{Chosen, NOTHING, Score, ScorePlan, plans};
use super::survivors::Survivors;
use super::{Criterion, Error, GroupItems, NOT_MINE, ScoreOptions, ScoredItem, Weight};

/// The parts of a scoreboard.
pub(super) struct Parts {
    pub(super) states: Vec<Box<dyn MeasureState>>,
    pub(super) readers: Vec<Vec<usize>>,
    pub(super) groups: Vec<GroupState>,
    pub(super) notes: Vec<String>,
}

/// Key of a state: the weight and the name of what is measured of it.
type Key = (usize, &'static str);

/// What a state must be built with.
struct ScoreRequest {
    measure: &'static dyn Measure,
    items: Vec<ReadItem>,
}

pub(super) fn prepare(
    criterion: &'static dyn Criterion,
    weights: Vec<Weight>,
    groups: Vec<GroupItems>,
    options: ScoreOptions,
) -> Result<Parts, Error> {
    check(&weights, &groups)?;
    let (plans, notes) = plans(criterion, &weights, &groups)?;
    let given: Vec<Option<Vec<f64>>> =
        groups.par_iter().zip(&plans).map(|(group, chosen)| chosen.plan.given(group, options.seed)).collect();
    let tracked = tracked(&weights, &groups);
    let (requests, groups) = requests(criterion, &plans, &weights, &tracked, groups);
    let keys: Vec<Key> = requests.keys().copied().collect();
    let states = states(requests, weights, &tracked)?;
    let mut readers = vec![Vec::new(); states.len()];
    let built = groups.into_iter().zip(plans).zip(given).enumerate().map(|(g, ((placed, chosen), given))| {
        let items = placed.items.into_iter().map(|item| {
            let own = |s: &usize| keys[*s].0 == item.weight;
            let listeners = (0..keys.len()).filter(own).map(|s| (s, item.track)).collect();
            let source = match item.read.and_then(|(key, index)| Some((keys.binary_search(&key).ok()?, index))) {
                Some((state, index)) => {
                    insert(&mut readers[state], g);
                    Source::Read { state, index }
                }
                None => Source::Unread,
            };
            ItemState { role: item.role, positions: item.positions, listeners, source }
        });
        GroupState {
            items: items.collect(),
            alive: vec![true; placed.channels],
            given,
            own_plan: chosen.own,
            stale: true,
            scores: vec![f64::NAN; placed.channels],
        }
    });
    let groups = built.collect();
    Ok(Parts { states, readers, groups, notes })
}

/// The axes of each weight that items lie on, ascending.
fn tracked(weights: &[Weight], groups: &[GroupItems]) -> Vec<Vec<usize>> {
    let mut tracked: Vec<Vec<usize>> = vec![Vec::new(); weights.len()];
    for item in groups.iter().flat_map(|g| &g.items) {
        insert(&mut tracked[item.weight], item.axis);
    }
    tracked
}

/// A group whose items know where they are read.
struct Placed {
    channels: usize,
    items: Vec<PlacedItem>,
}

struct PlacedItem {
    weight: usize,
    track: usize,
    role: super::ItemRole,
    positions: Arc<Positions>,
    /// The state that reads the item, and its index there.
    read: Option<(Key, usize)>,
}

/// What is read of each weight, and where each item is read.
fn requests(
    criterion: &'static dyn Criterion,
    plans: &[Chosen],
    weights: &[Weight],
    tracked: &[Vec<usize>],
    groups: Vec<GroupItems>,
) -> (BTreeMap<Key, ScoreRequest>, Vec<Placed>) {
    let mut requests: BTreeMap<Key, ScoreRequest> = BTreeMap::new();
    let groups = groups.into_iter().zip(plans).map(|(group, chosen)| {
        let plan = reading(criterion, chosen);
        let channels = group.channels;
        let items = group.items.into_iter().map(|item| {
            let positions = Arc::new(Positions::new(&item.channel, channels));
            let track = tracked[item.weight].iter().position(|&a| a == item.axis).unwrap_or(0);
            let read = plan.reads(&item, weights).map(|measure| {
                let key = (item.weight, measure.name());
                let request = requests.entry(key).or_insert_with(|| ScoreRequest { measure, items: Vec::new() });
                request.items.push(ReadItem { track, positions: Arc::clone(&positions), channels });
                (key, request.items.len() - 1)
            });
            PlacedItem { weight: item.weight, track, role: item.role, positions, read }
        });
        Placed { channels, items: items.collect() }
    });
    let groups = groups.collect();
    (requests, groups)
}

/// What is read of a group's items: its plan, or what orders equals where the plan reads none.
fn reading(criterion: &'static dyn Criterion, chosen: &Chosen) -> ScorePlan {
    match chosen.plan.0 {
        Score::Items(..) => chosen.plan,
        Score::Group(..) => criterion.ties().filter(|_| chosen.own).unwrap_or(NOTHING),
    }
}

/// Weights that nothing reads are dropped here.
fn states(
    requests: BTreeMap<Key, ScoreRequest>,
    weights: Vec<Weight>,
    tracked: &[Vec<usize>],
) -> Result<Vec<Box<dyn MeasureState>>, Error> {
    let read = |w: usize| requests.keys().any(|k| k.0 == w);
    let kept = weights.into_iter().enumerate().map(|(w, weight)| read(w).then(|| Arc::new(weight)));
    let weights: Vec<Option<Arc<Weight>>> = kept.collect();
    let requests: Vec<(Key, ScoreRequest)> = requests.into_iter().collect();
    let build = |((w, _), request): (Key, ScoreRequest)| {
        let weight = weights[w].clone()?;
        let survivors = Survivors::new(&weight, &tracked[w]);
        Some(request.measure.state(Reading { weight, survivors, items: request.items }))
    };
    let all: Vec<Result<Box<dyn MeasureState>, Error>> =
        requests.into_par_iter().with_max_len(1).filter_map(build).collect();
    all.into_iter().collect()
}

fn insert(sorted: &mut Vec<usize>, value: usize) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
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

fn check_item(item: &ScoredItem, weights: &[Weight], channels: usize) -> Result<(), String> {
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
