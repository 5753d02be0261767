//! The steps: score, rank, remove, until the target is reached.

use std::sync::Arc;

use super::allocate::{Curve, Wanted, allocate};
use super::eligible::{Limit, may_shrink};
use super::error::{Error, Result};
use super::gauge::{Gauge, Latency};
use super::obstacle;
use super::options::Options;
use super::schemes::Scheme;
use super::scoring;
use super::select::{Asides, State, Unit, give_back, ranking, shortest};
use super::target::{Measured, Target};
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::criteria::{Criterion, ScoreOptions};
use crate::job::{self, FigureName, Job};
use crate::statistics::GroupStatistics;

/// What to aim at and by which means.
#[derive(Clone, Copy)]
pub struct Aim<'o> {
    /// Scores channels.
    pub criterion: &'static dyn Criterion,
    /// Orders channels of different groups.
    pub scheme: &'static dyn Scheme,
    /// Options of scoring.
    pub score: ScoreOptions,
    /// The figure to reach.
    pub target: Target,
    /// Options of planning.
    pub options: &'o Options,
    /// Bytes that the file takes beside weights.
    pub fixed_bytes: f64,
    /// What data says of each group; empty without data.
    pub statistics: &'o [GroupStatistics],
    /// What each group loses by the share of it that is gone; empty without a measurement.
    pub losses: &'o [Vec<(f64, f64)>],
    /// What the output loses as channels of each group go, for schemes that follow that.
    pub curves: &'o [Curve],
    /// How much more the last groups count than the first under such a scheme.
    pub tilt: f64,
    /// Predicts latency, where that is the target.
    pub latency: Option<&'o dyn Latency>,
}

/// The channels that stay.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Ascending, for every group.
    pub kept: Vec<Vec<u32>>,
    /// Steps taken.
    pub steps: usize,
    /// The figure reached, in the unit of the target.
    pub reached: Measured,
    /// The target, if it was missed.
    pub missed: Option<Measured>,
    /// What stands in the way of a missed target.
    pub why: String,
    /// What the criterion has to say.
    pub notes: Vec<String>,
}

impl Plan {
    /// By atom, for groups that shrink.
    pub fn kept_atoms(&self, a: &Analysis) -> Kept {
        let shrinks = a.groups.iter().zip(&self.kept).filter(|(g, k)| k.len() < g.size);
        shrinks.map(|(g, k)| (g.atom, Arc::from(k.as_slice()))).collect()
    }

    /// Channel counts, for every group.
    pub fn counts(&self) -> Vec<usize> {
        self.kept.iter().map(Vec::len).collect()
    }
}

/// Plans a run. A target that cannot be reached gives the plan that comes nearest, with `missed` set.
///
/// # Errors
/// When nothing can be pruned, a weight cannot be read, the criterion cannot score, or the job is to stop.
pub fn plan(a: &Analysis, aim: &Aim, job: Job) -> Result<Plan> {
    let Aim { criterion, scheme, score, target, options: o, fixed_bytes, statistics, losses, curves, latency, .. } =
        *aim;
    if scheme.needs_losses() && losses.is_empty() {
        return Err(Error::NoLosses { scheme: scheme.name() });
    }
    if scheme.follows_curves() && curves.len() != a.groups.len() {
        return Err(Error::NoLosses { scheme: scheme.name() });
    }
    let limits = may_shrink(a, scheme, o)?;
    let full = a.full_counts();
    let mut board = scoring::board(a, criterion, score, statistics)?;
    let structures: Vec<&str> = a.groups.iter().map(|g| g.structure.as_str()).collect();
    let prunable: usize = limits.iter().zip(&full).filter(|(l, n)| l.least < **n).map(|(_, n)| n).sum();
    let steps = o.steps.max(1);
    // A ratio is a share of what may shrink, and the schedule ends there instead of at nothing.
    let (end, ratio) = match target {
        Target::Ratio(r) => (r, Some(r)),
        _ => (1.0, None),
    };
    let gauge = Gauge::new(a, target, fixed_bytes, latency).of(prunable);
    let reached = |c: &[usize]| gauge.reached(c);
    let base = a.costs.macs.eval(&full).max(1.0);
    let mut state = State::new(&full);
    let mut taken = 0;
    if scheme.follows_curves() {
        taken = by_curves(&mut state, &gauge, &limits, aim);
        tell(job, a.costs.macs.eval(&state.counts) / base, gauge.way(&state.counts))?;
    }
    for t in 1..=steps {
        if reached(&state.counts) || scheme.follows_curves() {
            break;
        }
        if o.rescore.due(t - 1) {
            board.refresh();
        }
        let gains = gauge.gains(&state.counts, &limits);
        let units = ranking(&state, &limits, scheme, &Asides { structures: &structures, gains: &gains, losses }, |g| {
            board.scores(g)
        });
        let share = end * t as f64 / steps as f64;
        let gone: usize = full.iter().zip(&state.counts).map(|(n, k)| n - k).sum();
        let quota = quota(&units, scheme, share, gone, prunable, t == steps && ratio.is_none());
        let mut go: Vec<Unit> = units.into_iter().take(quota).collect();
        // The same ratio in every group is met group by group, not in the sum over groups.
        let by_group = ratio.is_some() && scheme.by_share();
        let enough = if by_group { go.len() } else { shortest(&go, &state.counts, reached) };
        let done = !by_group && enough < go.len() || reached_after(&go, &state, reached);
        go.truncate(enough);
        for unit in go {
            board.remove(unit.group, &unit.channels);
            state.remove(unit);
        }
        taken = t;
        tell(job, a.costs.macs.eval(&state.counts) / base, gauge.way(&state.counts))?;
        if done {
            break;
        }
    }
    if ratio.is_none() {
        give_back(&mut state, &limits, reached);
    }
    let got = gauge.measure(&state.counts);
    // A ratio met group by group is met, whatever the sum over groups says.
    let met = reached(&state.counts) || ratio.is_some() && scheme.by_share();
    let missed = (!met).then_some(Measured(target));
    let more = || obstacle::other_axes(a, scheme, o, |c| gauge.reached(c));
    let why = if missed.is_some() { obstacle::missed(a, &limits, &state.counts, more) } else { String::new() };
    Ok(Plan { kept: kept(&state), steps: taken, reached: got, missed, why, notes: board.notes().to_vec() })
}

