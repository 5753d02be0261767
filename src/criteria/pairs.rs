//! A packed triangle of squared distances, and the one pass that updates it and sums its roots.

use std::collections::HashMap;

/// A squared distance below this part of the two squared norms it was made from has lost too many
/// digits to cancellation, and is computed again from the filters.
const CANCELLATION: f32 = 0.05;

/// Rows of a block when it is built: the unit of parallel work, the same for any number of threads.
pub(super) const BLOCK: usize = 128;

/// Values handled at a time: buffers stay in the first cache.
const CHUNK: usize = 128;

/// Values held in registers.
const WIDE: usize = 16;

/// Some consecutive rows of the lower triangle: row i holds the squared distances to rows k < i.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) data: Vec<f32>,
    /// Pairs of channels that were computed from the filters, with the value they had then.
    exact: HashMap<(u32, u32), f32>,
}

/// What a pass works with. "Old" is the layout before the pass, "new" the one without the dead rows.
pub(super) struct Pass<'a> {
    /// Whether each old row lives.
    pub(super) live: &'a [bool],
    /// Maximal runs of living rows: old start, new start, length.
    pub(super) runs: &'a [(usize, usize, usize)],
    /// Channel of each new row.
    pub(super) channels: &'a [u32],
    /// Squared norm of each new row when the triangle was built.
    pub(super) base: &'a [f32],
    /// Columns to take away.
    pub(super) gone: Gone<'a>,
    /// Squared distance of two channels, from the filters.
    pub(super) exact: &'a (dyn Fn(u32, u32) -> f32 + Sync),
}

