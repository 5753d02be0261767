//! The definitions, read off the page: everything from scratch in f64.

use super::super::plan::Score;
use super::*;

/// The parts of a board and what has been removed from it.
pub(super) struct Naive {
    pub(super) weights: Vec<Weight>,
    pub(super) groups: Vec<GroupItems>,
    /// Per group and channel.
    pub(super) alive: Vec<Vec<bool>>,
}

impl Naive {
    pub(super) fn values(&self, w: usize) -> Vec<f64> {
        match &self.weights[w].data {
            WeightData::Floats(f) => f.iter().map(|&v| f64::from(v)).collect(),
            WeightData::Bytes(b) => b.as_chunks::<4>().0.iter().map(|&v| f64::from(f32::from_le_bytes(v))).collect(),
            WeightData::Half(b) => b.as_chunks::<2>().0.iter().map(|&v| half::f16::from_le_bytes(v).to_f64()).collect(),
            WeightData::Brain(b) => {
                b.as_chunks::<2>().0.iter().map(|&v| half::bf16::from_le_bytes(v).to_f64()).collect()
            }
        }
    }

    pub(super) fn dead(&self, w: usize, axis: usize, position: usize) -> bool {
        self.groups.iter().zip(&self.alive).any(|(g, alive)| {
            g.items.iter().filter(|i| i.weight == w && i.axis == axis).any(|i| {
                let c = i.channel[position];
                c != NOT_MINE && !alive[c as usize]
            })
        })
    }

    /// Filter of every channel, with zeros for what is dead or missing.
    fn filters(&self, item: &ScoredItem, channels: usize) -> Vec<Vec<f64>> {
        let shape = &self.weights[item.weight].shape;
        let values = self.values(item.weight);
        let size = shape[item.axis];
        let rest = values.len() / size.max(1);
        let dead: Vec<Vec<bool>> =
            (0..shape.len()).map(|a| (0..shape[a]).map(|p| self.dead(item.weight, a, p)).collect()).collect();
        let mut rows = vec![Vec::new(); size];
        for (flat, &v) in values.iter().enumerate() {
            let mut index = vec![0; shape.len()];
            let mut left = flat;
            for a in (0..shape.len()).rev() {
                index[a] = left % shape[a];
                left /= shape[a];
            }
            let gone = (0..shape.len()).any(|a| dead[a][index[a]]);
            rows[index[item.axis]].push(if gone { 0.0 } else { v });
        }
        let mut filters = vec![Vec::new(); channels];
        for (p, row) in rows.into_iter().enumerate() {
            if item.channel[p] != NOT_MINE {
                filters[item.channel[p] as usize].extend(row);
            }
        }
        let width = filters.iter().map(Vec::len).max().unwrap_or(0).max(rest);
        filters.iter_mut().for_each(|f| f.resize(width, 0.0));
        filters
    }

    fn item_scores(&self, g: usize, item: &ScoredItem, measure: &str) -> Vec<f64> {
        let filters = self.filters(item, self.groups[g].channels);
        let survivors = || filters.iter().zip(&self.alive[g]).filter(|(_, a)| **a).map(|(f, _)| f);
        filters
            .iter()
            .map(|f| match measure {
                "|w|" => f.iter().map(|v| v.abs()).sum(),
                "w²" => f.iter().map(|v| v * v).sum(),
                "distances" => {
                    survivors().map(|k| f.iter().zip(k).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()).sum()
                }
                _ => f64::NAN,
            })
            .collect()
    }

    /// Scores of a group's channels, NaN where removed.
    pub(super) fn scores(&self, g: usize, criterion: &dyn Criterion, options: ScoreOptions) -> Vec<f64> {
        let group = &self.groups[g];
        let reads = |plan: ScorePlan| {
            let Score::Items(measure, roles) = plan.0 else { return ("", Vec::new()) };
            (measure.name(), group.items.iter().filter(|i| roles.contains(i.role)).collect::<Vec<_>>())
        };
        let (mut measure, mut items) = reads(criterion.plan());
        if let Some(plan) = criterion.fallback().filter(|_| items.is_empty()) {
            (measure, items) = reads(plan);
        }
        if options.reduction == Reduction::First {
            let first = items.iter().position(|i| i.role == ItemRole::Out).unwrap_or(0);
            items = items.into_iter().skip(first).take(1).collect();
        }
        let scores: Vec<Vec<f64>> = items.iter().map(|i| self.item_scores(g, i, measure)).collect();
        let survivors: Vec<usize> = (0..group.channels).filter(|&c| self.alive[g][c]).collect();
        let mut reduced: Vec<f64> = survivors
            .iter()
            .map(|&c| {
                let all = scores.iter().map(|s| s[c]);
                match options.reduction {
                    _ if items.is_empty() => 0.0,
                    Reduction::Mean => all.sum::<f64>() / items.len() as f64,
                    Reduction::Sum | Reduction::First => all.sum(),
                    Reduction::Max => all.fold(f64::NEG_INFINITY, f64::max),
                    Reduction::Prod => all.product(),
                }
            })
            .collect();
        if criterion.name() == "lamp" {
            let energies = reduced.clone();
            for (i, u) in energies.iter().enumerate() {
                let above: f64 =
                    energies.iter().enumerate().filter(|&(k, v)| v > u || (v == u && k >= i)).map(|(_, v)| v).sum();
                reduced[i] = if above > 0.0 { u / above } else { 0.0 };
            }
        }
        options.normalization.apply(&mut reduced);
        let mut full = vec![f64::NAN; group.channels];
        survivors.iter().zip(reduced).for_each(|(&c, s)| full[c] = s);
        full
    }
}
