//! Sums of |w| or w² along every scored axis of a weight, kept up to date by subtraction.

use std::sync::Arc;

use super::survivors::{Survivors, Tail};
use super::weight::{Value, with_values};
use super::{Error, Weight};

/// A sum that fell below this part of what it was when last computed is computed anew: subtraction
/// loses about 1e-16 of the old sum for every value taken away.
const CANCELLATION: f64 = 1e-6;

/// Power of the absolute value that is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    One,
    Two,
}

impl Power {
    #[inline(always)]
    fn of(self, value: f32) -> f64 {
        let v = f64::from(value);
        match self {
            Power::One => v.abs(),
            Power::Two => v * v,
        }
    }

    /// Σ over a contiguous run, in eight fixed lanes.
    #[inline]
    fn sum<V: Value>(self, run: &[V]) -> f64 {
        let mut lanes = [0.0f64; 8];
        let (chunks, rest) = run.as_chunks::<8>();
        for chunk in chunks {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *lane += self.of(v.get());
            }
        }
        rest.iter().fold(lanes.iter().sum(), |s, v| s + self.of(v.get()))
    }
}

/// Per track and position, the sum over the surviving values of all other axes.
///
/// Every value is read once at the start and once more when it goes: a whole run costs two passes over
/// the weight, and no matrix beside it.
#[derive(Debug)]
pub(super) struct Marginals {
    weight: Arc<Weight>,
    power: Power,
    pub(super) survivors: Survivors,
    /// Per track; empty where no score reads the track.
    sums: Vec<Vec<f64>>,
    /// `sums` as they were when last computed from values.
    fresh: Vec<Vec<f64>>,
}

impl Marginals {
    /// Sums along the tracks in `scored` (parallel to the survivors' axes).
    ///
    /// # Errors
    /// [`Error::NonFinite`].
    pub(super) fn new(
        weight: Arc<Weight>,
        power: Power,
        survivors: Survivors,
        scored: &[bool],
    ) -> Result<Marginals, Error> {
        let sums: Vec<Vec<f64>> =
            survivors.axes.iter().zip(scored).map(|(a, &s)| vec![0.0; if s { a.dead.len() } else { 0 }]).collect();
        let mut this = Marginals { weight, power, survivors, sums, fresh: Vec::new() };
        this.add(None, 1.0);
        // Powers of f32 cannot overflow f64, so a sum is finite exactly if its values are.
        if this.sums.iter().flatten().any(|s| !s.is_finite()) {
            return Err(Error::NonFinite { weight: this.weight.name.clone() });
        }
        this.fresh = this.sums.clone();
        Ok(this)
    }

    /// Sum at each position of a scored track; 0 where the position is gone.
    pub(super) fn sums(&self, track: usize) -> &[f64] {
        &self.sums[track]
    }

    /// Subtracts what was removed.
    pub(super) fn apply(&mut self) {
        for track in 0..self.sums.len() {
            if self.survivors.axes[track].pending.is_empty() {
                continue;
            }
            let others_scored = self.sums.iter().enumerate().any(|(t, s)| t != track && !s.is_empty());
            if others_scored {
                // Ascending positions touch memory in order.
                let mut gone = std::mem::take(&mut self.survivors.axes[track].pending);
                gone.sort_unstable();
                self.add(Some((track, &gone)), -1.0);
                self.survivors.axes[track].pending = gone;
            }
            for p in self.survivors.settle(track) {
                if let Some(s) = self.sums[track].get_mut(p as usize) {
                    *s = 0.0;
                }
            }
        }
        self.guard();
    }

    /// Recomputes the sums that subtraction has left too small to trust.
    fn guard(&mut self) {
        let (data, power, survivors) = (&self.weight.data, self.power, &self.survivors);
        for (track, (sums, fresh)) in self.sums.iter_mut().zip(&mut self.fresh).enumerate() {
            if sums.is_empty() {
                continue;
            }
            for &p in &survivors.axes[track].alive {
                let (sum, base) = (&mut sums[p as usize], &mut fresh[p as usize]);
                if *sum < CANCELLATION * *base {
                    *sum = with_values!(data, values => total(values, power, survivors, track, p));
                    *base = *sum;
                }
            }
        }
    }

    /// Adds `sign` times the counted values (those at `only`, where given) to every scored track.
    fn add(&mut self, only: Option<(usize, &[u32])>, sign: f64) {
        let (data, power, survivors, sums) = (&self.weight.data, self.power, &self.survivors, &mut self.sums);
        with_values!(data, values => accumulate(values, power, survivors, only, sign, sums));
    }
}

/// Adds `sign`·Σ|w|^p of every walked value to `sums` of all scored tracks.
fn accumulate<V: Value>(
    values: &[V],
    power: Power,
    survivors: &Survivors,
    only: Option<(usize, &[u32])>,
    sign: f64,
    sums: &mut [Vec<f64>],
) {
    survivors.walk(only, &mut |at, offset, tail| {
        let (own, total) = match tail {
            Tail::Run(len) => (usize::MAX, sign * power.sum(&values[offset..offset + len])),
            Tail::Along(track, positions, true) => {
                let run = &values[offset..offset + positions.len()];
                for (s, v) in sums[track].iter_mut().zip(run) {
                    *s += sign * power.of(v.get());
                }
                (track, sign * power.sum(run))
            }
            Tail::Along(track, positions, false) => {
                let mut total = 0.0;
                let own = &mut sums[track];
                for &p in positions {
                    let v = sign * power.of(values[offset + p as usize].get());
                    if let Some(s) = own.get_mut(p as usize) {
                        *s += v;
                    }
                    total += v;
                }
                (track, total)
            }
        };
        for (track, sums) in sums.iter_mut().enumerate().filter(|(t, s)| *t != own && !s.is_empty()) {
            sums[at[track]] += total;
        }
    });
}

/// Σ|w|^p over the counted values at one position.
fn total<V: Value>(values: &[V], power: Power, survivors: &Survivors, track: usize, position: u32) -> f64 {
    let mut sum = 0.0;
    survivors.walk(Some((track, &[position])), &mut |_, offset, tail| {
        sum += match tail {
            Tail::Run(len) => power.sum(&values[offset..offset + len]),
            Tail::Along(_, positions, _) => {
                positions.iter().map(|&p| power.of(values[offset + p as usize].get())).sum::<f64>()
            }
        };
    });
    sum
}
