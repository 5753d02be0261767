//! The steps: score, rank, remove, until the target is reached.

use std::sync::Arc;

use super::allocate::{Curve, Wanted, allocate};
use super::eligible::{Limit, may_shrink};
use super::error::{Error, Result};
use super::gauge::Gauge;
use super::obstacle;
use super::options::Options;
use super::schemes::Scheme;
use super::scoring;
use super::select::{Asides, Selection, Unit, give_back, ranking, shortest};
use super::targets::{Basis, Latency, Reached, Targets};
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::criteria::{Criterion, ScoreOptions, Scoreboard};
use crate::job::{self, FigureName, Job};
use crate::statistics::Statistics;

/// What to aim at and by which means.
#[derive(Clone, Copy)]
pub struct PlanRequest<'o> {
    /// Scores channels.
    pub criterion: &'static dyn Criterion,
    /// Orders channels of different groups.
    pub scheme: &'static dyn Scheme,
    /// Options of scoring.
    pub score: ScoreOptions,
    /// The figures to reach.
    pub targets: &'o Targets,
    /// Options of planning.
    pub options: &'o Options,
    /// Bytes that the file takes beside weights.
    pub fixed_bytes: f64,
    /// What is known beside the weights.
    pub statistics: &'o Statistics,
    /// What each group loses by the share of it that is gone; empty without a measurement.
    pub degradations: &'o [Vec<(f64, f64)>],
    /// What the output loses as channels of each group go, for schemes that follow that.
    pub curves: &'o [Curve],
    /// How much more the last groups count than the first under such a scheme.
    pub tilt: f64,
    /// Predicts latency, where that is the target.
    pub latency: Option<&'o dyn Latency>,
}

impl<'o> PlanRequest<'o> {
    /// By weights alone: nothing has been measured, and a file has nothing beside its weights.
    pub fn new(
        criterion: &'static dyn Criterion,
        scheme: &'static dyn Scheme,
        targets: &'o Targets,
        options: &'o Options,
    ) -> PlanRequest<'o> {
        PlanRequest {
            criterion,
            scheme,
            score: ScoreOptions::default(),
            targets,
            options,
            fixed_bytes: 0.0,
            statistics: Statistics::NONE,
            degradations: &[],
            curves: &[],
            tilt: 0.0,
            latency: None,
        }
    }
}

/// The channels that stay.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Ascending, for every group.
    pub kept: Vec<Vec<u32>>,
    /// Steps taken.
    pub steps: usize,
    /// The figure reached for each target.
    pub reached: Vec<Reached>,
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

    /// Whether a target was missed.
    pub fn is_missed(&self) -> bool {
        self.reached.iter().any(|r| !r.met)
    }

    /// What was missed, and why; `None` where all targets hold.
    pub fn missed(&self) -> Option<String> {
        let missed: Vec<String> = self.reached.iter().filter(|r| !r.met).map(Reached::to_string).collect();
        (!missed.is_empty()).then(|| format!("{}; {}", missed.join("; "), self.why))
    }

    /// Channel counts, for every group.
    pub fn counts(&self) -> Vec<usize> {
        self.kept.iter().map(Vec::len).collect()
    }
}

/// Plans a run. A target that cannot be reached gives the plan that comes nearest, with [`Plan::is_missed`].
///
/// # Errors
/// When nothing can be pruned, a weight cannot be read, the criterion cannot score, or the job is to stop.
pub fn plan(a: &Analysis, request: &PlanRequest, job: Job) -> Result<Plan> {
    let PlanRequest {
        criterion,
        scheme,
        score,
        targets,
        options: o,
        fixed_bytes,
        statistics,
        degradations,
        curves,
        latency,
        ..
    } = *request;
    if scheme.needs_degradations() && degradations.is_empty() {
        return Err(Error::NoLosses { scheme: scheme.name() });
    }
    if scheme.follows_curves() && curves.len() != a.groups.len() {
        return Err(Error::NoLosses { scheme: scheme.name() });
    }
    let limits = may_shrink(a, scheme, o)?;
    let full = a.full_counts();
    let mut board = scoring::board(a, criterion, score, statistics)?;
    let channels = limits.iter().zip(&full).filter(|(l, n)| l.least < **n).map(|(_, n)| n).sum();
    let gauge = Gauge::new(Basis { channels, fixed_bytes, latency, ..Basis::new(a) }, targets);
    // A ratio is a share of what may shrink, and the schedule ends there instead of at nothing.
    let ratio = targets.only().and_then(|g| g.target.ends_at(g.wanted));
    let mut state = Selection::new(&full);
    let base = a.costs.macs.eval(&full).max(1.0);
    let tell = |counts: &[usize]| tell(job, a.costs.macs.eval(counts) / base, gauge.way(counts));
    let steps = if scheme.follows_curves() {
        let steps = by_curves(&mut state, &gauge, &limits, request);
        tell(&state.counts)?;
        steps
    } else {
        Schedule { a, request, limits: &limits, gauge: &gauge, channels, ratio }.run(&mut state, &mut board, &tell)?
    };
    if ratio.is_none() {
        give_back(&mut state, &limits, |c| gauge.reached(c));
    }
    let mut reached = gauge.measure(&state.counts);
    if ratio.is_some() && scheme.by_share() {
        // A ratio met group by group is met, whatever the sum over groups says.
        reached.iter_mut().for_each(|r| r.met = true);
    }
    let mut plan = Plan { kept: kept(&state), steps, reached, why: String::new(), notes: board.notes().to_vec() };
    if plan.is_missed() {
        let more = || obstacle::other_axes(a, scheme, o, |c| gauge.reached(c));
        plan.why = obstacle::missed(a, &limits, &state.counts, more);
    }
    Ok(plan)
}

