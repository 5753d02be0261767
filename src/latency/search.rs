//! Plans that are run before they count.

use std::time::Duration;

use super::error::{Error, Result};
use super::table::{Setting, Table};
use crate::analysis::Analysis;
use crate::planning::{Goal, Plan, Reached, Targets};
use crate::rewriting::{self, Inputs};
use crate::runtime::latency::{LatencyOptions, Pair, measure, measure_pair};

/// Plans that are tried at most.
const ROUNDS: usize = 8;
/// How far beyond the target a plan aims, so that noise does not undo it.
const MARGIN: f64 = 1.02;
/// What is nearer than this is near enough.
const NEAR: f64 = 1.06;
/// Time for measuring one plan.
const BUDGET: LatencyOptions = LatencyOptions { warmup: 3, runs: 200, budget: Duration::from_millis(1500), least: 10 };

/// What a search came to.
pub struct SearchResult {
    /// The plan that reaches the target with least to spare, else the fastest.
    pub plan: Plan,
    /// How it ran beside the original.
    pub pair: Pair,
    /// Plans that were run.
    pub rounds: usize,
    /// Share of the measured time that the table's parts explain.
    pub explained: f64,
}

/// Searches a plan that reaches a time, as run with the first of `inputs` that the original runs on: plans under the
/// table, runs the result in turn with the original, and aims further or nearer by what was missing or too much.
///
/// `plan` makes a plan for targets under the table.
///
/// # Errors
/// When the original or a candidate cannot be run, or planning fails.
pub fn search(
    a: &Analysis,
    targets: &Targets,
    mut table: Table,
    setting: &Setting,
    inputs: &[Inputs],
    plan: &mut dyn FnMut(&Targets, &Table) -> Result<Plan>,
) -> Result<SearchResult> {
    let mut original = rewriting::open_original(a, setting.runtime, setting.session)?;
    // The fastest run, as for subgraphs.
    let runs = inputs.iter().find(|inputs| original.run(inputs).is_ok());
    let inputs = runs.or(inputs.first()).map_or(&[][..], Vec::as_slice);
    let mut explained = f64::NAN;
    // Once more before it is given up: other programs may have disturbed one or the other.
    for _ in 0..2 {
        let base = measure(&mut *original, inputs, &BUDGET)?.min;
        explained = table.calibrate(&a.full_counts(), base);
        if table.stands_for_the_model(explained) {
            break;
        }
    }
    if !table.stands_for_the_model(explained) {
        return Err(Error::Unexplained { runtime: setting.runtime.name(), percent: 100.0 * explained });
    }
    let mut aim = MARGIN;
    let mut bracket = Bracket::default();
    let mut best: Option<SearchResult> = None;
    for rounds in 1..=ROUNDS {
        let candidate = plan(&targets.scaled(aim), &table)?;
        // Aimed nearer, and still the same: other targets hold it down.
        if targets.only().is_none()
            && best.as_ref().is_some_and(|b| is_enough(b, targets) && b.plan.kept == candidate.kept)
        {
            break;
        }
        let proto = rewriting::prune(a, &candidate.kept_atoms(a))?;
        let mut session = rewriting::open(a, proto, setting.runtime, setting.session)?;
        let pair = measure_pair((&mut *original, inputs), (&mut *session, inputs), &BUDGET)?;
        let surplus = spare(targets, &pair);
        let exhausted = candidate.is_missed();
        let better = best.as_ref().is_none_or(|b| preferred(surplus, spare(targets, &b.pair)));
        if better {
            best = Some(SearchResult { plan: candidate, pair, rounds, explained });
        }
        if let Some(b) = &mut best {
            b.rounds = rounds;
        }
        let done = (1.0..NEAR).contains(&surplus) || exhausted && surplus < 1.0;
        if done {
            break;
        }
        aim = bracket.next(aim, surplus);
    }
    // One round is always made.
    let mut found = best.ok_or(crate::job::Cancelled)?;
    let measured = measured(targets, &found.pair, is_enough(&found, targets));
    for reached in &mut found.plan.reached {
        if let Some(measured) = measured.iter().find(|m| m.goal.target.key() == reached.goal.target.key()) {
            *reached = *measured;
        }
    }
    if !found.plan.is_missed() {
        found.plan.why.clear();
    } else if found.plan.why.is_empty() {
        found.plan.why = format!("no plan of {ROUNDS} that were run came nearer");
    }
    Ok(found)
}

/// What is known of how hard to aim.
#[derive(Default)]
struct Bracket {
    /// The hardest aim that was not enough, the easiest that was.
    missed: Option<f64>,
    enough: Option<f64>,
}

impl Bracket {
    /// The next aim: changed by what was missing or too much, but between what is known to be too little and enough.
    fn next(&mut self, aim: f64, surplus: f64) -> f64 {
        if surplus < 1.0 {
            self.missed = Some(self.missed.map_or(aim, |m| m.max(aim)));
        } else {
            self.enough = Some(self.enough.map_or(aim, |e| e.min(aim)));
        }
        // A table that is far off must not throw the next plan out of reach.
        let next = (aim * MARGIN / surplus).clamp(0.3, 10.0);
        match (self.missed, self.enough) {
            // Where noise has turned them round they tell nothing.
            (Some(low), Some(high)) if low < high && !(low < next && next < high) => (low * high).sqrt(),
            _ => next,
        }
    }
}

/// How much faster a candidate is than it need be: 1 is just fast enough.
fn spare(targets: &Targets, pair: &Pair) -> f64 {
    targets.timed().map(|(t, wanted)| t.spare(wanted, pair)).fold(f64::INFINITY, f64::min)
}

fn is_enough(found: &SearchResult, targets: &Targets) -> bool {
    spare(targets, &found.pair) >= 1.0
}

/// The measured figure of each target that a clock decides.
pub fn measured(targets: &Targets, pair: &Pair, met: bool) -> Vec<Reached> {
    let of = |goal: Goal| Some(Reached { goal, figure: goal.target.timed()?.measured(pair), met });
    targets.iter().filter_map(of).collect()
}

/// Enough with least to spare, else the most.
fn preferred(new: f64, old: f64) -> bool {
    match (new >= 1.0, old >= 1.0) {
        (true, true) => new < old,
        (true, false) => true,
        (false, true) => false,
        (false, false) => new > old,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_close_in_on_a_steep_clock() {
        // Nothing is gained up to an aim of 1.5, and then too much at once.
        let surplus = |aim: f64| if aim < 1.5 { 0.9 } else { 1.6 * aim / 1.5 };
        let (mut bracket, mut aim) = (Bracket::default(), 1.0);
        for _ in 0..ROUNDS {
            aim = bracket.next(aim, surplus(aim));
        }
        assert!((1.4..1.6).contains(&aim), "{aim}");
        assert!(bracket.missed.is_some_and(|m| m < 1.5) && bracket.enough.is_some_and(|e| e >= 1.5));
    }

    #[test]
    fn the_nearest_that_is_enough_is_preferred() {
        let order = [1.01, 1.5, 0.99, 0.5];
        for (i, a) in order.iter().enumerate() {
            for b in &order[i + 1..] {
                assert!(preferred(*a, *b) && !preferred(*b, *a), "{a} {b}");
            }
        }
    }
}
