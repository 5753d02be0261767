//! Sums of distances between the filters of an item, kept up to date while rows and columns go.
//!
//! One Gram matrix gives all squared distances; removed columns are taken away from them by a pass
//! over the packed triangle that also sums the roots. The triangle is half a matrix of f32: C²·2 bytes.

use std::sync::Arc;

use ndarray::{ArrayView2, linalg::general_mat_mul};
use rayon::prelude::*;

use super::filters::{Filters, columns, take_dead};
use super::item::Positions;
use super::measure::{Measure, MeasureState, ReadItem, Reading};
use super::pairs::{BLOCK, Block, Gone, Partial, Pass};
use super::survivors::Survivors;
use super::weight::{Value, with_values};
use super::{Error, Weight};
use crate::statistics::AnyKey;

/// Updates after which rounding of f32 could show: the triangle is then built anew.
const UPDATES: usize = 500;

/// From so many gone columns on, what they add to the distances is one matrix product.
const MANY: usize = 16;

/// Below this part of what it was when summed, a sum is made again, not subtracted from.
const CANCELLATION: f64 = 0.1;

/// The items of one weight whose filters are compared.
#[derive(Debug)]
struct Distances {
    weight: Arc<Weight>,
    survivors: Survivors,
    items: Vec<ItemDistances>,
}

/// The distances among one item's channels.
#[derive(Debug)]
struct ItemDistances {
    track: usize,
    positions: Arc<Positions>,
    inner: usize,
    columns: Vec<usize>,
    /// Channel of each row of the triangle, and whether it lives.
    channels: Vec<u32>,
    live: Vec<bool>,
    base: Vec<f32>,
    blocks: Vec<Block>,
    /// Weights are multiplied by this power of two, so that no square leaves the range of f32.
    scale: f32,
    /// Per channel, scaled; and as last summed.
    sums: Vec<f64>,
    fresh: Vec<f64>,
    /// Channels removed since the last update.
    removed: Vec<u32>,
    updates: usize,
    rebuild: bool,
}

/// Σ over the other surviving channels of the Euclidean distance between the two filters.
pub(super) struct FilterDistances;

impl Measure for FilterDistances {
    fn name(&self) -> &'static str {
        "distances"
    }

    fn statistic(&self) -> Option<&'static dyn AnyKey> {
        None
    }

    fn state(&self, reading: Reading) -> Result<Box<dyn MeasureState>, Error> {
        Ok(Box::new(Distances::new(reading)?))
    }
}

impl Distances {
    /// Measures the items of a weight.
    fn new(reading: Reading) -> Result<Distances, Error> {
        let Reading { weight, survivors, items } = reading;
        let finite =
            with_values!(&weight.data, values => values.par_iter().with_min_len(1 << 16).all(|v| v.get().is_finite()));
        if !finite {
            return Err(Error::NonFinite { weight: weight.name.clone() });
        }
        let item = |ReadItem { track, positions, channels }: ReadItem| {
            let (inner, columns) = columns(&weight.shape, survivors.axes[track].axis);
            ItemDistances {
                track,
                positions,
                inner,
                columns,
                channels: (0..channels as u32).collect(),
                live: vec![true; channels],
                base: Vec::new(),
                blocks: Vec::new(),
                scale: 1.0,
                sums: vec![0.0; channels],
                fresh: Vec::new(),
                removed: Vec::new(),
                updates: 0,
                rebuild: true,
            }
        };
        let items = items.into_iter().map(item).collect();
        let mut this = Distances { weight, survivors, items };
        this.apply();
        Ok(this)
    }
}

impl MeasureState for Distances {
    fn survivors(&mut self) -> &mut Survivors {
        &mut self.survivors
    }

    fn remove(&mut self, item: usize, channel: usize) {
        self.items[item].removed.push(channel as u32);
    }

    fn stale(&self) -> bool {
        self.survivors.stale() || self.items.iter().any(|i| !i.removed.is_empty())
    }

    /// Brings the sums up to date with what was removed.
    fn apply(&mut self) {
        let (weight, survivors) = (&self.weight, &self.survivors);
        self.items.par_iter_mut().with_max_len(1).for_each(|item| {
            with_values!(&weight.data, values => item.apply(values, &weight.shape, survivors));
        });
        for track in 0..self.survivors.axes.len() {
            self.survivors.settle(track);
        }
    }

    fn score(&self, item: usize, channel: usize) -> f64 {
        self.items[item].sum(channel)
    }
}

impl ItemDistances {
    /// Σ of distances to the other surviving channels.
    fn sum(&self, channel: usize) -> f64 {
        self.sums[channel] / f64::from(self.scale)
    }

