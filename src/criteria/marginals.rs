//! Sums over the elements of a weight along every scored axis, kept up to date by subtraction.

use std::marker::PhantomData;
use std::sync::Arc;

use super::measure::{Measure, MeasureState, ReadItem, Reading};
use super::survivors::{Survivors, Tail};
use super::weight::{Value, with_values};
use super::{Error, Weight};
use crate::statistics::{AnyKey, Key, PerElement};

/// A sum that fell below this part of what it was when last computed is computed anew: subtraction
/// loses about 1e-16 of the old sum for every value taken away.
const CANCELLATION: f64 = 1e-6;

/// What an element of a weight adds to the score of its channel: a function of the weight, and of a statistic of the
/// element where the term names one.
///
/// ```
/// use onnx_prune::criteria::Term;
/// use onnx_prune::statistics::{GRADIENT, Key, PerElement};
///
/// /// |w·∂L/∂w|.
/// struct Taylor;
///
/// impl Term for Taylor {
///     const NAME: &'static str = "|w·g|";
///     const STATISTIC: Option<Key<PerElement>> = Some(GRADIENT);
///
///     fn of(weight: f64, gradient: f64) -> f64 {
///         (weight * gradient).abs()
///     }
/// }
/// ```
pub trait Term: Send + Sync + 'static {
    /// A name that no other measure has.
    const NAME: &'static str;

    /// What is read of each element beside the weight.
    const STATISTIC: Option<Key<PerElement>> = None;

    /// Whether terms may be below 0, so that a sum may be far smaller than what it is made of.
    const SIGNED: bool = false;

    /// What an element adds; `statistic` is 0 where none is read.
    fn of(weight: f64, statistic: f64) -> f64;

    /// What the sum over a channel's elements is worth, where that is not the sum itself: its absolute value, its
    /// square.
    fn of_channel(sum: f64) -> f64 {
        sum
    }
}

/// The key of a term, where it stays.
struct Named<T>(PhantomData<T>);

impl<T: Term> Named<T> {
    const KEY: &'static Option<Key<PerElement>> = &T::STATISTIC;
}

impl<T: Term> Measure for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn statistic(&self) -> Option<&'static dyn AnyKey> {
        Named::<T>::KEY.as_ref().map(|key| key as &dyn AnyKey)
    }

    fn state(&self, reading: Reading) -> Result<Box<dyn MeasureState>, Error> {
        Ok(Box::new(Marginals::<T>::new(reading)?))
    }
}

/// The size of a term.
struct Size<T>(PhantomData<T>);

impl<T: Term> Term for Size<T> {
    const NAME: &'static str = T::NAME;
    const STATISTIC: Option<Key<PerElement>> = T::STATISTIC;

    #[inline(always)]
    fn of(weight: f64, statistic: f64) -> f64 {
        T::of(weight, statistic).abs()
    }
}

/// The elements of a weight, each with its statistic where the term reads one.
struct Elements<'w, T, V> {
    values: &'w [V],
    beside: &'w [f32],
    term: PhantomData<T>,
}

impl<T: Term, V: Value> Elements<'_, T, V> {
    /// The term of one element.
    #[inline(always)]
    fn at(&self, offset: usize) -> f64 {
        let statistic = if T::STATISTIC.is_some() { f64::from(self.beside[offset]) } else { 0.0 };
        T::of(f64::from(self.values[offset].get()), statistic)
    }

    /// Σ over a contiguous run, in eight fixed lanes.
    #[inline]
    fn sum(&self, from: usize, len: usize) -> f64 {
        let mut lanes = [0.0f64; 8];
        let (chunks, rest) = self.values[from..from + len].as_chunks::<8>();
        if T::STATISTIC.is_some() {
            let (beside, rest_beside) = self.beside[from..from + len].as_chunks::<8>();
            for (chunk, beside) in chunks.iter().zip(beside) {
                for ((lane, v), s) in lanes.iter_mut().zip(chunk).zip(beside) {
                    *lane += T::of(f64::from(v.get()), f64::from(*s));
                }
            }
            let terms = rest.iter().zip(rest_beside).map(|(v, s)| T::of(f64::from(v.get()), f64::from(*s)));
            return terms.fold(lanes.iter().sum(), |sum, t| sum + t);
        }
        for chunk in chunks {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *lane += T::of(f64::from(v.get()), 0.0);
            }
        }
        rest.iter().fold(lanes.iter().sum(), |s, v| s + T::of(f64::from(v.get()), 0.0))
    }

    /// Adds `sign` times each term of a contiguous run to the sums beside it.
    #[inline]
    fn add_each(&self, from: usize, sign: f64, sums: &mut [f64]) {
        let run = &self.values[from..from + sums.len()];
        if T::STATISTIC.is_some() {
            let beside = &self.beside[from..from + sums.len()];
            for ((sum, v), s) in sums.iter_mut().zip(run).zip(beside) {
                *sum += sign * T::of(f64::from(v.get()), f64::from(*s));
            }
        } else {
            for (sum, v) in sums.iter_mut().zip(run) {
                *sum += sign * T::of(f64::from(v.get()), 0.0);
            }
        }
    }
}

/// Per track and position, the sum over the surviving values of all other axes.
///
/// Every value is read once at the start and once more when it goes: a whole run costs two passes over
/// the weight, and no matrix beside it.
struct Marginals<T> {
    weight: Arc<Weight>,
    /// The statistic that is read beside the weight; empty without one.
    beside: Arc<[f32]>,
    survivors: Survivors,
    items: Vec<ReadItem>,
    /// Per track; empty where no score reads the track.
    sums: Vec<Vec<f64>>,
    /// Sums over the sizes of the terms, as they were when `sums` was last computed from values.
    fresh: Vec<Vec<f64>>,
    term: PhantomData<T>,
}

