//! How far a candidate is from its targets.

use super::eligible::Limit;
use super::targets::{Basis, Goal, Reached, Targets};

/// Weighs candidates by one or more goals.
pub struct Gauge<'a> {
    basis: Basis<'a>,
    scales: Vec<Scale>,
}

/// A goal, and what is worked out once for it.
struct Scale {
    goal: Goal,
    /// For each group, the products of the target's polynomial that it is a factor of; empty for other targets.
    products: Vec<Vec<usize>>,
    /// What of the target's cost must go, from the whole model on.
    needed: f64,
}

impl Scale {
    fn new(goal: Goal, basis: &Basis) -> Scale {
        let mut products = Vec::new();
        if let Some(cost) = goal.target.polynomial(basis.analysis) {
            products = vec![Vec::new(); basis.full.len()];
            (0..cost.len()).for_each(|i| cost.atoms_of(i).into_iter().for_each(|g| products[g].push(i)));
        }
        Scale { goal, products, needed: goal.target.needed(basis, goal.wanted) }
    }

    fn figure(&self, basis: &Basis, counts: &[usize]) -> f64 {
        self.goal.target.figure(basis, counts)
    }

    fn holds(&self, basis: &Basis, counts: &[usize]) -> bool {
        self.goal.target.holds(self.figure(basis, counts), self.goal.wanted)
    }

    /// What is saved of the target's cost when one group goes to another count.
    fn saved(&self, basis: &Basis, counts: &[usize], group: usize, to: usize) -> f64 {
        let Some(cost) = self.goal.target.polynomial(basis.analysis) else {
            return self.goal.target.saved(basis, counts, group, to);
        };
        let mut after = counts.to_vec();
        after[group] = to;
        self.products[group].iter().map(|i| cost.eval_product(*i, counts) - cost.eval_product(*i, &after)).sum()
    }

    /// The share of the way that a candidate has gone, 0 to 1.
    fn way(&self, basis: &Basis, counts: &[usize]) -> f64 {
        let target = self.goal.target;
        let [start, now] = [&basis.full[..], counts].map(|counts| target.left(self.figure(basis, counts)));
        let share = (start - now) / (start - target.left(self.goal.wanted));
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// What each group would bring if it alone shrank to its least, relative to the mean over groups that may shrink.
    fn gains(&self, basis: &Basis, counts: &[usize], limits: &[Limit]) -> Vec<f64> {
        let target = self.goal.target;
        if !target.is_selective() {
            return vec![1.0; counts.len()];
        }
        let now = target.cost(basis, counts);
        let mut candidate = counts.to_vec();
        let mut gain = |g: usize| {
            if counts[g] <= limits[g].least {
                return 0.0;
            }
            candidate[g] = limits[g].least;
            let gain = now - target.cost(basis, &candidate);
            candidate[g] = counts[g];
            gain.max(0.0)
        };
        let gains: Vec<f64> = (0..counts.len()).map(&mut gain).collect();
        let positive: Vec<f64> = gains.iter().copied().filter(|g| *g > 0.0).collect();
        let mean = positive.iter().sum::<f64>() / positive.len().max(1) as f64;
        gains.iter().map(|g| if mean > 0.0 { g / mean } else { 1.0 }).collect()
    }
}

impl<'a> Gauge<'a> {
    /// A gauge of a model for some targets.
    pub fn new(basis: Basis<'a>, targets: &Targets) -> Self {
        let scales = targets.iter().map(|goal| Scale::new(goal, &basis)).collect();
        Gauge { basis, scales }
    }

    /// The figures of a candidate, one for each goal.
    pub fn measure(&self, counts: &[usize]) -> Vec<Reached> {
        let of = |scale: &Scale| {
            let figure = scale.figure(&self.basis, counts);
            Reached { goal: scale.goal, figure, met: scale.goal.target.holds(figure, scale.goal.wanted) }
        };
        self.scales.iter().map(of).collect()
    }

    /// Whether a candidate reaches all targets.
    pub fn reached(&self, counts: &[usize]) -> bool {
        self.scales.iter().all(|scale| scale.holds(&self.basis, counts))
    }

    /// Goals that a candidate does not reach; a single one in any case.
    fn open(&self, counts: &[usize]) -> impl Iterator<Item = &Scale> {
        let only = self.scales.len() == 1;
        self.scales.iter().filter(move |scale| only || !scale.holds(&self.basis, counts))
    }

    /// What is saved when one group goes to another count: of what the target counts, or with several targets the sum
    /// over those that are not reached yet, each as a share of what it needs.
    pub fn saved(&self, counts: &[usize], group: usize, to: usize) -> f64 {
        let saved = |scale: &Scale| scale.saved(&self.basis, counts, group, to);
        match &self.scales[..] {
            [scale] => saved(scale),
            _ => self.open(counts).map(|scale| saved(scale) / scale.needed.max(f64::MIN_POSITIVE)).sum(),
        }
    }

    /// Whether what is saved is quickly told.
    pub fn is_quick(&self) -> bool {
        self.scales.iter().all(|scale| scale.goal.target.is_quick())
    }

    /// The share of the way to the targets that a candidate has gone, 0 to 1: that of the furthest.
    pub fn way(&self, counts: &[usize]) -> f64 {
        self.open(counts).map(|scale| scale.way(&self.basis, counts)).fold(1.0, f64::min)
    }

    /// What each group would bring if it alone shrank to its least, relative to the mean over groups that may shrink;
    /// with several targets the most that it brings to one that is not reached yet.
    pub fn gains(&self, counts: &[usize], limits: &[Limit]) -> Vec<f64> {
        let all = self.open(counts).map(|scale| scale.gains(&self.basis, counts, limits));
        let most = |a: Vec<f64>, b: Vec<f64>| a.into_iter().zip(b).map(|(a, b)| a.max(b)).collect();
        all.reduce(most).unwrap_or_else(|| vec![1.0; counts.len()])
    }
}
