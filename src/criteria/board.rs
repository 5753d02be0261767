//! The scoreboard: scores of all groups, kept up to date while channels are removed.

use std::sync::Arc;

use rayon::prelude::*;

use super::item::Positions;
use super::measure::MeasureState;
use super::setup;
use super::{Criterion, Error, GroupItems, ItemRole, Reduction, ScoreOptions, Weight};

/// Where an item's score is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The criterion does not read the item.
    Unread,
    /// One of the items of a state.
    Read { state: usize, index: usize },
}

/// An item, indexed for scoring.
#[derive(Debug)]
pub(super) struct ItemState {
    pub(super) role: ItemRole,
    pub(super) positions: Arc<Positions>,
    /// Every state that must hear of the item's dead positions, with the track that the item lies on.
    pub(super) listeners: Vec<(usize, usize)>,
    pub(super) source: Source,
}

/// A group, indexed for scoring.
#[derive(Debug)]
pub(super) struct GroupState {
    pub(super) items: Vec<ItemState>,
    pub(super) alive: Vec<bool>,
    /// Scores that do not change with what is removed: draws, statistics.
    pub(super) given: Option<Vec<f64>>,
    /// Whether the criterion itself scores the group, not its fallback.
    pub(super) own_plan: bool,
    pub(super) stale: bool,
    pub(super) scores: Vec<f64>,
}

/// Importance scores of all groups under removal of channels.
///
/// Scores are the same for any number of threads: parallel work is split over weights and groups only,
/// and every sum has one order. Memory beside the weights: a few numbers per axis position (and, for
/// criteria that compare channels, half a matrix of f32 per item).
pub struct Scoreboard {
    criterion: &'static dyn Criterion,
    options: ScoreOptions,
    states: Vec<Box<dyn MeasureState>>,
    /// Groups that read each state, ascending.
    readers: Vec<Vec<usize>>,
    groups: Vec<GroupState>,
    notes: Vec<String>,
}

impl Scoreboard {
    /// Scores all groups with nothing removed.
    ///
    /// Only weights that the criterion reads are kept and checked for NaN and infinities.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Item`] where the parts do not fit together, [`Error::NonFinite`] for
    /// a weight that is read, [`Error::NoBatchNorm`] from a criterion that reads nothing else.
    pub fn new(
        criterion: &'static dyn Criterion,
        weights: Vec<Weight>,
        groups: Vec<GroupItems>,
        options: ScoreOptions,
    ) -> Result<Self, Error> {
        let setup::Parts { states, readers, groups, notes } = setup::prepare(criterion, weights, groups, options)?;
        let mut board = Scoreboard { criterion, options, states, readers, groups, notes };
        board.rescore();
        Ok(board)
    }

    /// Removes channels from a group: all their positions in all the group's items are gone.
    ///
    /// Their scores are NaN at once; other scores follow at the next [`refresh`](Self::refresh).
    /// Channels that are gone already, and indices out of range, are ignored.
    pub fn remove(&mut self, group: usize, channels: &[usize]) {
        let Some(group) = self.groups.get_mut(group) else { return };
        for &c in channels {
            if !group.alive.get(c).copied().unwrap_or(false) {
                continue;
            }
            group.alive[c] = false;
            group.scores[c] = f64::NAN;
            group.stale = true;
            for item in &group.items {
                if let Source::Read { state, index } = item.source {
                    self.states[state].remove(index, c);
                }
                for &(state, track) in &item.listeners {
                    for &p in item.positions.of(c) {
                        self.states[state].survivors().kill(track, p);
                    }
                }
            }
        }
    }

    /// Scores again the groups that lost channels or read a weight that lost positions.
    pub fn refresh(&mut self) {
        for (state, readers) in self.states.iter().zip(&self.readers) {
            if state.stale() {
                for &g in readers {
                    self.groups[g].stale = true;
                }
            }
        }
        self.states.par_iter_mut().with_max_len(1).filter(|s| s.stale()).for_each(|s| s.apply());
        self.rescore();
    }

    fn rescore(&mut self) {
        let (states, criterion, options) = (&self.states, self.criterion, self.options);
        self.groups.par_iter_mut().filter(|g| g.stale).for_each(|group| {
            group.score(states, criterion, options);
            group.stale = false;
        });
    }

    /// Scores of a group: one per original channel, NaN where it was removed, lower is pruned first.
    /// Empty for a group that does not exist.
    pub fn scores(&self, group: usize) -> &[f64] {
        self.groups.get(group).map_or(&[], |g| &g.scores)
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The criterion that scores.
    pub fn criterion(&self) -> &'static dyn Criterion {
        self.criterion
    }

    /// What a reader of the scores should know: groups that the criterion could not score itself.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl GroupState {
    fn score(&mut self, states: &[Box<dyn MeasureState>], criterion: &dyn Criterion, options: ScoreOptions) {
        let survivors: Vec<usize> = (0..self.alive.len()).filter(|&c| self.alive[c]).collect();
        let mut scores = match &self.given {
            Some(given) => {
                let mut scores: Vec<f64> = survivors.iter().map(|&c| given[c]).collect();
                if self.items.iter().any(|i| i.source != Source::Unread) {
                    order_equals(&mut scores, &self.reduce(states, &survivors, options.reduction));
                }
                scores
            }
            None => self.reduce(states, &survivors, options.reduction),
        };
        if self.own_plan {
            criterion.finish(&mut scores);
        }
        options.normalization.apply(&mut scores);
        for (&c, s) in survivors.iter().zip(scores) {
            self.scores[c] = s;
        }
    }

    fn reduce(&self, states: &[Box<dyn MeasureState>], survivors: &[usize], reduction: Reduction) -> Vec<f64> {
        let mut scores = vec![0.0; survivors.len()];
        let read = || self.items.iter().filter(|i| i.source != Source::Unread);
        let only = match reduction {
            Reduction::First => read().find(|i| i.role == ItemRole::Out).or_else(|| read().next()),
            _ => None,
        };
        let mut count = 0usize;
        for item in read().filter(|i| only.is_none_or(|o| std::ptr::eq(*i, o))) {
            for (total, &c) in scores.iter_mut().zip(survivors) {
                reduction.fold(total, item.score(states, c), count == 0);
            }
            count += 1;
        }
        if reduction == Reduction::Mean && count > 1 {
            scores.iter_mut().for_each(|s| *s /= count as f64);
        }
        scores
    }
}

/// Orders equal scores by `second`, moving none past another, and none by more than a thousandth of the largest.
fn order_equals(scores: &mut [f64], second: &[f64]) {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let gap = sorted.windows(2).map(|w| w[1] - w[0]).filter(|g| *g > 0.0).fold(f64::INFINITY, f64::min);
    let largest = sorted.last().copied().unwrap_or(0.0).abs();
    let scale = second.iter().copied().fold(0.0, f64::max);
    if scale > 0.0 {
        // Equals that are all 0 are moved by an amount that any other score dwarfs.
        let room = (0.5 * gap).min(1e-3 * if largest > 0.0 { largest } else { 1e-6 });
        scores.iter_mut().zip(second).for_each(|(s, t)| *s += room * t / scale);
    }
}

impl ItemState {
    fn score(&self, states: &[Box<dyn MeasureState>], channel: usize) -> f64 {
        match self.source {
            Source::Unread => 0.0,
            Source::Read { state, index } => states[state].score(index, channel),
        }
    }
}
