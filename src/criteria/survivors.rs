//! Which values of a weight are still there, and walks over them.

use super::Weight;

/// A tracked axis: one that items of some group lie on.
#[derive(Debug)]
pub(super) struct Axis {
    /// Index of the axis in the weight's shape.
    pub(super) axis: usize,
    /// Positions that scores still count, ascending.
    pub(super) alive: Vec<u32>,
    /// Positions that were removed, counted or not.
    pub(super) dead: Vec<bool>,
    /// Positions that were removed and are still counted.
    pub(super) pending: Vec<u32>,
}

/// Adjacent axes of a weight walked as one: either one tracked axis or a run of untracked ones.
#[derive(Debug)]
struct Factor {
    size: usize,
    stride: usize,
    track: Option<usize>,
}

/// The surviving positions of a weight's tracked axes.
#[derive(Debug)]
pub struct Survivors {
    factors: Vec<Factor>,
    pub(super) axes: Vec<Axis>,
}

/// The innermost stretch of a walk.
pub(super) enum Tail<'a> {
    /// Contiguous values that differ in no tracked axis.
    Run(usize),
    /// Values at these positions of the tracked axis, stride 1; the flag says that it is all of them.
    Along(usize, &'a [u32], bool),
}

impl Survivors {
    /// Nothing removed yet. `tracked`: ascending axes of the weight.
    pub(super) fn new(weight: &Weight, tracked: &[usize]) -> Survivors {
        let mut factors: Vec<Factor> = Vec::new();
        let mut axes = Vec::new();
        for (axis, &size) in weight.shape.iter().enumerate() {
            let stride = weight.shape[axis + 1..].iter().product();
            if tracked.contains(&axis) {
                factors.push(Factor { size, stride, track: Some(axes.len()) });
                axes.push(Axis {
                    axis,
                    alive: (0..size as u32).collect(),
                    dead: vec![false; size],
                    pending: Vec::new(),
                });
            } else if let Some(last) = factors.last_mut().filter(|f| f.track.is_none()) {
                (last.size, last.stride) = (last.size * size, stride);
            } else {
                factors.push(Factor { size, stride, track: None });
            }
        }
        // A trailing kernel of one value is no factor: the tracked axis before it is contiguous.
        if factors.len() > 1 && factors.last().is_some_and(|f| f.track.is_none() && f.size == 1) {
            factors.pop();
        }
        Survivors { factors, axes }
    }

    /// Removes a position from a tracked axis; the scores count it until their owner has subtracted it.
    pub(super) fn kill(&mut self, track: usize, position: u32) {
        let axis = &mut self.axes[track];
        if !std::mem::replace(&mut axis.dead[position as usize], true) {
            axis.pending.push(position);
        }
    }

    /// Whether any position was removed and not yet subtracted.
    pub(super) fn stale(&self) -> bool {
        self.axes.iter().any(|a| !a.pending.is_empty())
    }

    /// Stops counting the pending positions of a track, and returns them.
    pub(super) fn settle(&mut self, track: usize) -> Vec<u32> {
        let axis = &mut self.axes[track];
        let dead = &axis.dead;
        axis.alive.retain(|&p| !dead[p as usize]);
        std::mem::take(&mut axis.pending)
    }

    /// Visits all counted values, only those at `only.1` of track `only.0` where given.
    ///
    /// `visit` gets the position on every track (that of the tail's own track is meaningless), the
    /// offset of the first value and the tail.
    pub(super) fn walk(&self, only: Option<(usize, &[u32])>, visit: &mut impl FnMut(&[usize], usize, Tail)) {
        let mut at = vec![0usize; self.axes.len()];
        self.descend(0, 0, &mut at, only, visit);
    }

    fn descend(
        &self,
        level: usize,
        offset: usize,
        at: &mut [usize],
        only: Option<(usize, &[u32])>,
        visit: &mut impl FnMut(&[usize], usize, Tail),
    ) {
        let factor = &self.factors[level];
        let innermost = level + 1 == self.factors.len();
        let Some(track) = factor.track else {
            if innermost {
                visit(at, offset, Tail::Run(factor.size));
            } else {
                for i in 0..factor.size {
                    self.descend(level + 1, offset + i * factor.stride, at, only, visit);
                }
            }
            return;
        };
        let positions = match only {
            Some((t, positions)) if t == track => positions,
            _ => &self.axes[track].alive,
        };
        if innermost {
            visit(at, offset, Tail::Along(track, positions, positions.len() == factor.size));
            return;
        }
        for &p in positions {
            at[track] = p as usize;
            self.descend(level + 1, offset + p as usize * factor.stride, at, only, visit);
        }
    }
}