/// Columns that a pass takes away from the squared distances.
#[derive(Clone, Copy)]
pub(super) enum Gone<'a> {
    /// Few: column after column, each over all new rows.
    Columns(&'a [f32]),
    /// Many: what they add to the squared distances, in blocks laid out as these will be.
    Blocks(&'a [Block]),
}

/// What a pass over a block adds to the sums.
pub(super) struct Partial {
    /// Σ over k < i for the rows of the block.
    pub(super) own: Vec<f64>,
    /// Σ over the block's rows for every k before the last of them.
    pub(super) others: Vec<f32>,
    /// Pairs that had to be computed from the filters.
    pub(super) recomputed: usize,
}

/// Index of the first value of row `i` in a block that starts at row `first`.
fn offset(first: usize, i: usize) -> usize {
    (i * i.saturating_sub(1) - first * first.saturating_sub(1)) / 2
}

impl Block {
    /// A block of rows from `first`, with the given values.
    pub(super) fn new(first: usize, rows: usize, data: Vec<f32>) -> Block {
        Block { first, rows, data, exact: HashMap::new() }
    }

    /// Squared distance of rows i and k < i; row i is one of the block's.
    pub(super) fn get(&self, i: usize, k: usize) -> f32 {
        self.data[offset(self.first, i) + k]
    }

    /// Drops dead rows and columns, takes the gone columns away, and sums the roots.
    pub(super) fn pass(&mut self, pass: &Pass) -> Partial {
        let last = self.first + self.rows;
        let living = pass.live[..self.first].iter().filter(|l| **l).count();
        let mut new = living;
        let taken = match pass.gone {
            Gone::Columns(_) => None,
            Gone::Blocks(blocks) => blocks.iter().find(|b| b.first == living && b.rows > 0).map(|b| b.data.as_slice()),
        };
        let mut partial = Partial { own: Vec::new(), others: Vec::new(), recomputed: 0 };
        partial.others.resize(pass.live[..last].iter().filter(|l| **l).count(), 0.0);
        let (mut read, mut write) = (0, 0);
        for old in self.first..last {
            if pass.live[old] {
                let mut sum = 0.0;
                for &(from, to, len) in pass.runs.iter().take_while(|r| r.0 < old) {
                    let len = len.min(old - from);
                    for start in (0..len).step_by(CHUNK) {
                        let n = CHUNK.min(len - start);
                        let at = At { i: new, k: to + start, read: read + from + start, write, n };
                        sum += self.chunk(pass, at, taken, &mut partial);
                        write += n;
                    }
                }
                partial.own.push(sum);
                new += 1;
            }
            read += old;
        }
        (self.first, self.rows) = (living, new - living);
        self.data.truncate(write);
        if self.data.capacity() > 2 * write {
            self.data.shrink_to_fit();
        }
        partial
    }

    /// Updates some values of one row, and gives the sum of their roots.
    fn chunk(&mut self, pass: &Pass, at: At, taken: Option<&[f32]>, partial: &mut Partial) -> f64 {
        let At { i, k, read, write, n } = at;
        if read != write {
            self.data.copy_within(read..read + n, write);
        }
        let d = &mut self.data[write..write + n];
        match (pass.gone, taken) {
            (Gone::Columns(gone), _) => subtract(d, gone, pass.channels.len(), i, k),
            (Gone::Blocks(_), Some(taken)) => {
                d.iter_mut().zip(&taken[write..]).for_each(|(d, t)| *d = (*d - t).max(0.0));
            }
            (Gone::Blocks(_), None) => {}
        }
        if suspicious(d, pass.base[i], &pass.base[k..k + n]) {
            partial.recomputed += recompute(&mut self.exact, pass, i, k, d);
        }
        add_roots(d, &mut partial.others[k..k + n])
    }
}

/// Some values of a row: `n` from column `k` of row `i` (both new), moved from `read` to `write`.
#[derive(Clone, Copy)]
struct At {
    i: usize,
    k: usize,
    read: usize,
    write: usize,
    n: usize,
}

/// Replaces values that cancellation may have spoilt, and counts them.
#[cold]
fn recompute(exact: &mut HashMap<(u32, u32), f32>, pass: &Pass, i: usize, k: usize, d: &mut [f32]) -> usize {
    let mut count = 0;
    for (j, d) in d.iter_mut().enumerate() {
        if *d >= CANCELLATION * (pass.base[i] + pass.base[k + j]) {
            continue;
        }
        let pair = (pass.channels[i], pass.channels[k + j]);
        if exact.get(&pair).is_none_or(|&then| *d < CANCELLATION * then) {
            *d = (pass.exact)(pair.0, pair.1);
            exact.insert(pair, *d);
            count += 1;
        }
    }
    count
}

/// d[j] −= Σ over gone columns of (x_i − x_{k+j})², not below 0.
#[inline]
fn subtract(d: &mut [f32], gone: &[f32], rows: usize, i: usize, k: usize) {
    if gone.is_empty() {
        return;
    }
    let (chunks, rest) = d.as_chunks_mut::<WIDE>();
    let mut at = k;
    for d in chunks {
        // Small enough to stay in registers over all columns.
        let mut taken = [0f32; WIDE];
        for column in gone.chunks_exact(rows) {
            let x = column[i];
            if let Some(y) = column[at..].first_chunk::<WIDE>() {
                for (t, y) in taken.iter_mut().zip(y) {
                    *t += (x - y) * (x - y);
                }
            }
        }
        for (d, t) in d.iter_mut().zip(taken) {
            *d = (*d - t).max(0.0);
        }
        at += WIDE;
    }
    for (j, d) in rest.iter_mut().enumerate() {
        let taken: f32 = gone.chunks_exact(rows).map(|c| (c[i] - c[at + j]) * (c[i] - c[at + j])).sum();
        *d = (*d - taken).max(0.0);
    }
}

/// Whether any value is too small for the norms it was made from.
#[inline]
fn suspicious(d: &[f32], own: f32, others: &[f32]) -> bool {
    let mut any = 0u32;
    for (&d, &b) in d.iter().zip(others) {
        any |= u32::from(d < CANCELLATION * (own + b));
    }
    any != 0
}

/// Adds the roots of `d` to `others`, and returns their sum (eight fixed lanes).
#[inline]
fn add_roots(d: &[f32], others: &mut [f32]) -> f64 {
    let mut lanes = [0f32; 8];
    let (chunks, rest) = d.as_chunks::<8>();
    let (others, others_rest) = others.as_chunks_mut::<8>();
    for (d, o) in chunks.iter().zip(others) {
        let roots = d.map(f32::sqrt);
        *o = std::array::from_fn(|j| o[j] + roots[j]);
        lanes = std::array::from_fn(|j| lanes[j] + roots[j]);
    }
    let mut sum: f64 = lanes.iter().map(|&s| f64::from(s)).sum();
    for (d, o) in rest.iter().zip(others_rest) {
        let root = d.sqrt();
        *o += root;
        sum += f64::from(root);
    }
    sum
}