/// Tells what a step came to: the MACs that are left, as a share of the model's, and how much of the way to the target
/// is done, from 0 to 1. Steps are counted to an empty model; the target comes earlier.
fn tell(job: Job, macs: f64, way: f64) -> Result<()> {
    job.figure(FigureName::Macs, macs);
    Ok(job.progress((100.0 * way).floor() as usize, Some(100), job::Unit::Percent)?)
}

/// Widths where the least is lost for what is saved; returns the number of steps.
fn by_curves(state: &mut State, gauge: &Gauge, limits: &[Limit], aim: &Aim) -> usize {
    // Many widths are worth a look only where a look is quick.
    const FEW: usize = 24;
    const MANY: usize = 256;
    let mut counts = state.counts.clone();
    let wanted = Wanted {
        limits,
        tilt: aim.tilt,
        reached: &|c| gauge.reached(c),
        saved: &|c, g, to| gauge.saved(c, g, to),
        candidates: if gauge.is_quick() { MANY } else { FEW },
    };
    let steps = allocate(aim.curves, &mut counts, &wanted);
    for (group, gone) in &steps {
        let unit = limits[*group].unit.max(1);
        // In pieces that can be given back one by one.
        let mut left = *gone;
        while left > 0 {
            let now = state.counts[*group];
            let over = now % unit;
            let first = if over == 0 { unit } else { over }.min(left);
            let from = state.alive[*group].len() - now;
            let order = &aim.curves[*group].order;
            let channels: Vec<usize> = order.iter().skip(from).take(first).map(|c| *c as usize).collect();
            state.remove(Unit { group: *group, channels, key: 0.0 });
            left -= first;
        }
    }
    steps.len()
}

fn reached_after(go: &[Unit], state: &State, reached: impl Fn(&[usize]) -> bool) -> bool {
    let mut c = state.counts.clone();
    go.iter().for_each(|u| c[u.group] -= u.channels.len());
    reached(&c)
}

/// How many units of the ranking a step may take.
fn quota(units: &[Unit], scheme: &dyn Scheme, share: f64, gone: usize, total: usize, all: bool) -> usize {
    if all {
        return units.len();
    }
    if scheme.by_share() {
        return units.iter().take_while(|u| u.key < share - 1e-9).count();
    }
    let goal = (total as f64 * share - 1e-9).ceil() as usize;
    let mut sum = gone;
    units
        .iter()
        .take_while(|u| {
            let take = sum < goal || u.key == f64::NEG_INFINITY;
            sum += u.channels.len();
            take
        })
        .count()
}

fn kept(state: &State) -> Vec<Vec<u32>> {
    let alive = |a: &Vec<bool>| (0..a.len() as u32).filter(|c| a[*c as usize]).collect();
    state.alive.iter().map(alive).collect()
}

/// The plan that a report recorded.
///
/// # Errors
/// [`Error::Recipe`] when the groups are not this model's.
pub fn replay(a: &Analysis, target: Target, recorded: &[(String, usize, Vec<u32>)]) -> Result<Plan> {
    if recorded.len() != a.groups.len() {
        return Err(Error::Recipe(format!("it has {} groups, the model has {}", recorded.len(), a.groups.len())));
    }
    let mut out = Vec::new();
    for (g, (name, size, kept)) in a.groups.iter().zip(recorded) {
        if g.name != *name || g.size != *size {
            return Err(Error::Recipe(format!(
                "group '{name}' of {size} where the model has '{}' of {}",
                g.name, g.size
            )));
        }
        let ascending = kept.windows(2).all(|w| w[0] < w[1]) && kept.last().is_some_and(|c| (*c as usize) < *size);
        if !ascending {
            return Err(Error::Recipe(format!("kept channels of '{name}' are not ascending indices below {size}")));
        }
        out.push(kept.clone());
    }
    let counts: Vec<usize> = out.iter().map(Vec::len).collect();
    let reached = Gauge::new(a, target, 0.0, None).measure(&counts);
    Ok(Plan { kept: out, steps: 0, reached, missed: None, why: String::new(), notes: Vec::new() })
}