    fn apply<V: Value>(&mut self, values: &[V], shape: &[usize], survivors: &Survivors) {
        let axis = &survivors.axes[self.track];
        let gone = take_dead(&mut self.columns, shape, survivors, self.track);
        // Rows are in ascending order of channels.
        let removed = std::mem::take(&mut self.removed);
        let was: Vec<usize> = removed.iter().filter_map(|c| self.channels.binary_search(c).ok()).collect();
        was.iter().for_each(|&i| self.live[i] = false);
        let dead = self.live.iter().filter(|live| !**live).count();

        let positions = Arc::clone(&self.positions);
        let filters = Filters { values, inner: self.inner, positions: &positions, dead: &axis.dead };
        // A living channel that lost a position to another group has another filter now.
        let maimed = !axis.pending.is_empty() && {
            let mut pending = vec![false; axis.dead.len()];
            axis.pending.iter().for_each(|&p| pending[p as usize] = true);
            let living = self.channels.iter().zip(&self.live).filter(|(_, live)| **live);
            living.into_iter().any(|(&c, _)| positions.of(c as usize).iter().any(|&p| pending[p as usize]))
        };
        self.updates += usize::from(!gone.is_empty());
        if self.rebuild || maimed || self.updates > UPDATES || gone.len() > self.columns.len() {
            self.build(&filters);
        } else if !gone.is_empty() || dead * 8 > self.channels.len() || !self.subtract(&was) {
            self.sweep(&filters, &gone);
        }
    }

    /// Builds the triangle from the surviving filters.
    fn build<V: Value>(&mut self, filters: &Filters<V>) {
        self.drop_dead();
        let n = self.channels.len();
        let ranks = filters.ranks(&self.channels);
        let depth = ranks.len() * self.columns.len();
        let mut a = pack(filters, &self.channels, &ranks, &self.columns, 1.0);
        self.scale = rescale(&mut a);
        center(&mut a, depth);
        let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
        (self.base, self.blocks) = triangle(&a, depth, &starts, n);
        drop(a);
        self.updates = 0;
        self.sweep(filters, &[]);
        self.rebuild = false;
    }

    /// Takes the gone columns away from the triangle, drops the dead rows, and sums.
    fn sweep<V: Value>(&mut self, filters: &Filters<V>, gone: &[usize]) {
        let runs = self.runs();
        let live = std::mem::take(&mut self.live);
        self.keep(&live);
        let n = self.channels.len();
        let ranks = if gone.is_empty() { Vec::new() } else { filters.ranks(&self.channels) };
        let (few, many);
        let gone = if gone.len() < MANY {
            few = gather(filters, &self.channels, &ranks, gone, self.scale);
            Gone::Columns(&few)
        } else {
            many = self.taken(filters, &ranks, gone, &live);
            Gone::Blocks(&many)
        };
        let square = f64::from(self.scale) * f64::from(self.scale);
        let columns = &self.columns;
        let exact = |a: u32, b: u32| (filters.squared_distance(a, b, columns) * square) as f32;
        let pass = Pass { live: &live, runs: &runs, channels: &self.channels, base: &self.base, gone, exact: &exact };
        let partials: Vec<Partial> = self.blocks.par_iter_mut().with_max_len(1).map(|b| b.pass(&pass)).collect();
        let recomputed: usize = partials.iter().map(|p| p.recomputed).sum();
        self.rebuild = recomputed > 16.max(n * n / 128);

        let mut sums = vec![0.0f64; n];
        let mut row = 0;
        for partial in partials {
            for own in partial.own {
                sums[row] += own;
                row += 1;
            }
            sums.iter_mut().zip(partial.others).for_each(|(s, o)| *s += f64::from(o));
        }
        self.blocks.retain(|b| b.rows > 0);
        for (&c, s) in self.channels.iter().zip(sums) {
            self.sums[c as usize] = s;
        }
        self.fresh.clone_from(&self.sums);
        self.live = vec![true; n];
    }

    /// What the gone columns add to the squared distances of the living rows, in blocks as they will be.
    fn taken<V: Value>(&self, filters: &Filters<V>, ranks: &[usize], gone: &[usize], live: &[bool]) -> Vec<Block> {
        let mut a = pack(filters, &self.channels, ranks, gone, self.scale);
        let depth = ranks.len() * gone.len();
        center(&mut a, depth);
        let living = |to: usize| live[..to].iter().filter(|l| **l).count();
        let starts: Vec<usize> = self.blocks.iter().map(|b| living(b.first)).collect();
        triangle(&a, depth, &starts, self.channels.len()).1
    }

    /// Subtracts the distances to the rows that died; false where a sum lost too many digits to it.
    fn subtract(&mut self, dead: &[usize]) -> bool {
        for &i in dead {
            for k in (0..self.channels.len()).filter(|&k| self.live[k]) {
                let (low, high) = (i.min(k), i.max(k));
                let block = self.blocks.partition_point(|b| b.first <= high) - 1;
                let channel = self.channels[k] as usize;
                self.sums[channel] -= f64::from(self.blocks[block].get(high, low).sqrt());
            }
        }
        let mut living = self.channels.iter().zip(&self.live).filter(|(_, live)| **live);
        living.all(|(&c, _)| self.sums[c as usize] >= CANCELLATION * self.fresh[c as usize])
    }

