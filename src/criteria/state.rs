//! What is kept of one weight for one measure.

use super::distances::Distances;
use super::marginals::Marginals;

/// What is kept of one weight for one measure.
#[derive(Debug)]
pub(super) enum State {
    Sums(Marginals),
    Distances(Distances),
}

impl State {
    /// Removes a position; it is counted until [`apply`](Self::apply).
    pub(super) fn kill(&mut self, track: usize, position: u32) {
        match self {
            State::Sums(sums) => sums.survivors.kill(track, position),
            State::Distances(distances) => distances.survivors.kill(track, position),
        }
    }

    /// Removes a channel from a compared item.
    pub(super) fn remove(&mut self, index: usize, channel: usize) {
        if let State::Distances(distances) = self {
            distances.items[index].remove(channel);
        }
    }

    /// Whether there is anything to apply.
    pub(super) fn stale(&self) -> bool {
        match self {
            State::Sums(sums) => sums.survivors.stale(),
            State::Distances(distances) => distances.stale(),
        }
    }

    /// Brings the measure up to date.
    pub(super) fn apply(&mut self) {
        match self {
            State::Sums(sums) => sums.apply(),
            State::Distances(distances) => distances.apply(),
        }
    }

    /// Sum over the positions of a track.
    pub(super) fn sum(&self, track: usize, positions: &[u32]) -> f64 {
        match self {
            State::Sums(sums) => {
                let sums = sums.sums(track);
                positions.iter().map(|&p| sums[p as usize]).sum()
            }
            State::Distances(_) => 0.0,
        }
    }

    /// Sum of a channel's distances to the others of a compared item.
    pub(super) fn distance(&self, index: usize, channel: usize) -> f64 {
        match self {
            State::Distances(distances) => distances.items[index].sum(channel),
            State::Sums(_) => 0.0,
        }
    }
}