impl<T: Term> Marginals<T> {
    /// Sums along the tracks that items lie on.
    fn new(reading: Reading) -> Result<Self, Error> {
        let Reading { weight, survivors, items } = reading;
        let beside = beside::<T>(&weight)?;
        let scored = |track: usize| items.iter().any(|i| i.track == track);
        let tracks = survivors.axes.iter().enumerate();
        let sums: Vec<Vec<f64>> = tracks.map(|(t, a)| vec![0.0; if scored(t) { a.dead.len() } else { 0 }]).collect();
        let mut this = Marginals { weight, beside, survivors, items, fresh: sums.clone(), sums, term: PhantomData };
        this.add(None, 1.0);
        // Terms of f32 cannot overflow f64, so a sum is finite exactly if its values are.
        if this.sums.iter().flatten().any(|s| !s.is_finite()) {
            return Err(Error::NonFinite { weight: this.weight.name.clone() });
        }
        if T::SIGNED {
            let (data, beside, survivors) = (&this.weight.data, &*this.beside, &this.survivors);
            with_values!(data, values => {
                let sizes = Elements::<Size<T>, _> { values, beside, term: PhantomData };
                accumulate(&sizes, survivors, None, 1.0, &mut this.fresh);
            });
        } else {
            this.fresh.clone_from(&this.sums);
        }
        Ok(this)
    }

    /// Recomputes the sums that subtraction has left too small to trust.
    fn guard(&mut self) {
        let (data, beside, survivors) = (&self.weight.data, &*self.beside, &self.survivors);
        for (track, (sums, fresh)) in self.sums.iter_mut().zip(&mut self.fresh).enumerate() {
            if sums.is_empty() {
                continue;
            }
            for &p in &survivors.axes[track].alive {
                let (sum, base) = (&mut sums[p as usize], &mut fresh[p as usize]);
                let size = if T::SIGNED { sum.abs() } else { *sum };
                if size < CANCELLATION * *base {
                    with_values!(data, values => {
                        *sum = total(&Elements::<T, _> { values, beside, term: PhantomData }, survivors, track, p);
                        *base = *sum;
                        if T::SIGNED {
                            let sizes = Elements::<Size<T>, _> { values, beside, term: PhantomData };
                            *base = total(&sizes, survivors, track, p);
                        }
                    });
                }
            }
        }
    }

    /// Adds `sign` times the counted values (those at `only`, where given) to every scored track.
    fn add(&mut self, only: Option<(usize, &[u32])>, sign: f64) {
        let (data, beside, survivors, sums) = (&self.weight.data, &*self.beside, &self.survivors, &mut self.sums);
        with_values!(data, values => {
            accumulate(&Elements::<T, _> { values, beside, term: PhantomData }, survivors, only, sign, sums);
        });
    }
}

/// The statistic that a term reads of a weight.
fn beside<T: Term>(weight: &Weight) -> Result<Arc<[f32]>, Error> {
    let Some(key) = T::STATISTIC else { return Ok(Arc::from([])) };
    let numbers = weight.statistics.get(key).cloned().unwrap_or_default();
    let wrong = |why: String| Error::Statistic { weight: weight.name.clone(), statistic: key.name(), why };
    if numbers.len() != weight.data.len() {
        return Err(wrong(format!("there are {} for {} values", numbers.len(), weight.data.len())));
    }
    match numbers.iter().all(|n| n.is_finite()) {
        true => Ok(numbers),
        false => Err(wrong("it holds NaN or infinite values".to_owned())),
    }
}

impl<T> std::fmt::Debug for Marginals<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marginals").field("weight", &self.weight.name).finish_non_exhaustive()
    }
}

impl<T: Term> MeasureState for Marginals<T> {
    fn survivors(&mut self) -> &mut Survivors {
        &mut self.survivors
    }

    fn stale(&self) -> bool {
        self.survivors.stale()
    }

    /// Subtracts what was removed.
    fn apply(&mut self) {
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

    fn score(&self, item: usize, channel: usize) -> f64 {
        let ReadItem { track, positions, .. } = &self.items[item];
        let sums = &self.sums[*track];
        T::of_channel(positions.of(channel).iter().map(|&p| sums[p as usize]).sum())
    }
}

/// Adds `sign` times the term of every walked value to `sums` of all scored tracks.
fn accumulate<T: Term, V: Value>(
    elements: &Elements<T, V>,
    survivors: &Survivors,
    only: Option<(usize, &[u32])>,
    sign: f64,
    sums: &mut [Vec<f64>],
) {
    survivors.walk(only, &mut |at, offset, tail| {
        let (own, total) = match tail {
            Tail::Run(len) => (usize::MAX, sign * elements.sum(offset, len)),
            Tail::Along(track, positions, true) => {
                let own = &mut sums[track];
                if !own.is_empty() {
                    elements.add_each(offset, sign, &mut own[..positions.len()]);
                }
                (track, sign * elements.sum(offset, positions.len()))
            }
            Tail::Along(track, positions, false) => {
                let mut total = 0.0;
                let own = &mut sums[track];
                for &p in positions {
                    let v = sign * elements.at(offset + p as usize);
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

/// Σ of the terms of the counted values at one position.
fn total<T: Term, V: Value>(elements: &Elements<T, V>, survivors: &Survivors, track: usize, position: u32) -> f64 {
    let mut sum = 0.0;
    survivors.walk(Some((track, &[position])), &mut |_, offset, tail| {
        sum += match tail {
            Tail::Run(len) => elements.sum(offset, len),
            Tail::Along(_, positions, _) => positions.iter().map(|&p| elements.at(offset + p as usize)).sum::<f64>(),
        };
    });
    sum
}