/// Linear steps from the whole model on, scores renewed between them.
struct Schedule<'s> {
    a: &'s Analysis,
    request: &'s PlanRequest<'s>,
    limits: &'s [Limit],
    gauge: &'s Gauge<'s>,
    /// Channels of groups that may shrink.
    channels: usize,
    /// The share of them at which the schedule ends, where that is the target.
    ratio: Option<f64>,
}

impl Schedule<'_> {
    /// Takes steps until the targets are reached; returns their number.
    fn run(
        &self,
        state: &mut Selection,
        board: &mut Scoreboard,
        tell: &dyn Fn(&[usize]) -> Result<()>,
    ) -> Result<usize> {
        let PlanRequest { scheme, options: o, degradations, .. } = *self.request;
        let structures: Vec<&str> = self.a.groups.iter().map(|g| g.structure.as_str()).collect();
        let reached = |c: &[usize]| self.gauge.reached(c);
        let steps = o.steps.max(1);
        let mut taken = 0;
        for t in 1..=steps {
            if reached(&state.counts) {
                break;
            }
            if o.rescore.due(t - 1) {
                board.refresh();
            }
            let gains = self.gauge.gains(&state.counts, self.limits);
            let asides = Asides { structures: &structures, gains: &gains, degradations };
            let units = ranking(state, self.limits, scheme, &asides, |g| board.scores(g));
            let share = self.ratio.unwrap_or(1.0) * t as f64 / steps as f64;
            let gone = state.removed.iter().map(|u| u.channels.len()).sum();
            let quota = quota(&units, scheme, share, gone, self.channels, t == steps && self.ratio.is_none());
            let mut go: Vec<Unit> = units.into_iter().take(quota).collect();
            // The same ratio in every group is met group by group, not in the sum over groups.
            let by_group = self.ratio.is_some() && scheme.by_share();
            let enough = if by_group { go.len() } else { shortest(&go, &state.counts, reached) };
            let done = !by_group && enough < go.len() || reached_after(&go, state, reached);
            go.truncate(enough);
            for unit in go {
                board.remove(unit.group, &unit.channels);
                state.remove(unit);
            }
            taken = t;
            tell(&state.counts)?;
            if done {
                break;
            }
        }
        Ok(taken)
    }
}

/// Tells what a step came to: the MACs that are left, as a share of the model's, and how much of the way to the target
/// is done, from 0 to 1. Steps are counted to an empty model; the target comes earlier.
fn tell(job: Job, macs: f64, way: f64) -> Result<()> {
    job.figure(FigureName::Macs, macs);
    Ok(job.progress((100.0 * way).floor() as usize, Some(100), job::Unit::Percent)?)
}

/// Widths where the least is lost for what is saved; returns the number of steps.
fn by_curves(state: &mut Selection, gauge: &Gauge, limits: &[Limit], request: &PlanRequest) -> usize {
    // Many widths are worth a look only where a look is quick.
    const FEW: usize = 24;
    const MANY: usize = 256;
    let mut counts = state.counts.clone();
    let wanted = Wanted {
        limits,
        tilt: request.tilt,
        reached: &|c| gauge.reached(c),
        saved: &|c, g, to| gauge.saved(c, g, to),
        candidates: if gauge.is_quick() { MANY } else { FEW },
    };
    let steps = allocate(request.curves, &mut counts, &wanted);
    for (group, gone) in &steps {
        let unit = limits[*group].unit.max(1);
        // In pieces that can be given back one by one.
        let mut left = *gone;
        while left > 0 {
            let now = state.counts[*group];
            let over = now % unit;
            let first = if over == 0 { unit } else { over }.min(left);
            let from = state.alive[*group].len() - now;
            let order = &request.curves[*group].order;
            let channels: Vec<usize> = order.iter().skip(from).take(first).map(|c| *c as usize).collect();
            state.remove(Unit { group: *group, channels, key: 0.0 });
            left -= first;
        }
    }
    steps.len()
}

fn reached_after(go: &[Unit], state: &Selection, reached: impl Fn(&[usize]) -> bool) -> bool {
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

fn kept(state: &Selection) -> Vec<Vec<u32>> {
    let alive = |a: &Vec<bool>| (0..a.len() as u32).filter(|c| a[*c as usize]).collect();
    state.alive.iter().map(alive).collect()
}

/// The plan that a report recorded.
///
/// # Errors
/// [`Error::Recipe`] when the groups are not this model's.
pub fn replay(a: &Analysis, targets: &Targets, recorded: &[(String, usize, Vec<u32>)]) -> Result<Plan> {
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
    // Nothing is missed: the same channels go, whatever they come to.
    let mut reached = Gauge::new(Basis::new(a), targets).measure(&counts);
    reached.iter_mut().for_each(|r| r.met = true);
    Ok(Plan { kept: out, steps: 0, reached, why: String::new(), notes: Vec::new() })
}