    /// Maximal runs of living rows: start, start without the dead, length.
    fn runs(&self) -> Vec<(usize, usize, usize)> {
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        let living = (0..self.live.len()).filter(|&i| self.live[i]);
        for (new, old) in living.enumerate() {
            match runs.last_mut() {
                Some(run) if run.0 + run.2 == old => run.2 += 1,
                _ => runs.push((old, new, 1)),
            }
        }
        runs
    }

    /// Forgets dead rows; the triangle is about to be built.
    fn drop_dead(&mut self) {
        let live = std::mem::take(&mut self.live);
        self.keep(&live);
        self.live = vec![true; self.channels.len()];
        self.blocks.clear();
    }

    fn keep(&mut self, live: &[bool]) {
        let mut at = live.iter();
        self.channels.retain(|_| at.next().copied().unwrap_or(false));
        let mut at = live.iter();
        self.base.retain(|_| at.next().copied().unwrap_or(false));
    }
}

/// Values of some columns, row after row: channels × (`ranks` × `columns`).
fn pack<V: Value>(filters: &Filters<V>, channels: &[u32], ranks: &[usize], columns: &[usize], scale: f32) -> Vec<f32> {
    let depth = ranks.len() * columns.len();
    let mut a = vec![0f32; channels.len() * depth];
    if depth > 0 {
        a.par_chunks_mut(depth).zip(channels).for_each(|(row, &channel)| {
            filters.pack(channel, ranks, columns, scale, row);
        });
    }
    a
}

/// Values of the gone columns, one column (of each rank) after another, each over all channels.
fn gather<V: Value>(filters: &Filters<V>, channels: &[u32], ranks: &[usize], gone: &[usize], scale: f32) -> Vec<f32> {
    let (n, depth) = (channels.len(), ranks.len() * gone.len());
    let mut columns = vec![0f32; depth * n];
    let mut row = vec![0f32; depth];
    for (i, &channel) in channels.iter().enumerate() {
        filters.pack(channel, ranks, gone, scale, &mut row);
        for (q, &v) in row.iter().enumerate() {
            columns[q * n + i] = v;
        }
    }
    columns
}

/// Scales all values by a power of two that brings the largest near 1, and returns it.
fn rescale(a: &mut [f32]) -> f32 {
    let largest = a.iter().fold(0f32, |m, v| m.max(v.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    let exponent = (-largest.log2().floor()).clamp(-126.0, 126.0);
    let scale = exponent.exp2();
    a.iter_mut().for_each(|v| *v *= scale);
    scale
}

/// Subtracts the mean row where it makes up most of the values: distances stay, cancellation goes.
fn center(a: &mut [f32], depth: usize) {
    if depth == 0 {
        return;
    }
    let rows = (a.len() / depth) as f64;
    let mut mean = vec![0f64; depth];
    let mut energy = 0f64;
    for row in a.chunks_exact(depth) {
        for (m, &v) in mean.iter_mut().zip(row) {
            *m += f64::from(v);
            energy += f64::from(v) * f64::from(v);
        }
    }
    let common: f64 = mean.iter().map(|m| m * m).sum::<f64>() / rows;
    if common > 0.5 * energy {
        let mean: Vec<f32> = mean.iter().map(|m| (m / rows) as f32).collect();
        for row in a.chunks_exact_mut(depth) {
            row.iter_mut().zip(&mean).for_each(|(v, m)| *v -= m);
        }
    }
}

/// Squared norms of the `n` rows of `a`, and their squared distances in blocks that begin at `starts`.
fn triangle(a: &[f32], depth: usize, starts: &[usize], n: usize) -> (Vec<f32>, Vec<Block>) {
    let norm = |row: &[f32]| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() as f32;
    let base: Vec<f32> = (0..n).into_par_iter().map(|i| norm(&a[i * depth..(i + 1) * depth])).collect();
    let block = |(k, &first): (usize, &usize)| {
        let last = starts.get(k + 1).copied().unwrap_or(n);
        gram_block(a, depth, &base, first, last - first)
    };
    let blocks = starts.par_iter().enumerate().with_max_len(1).map(block).collect();
    (base, blocks)
}

/// Squared distances of `rows` rows from `first` to all rows before each, by one matrix product.
fn gram_block(a: &[f32], depth: usize, base: &[f32], first: usize, rows: usize) -> Block {
    let last = first + rows;
    let mut gram = ndarray::Array2::<f32>::zeros((rows, last));
    let view = |from: usize, to: usize| ArrayView2::from_shape((to - from, depth), &a[from * depth..to * depth]);
    if let (Ok(own), Ok(all)) = (view(first, last), view(0, last)) {
        general_mat_mul(1.0, &own, &all.t(), 0.0, &mut gram);
    }
    let mut data = Vec::with_capacity((last * last.saturating_sub(1) - first * first.saturating_sub(1)) / 2);
    for (row, i) in gram.outer_iter().zip(first..last) {
        let own = base[i];
        data.extend(row.iter().zip(base).take(i).map(|(g, b)| (own + b - 2.0 * g).max(0.0)));
    }
    Block::new(first, rows, data)
}
