//! Times at some widths, and between them.

use crate::planning::Limit;

/// Shares of an axis that are timed, for parts with one axis, two, and three; the least that may stay joins them.
const LEVELS: [&[f64]; 3] = [&[1.0, 0.8, 0.6, 0.4, 0.2], &[1.0, 0.7, 0.4], &[1.0, 0.5]];

/// One axis of a grid: groups that shrink together.
#[derive(Clone, Debug)]
struct Axis {
    groups: Vec<usize>,
    /// Ascending shares of the channels.
    shares: Vec<f64>,
    /// Channel counts of the groups at each share.
    counts: Vec<Vec<usize>>,
}

/// Times over the widths of one part.
#[derive(Clone, Debug)]
pub struct Grid {
    axes: Vec<Axis>,
    /// Milliseconds, the last axis fastest.
    ms: Vec<f64>,
    /// Channels of the groups in the file, by axis.
    full: Vec<usize>,
}

impl Grid {
    /// Chooses widths. More than three axes become one.
    pub fn new(axes: &[Vec<usize>], full: &[usize], limits: &[Limit]) -> Grid {
        let together = [axes.concat()];
        let axes = if axes.len() > LEVELS.len() { &together } else { axes };
        let levels = LEVELS[axes.len().clamp(1, LEVELS.len()) - 1];
        let axis = |groups: &Vec<usize>| {
            let at = |share: f64| -> Vec<usize> {
                let width = |g: &usize| {
                    let n = limits[*g].unit.max(1);
                    let wanted = (full[*g] as f64 * share / n as f64).round() as usize * n;
                    if share >= 1.0 { full[*g] } else { wanted.clamp(limits[*g].least, full[*g]) }
                };
                groups.iter().map(width).collect()
            };
            let total: usize = groups.iter().map(|g| full[*g]).sum();
            let share = |counts: &Vec<usize>| counts.iter().sum::<usize>() as f64 / total.max(1) as f64;
            let mut counts: Vec<Vec<usize>> = levels.iter().copied().chain([0.0]).map(at).collect();
            counts.sort_by(|a, b| share(a).total_cmp(&share(b)));
            counts.dedup_by(|a, b| share(a) == share(b));
            Axis { groups: groups.clone(), shares: counts.iter().map(share).collect(), counts }
        };
        let axes: Vec<Axis> = axes.iter().map(axis).collect();
        let full = axes.iter().map(|x| x.groups.iter().map(|g| full[*g]).sum()).collect();
        Grid { axes, ms: Vec::new(), full }
    }

    /// Number of widths.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|x| x.shares.len()).product()
    }

    /// Groups and their channel counts at the i-th width; the last width is the whole part.
    pub fn widths(&self, mut i: usize) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        for x in self.axes.iter().rev() {
            let counts = &x.counts[i % x.shares.len()];
            i /= x.shares.len();
            out.extend(x.groups.iter().copied().zip(counts.iter().copied()));
        }
        out
    }

    /// Fills the grid. What is narrower cannot be slower: where a time says so, it was disturbed.
    pub fn fill(&mut self, mut ms: Vec<f64>) {
        let mut stride = 1;
        for x in self.axes.iter().rev() {
            let n = x.shares.len();
            for i in (0..ms.len()).rev() {
                if (i / stride) % n + 1 < n {
                    ms[i] = ms[i].min(ms[i + stride]);
                }
            }
            stride *= n;
        }
        self.ms = ms;
    }

    /// Milliseconds with one channel count per group of the model, linear between the nearest widths.
    pub fn at(&self, counts: &[usize]) -> f64 {
        let mut corners = vec![(0, 1.0)];
        for (x, full) in self.axes.iter().zip(&self.full) {
            let share = x.groups.iter().map(|g| counts[*g]).sum::<usize>() as f64 / (*full).max(1) as f64;
            let above = x.shares.partition_point(|s| *s < share).min(x.shares.len() - 1);
            let below = above.saturating_sub(1);
            let width = x.shares[above] - x.shares[below];
            let t = if width > 0.0 { ((share - x.shares[below]) / width).clamp(0.0, 1.0) } else { 1.0 };
            let n = x.shares.len();
            let split = |(i, w): (usize, f64)| [(i * n + below, w * (1.0 - t)), (i * n + above, w * t)];
            corners = corners.into_iter().flat_map(split).filter(|(_, w)| *w > 0.0).collect();
        }
        corners.into_iter().map(|(i, w)| w * self.ms.get(i).copied().unwrap_or(0.0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Limit = Limit { least: 1, fixed: None, unit: 1 };

    #[test]
    fn a_product_of_widths_is_met_between_them() {
        let full = [40, 20, 20];
        let mut grid = Grid::new(&[vec![0], vec![1, 2]], &full, &[FREE; 3]);
        let cost = |c: &[usize]| (c[0] * (c[1] + c[2])) as f64;
        let ms = (0..grid.len()).map(|i| {
            let mut counts = [0; 3];
            grid.widths(i).into_iter().for_each(|(g, n)| counts[g] = n);
            cost(&counts)
        });
        let ms = ms.collect();
        grid.fill(ms);
        assert_eq!(grid.len(), 16);
        assert_eq!(grid.widths(15), [(1, 20), (2, 20), (0, 40)]);
        for counts in [[40, 20, 20], [16, 8, 8], [33, 5, 12], [1, 1, 1], [22, 20, 3]] {
            assert!((grid.at(&counts) - cost(&counts)).abs() < 1e-9, "{counts:?}");
        }
    }

    #[test]
    fn a_disturbed_time_cannot_make_narrow_slow() {
        let mut grid = Grid::new(&[vec![0]], &[10], &[FREE]);
        grid.fill(vec![9.0, 2.0, 7.0, 4.0, 5.0, 6.0]);
        assert_eq!([1, 2, 4, 6, 8, 10].map(|n| grid.at(&[n])), [2.0, 2.0, 4.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn widths_follow_rounding_and_limits() {
        let grid = Grid::new(&[vec![0]], &[36], &[Limit { least: 8, fixed: None, unit: 8 }]);
        let widths: Vec<usize> = (0..grid.len()).map(|i| grid.widths(i)[0].1).collect();
        assert_eq!(widths, [8, 16, 24, 32, 36]);
    }
}
