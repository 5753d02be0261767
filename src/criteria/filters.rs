//! Filters of an item's channels, read from the weight where it lies.

use super::item::Positions;
use super::survivors::Survivors;
use super::weight::Value;

/// The rows of an item: channel c's filter is the concatenation of the rows of its positions, in order.
///
/// A row's values stand at `position · inner + column` for the offsets in a list of columns. Positions
/// that are dead, or that one channel has fewer of than another, read as zeros.
pub(super) struct Filters<'a, V> {
    pub(super) values: &'a [V],
    /// Values between neighbouring positions of the item's axis.
    pub(super) inner: usize,
    pub(super) positions: &'a Positions,
    /// Per position of the axis.
    pub(super) dead: &'a [bool],
}

impl<V: Value> Filters<'_, V> {
    /// Offset of the row of a channel's `rank`-th position.
    #[inline]
    fn row(&self, channel: u32, rank: usize) -> Option<usize> {
        let &p = self.positions.of(channel as usize).get(rank)?;
        (!self.dead[p as usize]).then(|| p as usize * self.inner)
    }

    /// Ranks at which any of the channels has a living position.
    pub(super) fn ranks(&self, channels: &[u32]) -> Vec<usize> {
        (0..self.positions.width()).filter(|&r| channels.iter().any(|&c| self.row(c, r).is_some())).collect()
    }

    /// Writes a channel's values, `ranks` × `columns`, times `scale`.
    pub(super) fn pack(&self, channel: u32, ranks: &[usize], columns: &[usize], scale: f32, to: &mut [f32]) {
        if columns.is_empty() {
            return;
        }
        for (&rank, to) in ranks.iter().zip(to.chunks_exact_mut(columns.len())) {
            match self.row(channel, rank) {
                Some(row) => {
                    for (to, &column) in to.iter_mut().zip(columns) {
                        *to = self.values[row + column].get() * scale;
                    }
                }
                None => to.fill(0.0),
            }
        }
    }

    /// Squared distance of two filters in f64, unscaled.
    pub(super) fn squared_distance(&self, a: u32, b: u32, columns: &[usize]) -> f64 {
        let mut sum = 0.0f64;
        for rank in 0..self.positions.width() {
            let value = |row: usize, column: usize| f64::from(self.values[row + column].get());
            sum += match (self.row(a, rank), self.row(b, rank)) {
                (Some(a), Some(b)) => columns.iter().map(|&c| (value(a, c) - value(b, c)).powi(2)).sum(),
                (Some(row), None) | (None, Some(row)) => columns.iter().map(|&c| value(row, c).powi(2)).sum(),
                (None, None) => 0.0,
            };
        }
        sum
    }
}

/// Column offsets of a row along `track`: every combination of positions on the other axes.
pub(super) fn columns(shape: &[usize], axis: usize) -> (usize, Vec<usize>) {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let step = shape[axis] * inner;
    (inner, (0..outer).flat_map(|o| (0..inner).map(move |i| o * step + i)).collect())
}

/// Takes the columns out of the list that lie at a dead position of a track other than `track`.
pub(super) fn take_dead(columns: &mut Vec<usize>, shape: &[usize], survivors: &Survivors, track: usize) -> Vec<usize> {
    let changed: Vec<(usize, usize, &[bool])> = survivors
        .axes
        .iter()
        .enumerate()
        .filter(|(t, a)| *t != track && !a.pending.is_empty())
        .map(|(_, a)| (shape[a.axis + 1..].iter().product(), shape[a.axis], a.dead.as_slice()))
        .collect();
    let mut gone = Vec::new();
    if !changed.is_empty() {
        columns.retain(|&c| {
            let dead = changed.iter().any(|&(stride, size, dead)| dead[c / stride % size]);
            if dead {
                gone.push(c);
            }
            !dead
        });
    }
    gone
}
