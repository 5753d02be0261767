//! Widths by what they cost: each group has a curve of what the output loses as its channels go, and channels go where
//! the least is lost for what is saved.

use super::eligible::Limit;

/// Groups whose channels several layers read cost more together than each of their layers tells alone.
const STREAM: f64 = std::f64::consts::E * std::f64::consts::E;

/// Losses and errors below this are none.
const LEAST: f64 = 1e-12;

/// Losses above this are all the same: nothing is left.
const MOST: f64 = 1e12;

/// What the output loses as channels of a group go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// All channels, in the order in which they go.
    pub order: Vec<u32>,
    /// What is lost once so many have gone, from 0 on; it never falls. Empty where nothing is known.
    pub losses: Vec<f64>,
    /// Whether several layers read or write the group.
    pub stream: bool,
}

impl Curve {
    /// A curve from what the group's readers lose (`errors`, once so many have gone) and what the output lost at some
    /// points: (channels gone, loss), ascending. Between them the logarithms of both go side by side.
    pub fn new(order: Vec<u32>, errors: &[f64], measured: &[(usize, f64)], stream: bool) -> Curve {
        let log = |x: f64| x.clamp(LEAST, MOST).ln();
        let points: Vec<(f64, f64)> = measured
            .iter()
            .filter_map(|(gone, loss)| {
                let error = log(*errors.get(*gone)?);
                Some((error, log(*loss) - error))
            })
            .collect();
        let offset = |error: f64| {
            let after = points.partition_point(|p| p.0 < error);
            match (after.checked_sub(1).and_then(|i| points.get(i)), points.get(after)) {
                (Some(a), Some(b)) if b.0 > a.0 => a.1 + (b.1 - a.1) * (error - a.0) / (b.0 - a.0),
                (Some(p), _) | (None, Some(p)) => p.1,
                (None, None) => 0.0,
            }
        };
        let mut highest = 0.0f64;
        let losses = errors.iter().enumerate().map(|(gone, e)| {
            if gone > 0 {
                let error = log(*e);
                highest = highest.max((error + offset(error)).exp());
            }
            highest
        });
        Curve { losses: losses.collect(), order, stream }
    }

    /// The loss once so many have gone.
    fn loss(&self, gone: usize) -> f64 {
        self.losses.get(gone).or(self.losses.last()).copied().unwrap_or(0.0)
    }
}

/// What widths are chosen for.
pub struct Wanted<'w> {
    /// How far each group may shrink.
    pub limits: &'w [Limit],
    /// How much more the last groups count than the first: what goes wrong early, later layers can still make up for.
    pub tilt: f64,
    /// Whether channel counts reach the target.
    pub reached: &'w dyn Fn(&[usize]) -> bool,
    /// What is saved when a group goes from its count to another.
    pub saved: &'w dyn Fn(&[usize], usize, usize) -> f64,
    /// How many widths of a group are looked at in each step.
    pub candidates: usize,
}

/// Channels that go, in order: a group and how many of them.
///
/// In each step every group is asked what it would lose for what it would save, at all widths below its own; the
/// lowest rate goes. Curves that are flat for some channels and steep for others are so seen beforehand.
pub fn allocate(curves: &[Curve], counts: &mut [usize], wanted: &Wanted) -> Vec<(usize, usize)> {
    let sizes = counts.to_vec();
    let open: Vec<usize> = (0..curves.len()).filter(|g| wanted.limits[*g].least < counts[*g]).collect();
    let weight = |g: usize| {
        let place = open.iter().position(|o| *o == g).unwrap_or(0) as f64 / (open.len().max(2) - 1) as f64;
        (wanted.tilt * (2.0 * place - 1.0)).exp() * if curves[g].stream { STREAM } else { 1.0 }
    };
    let weights: Vec<f64> = (0..curves.len()).map(weight).collect();
    let mut steps = Vec::new();
    // What the user fixed goes first.
    for &g in &open {
        if let Some(fixed) = wanted.limits[g].fixed {
            steps.push((g, counts[g] - fixed));
            counts[g] = fixed;
        }
    }
    let lost = |counts: &[usize], g: usize, to: usize| {
        weights[g] * (curves[g].loss(sizes[g] - to) - curves[g].loss(sizes[g] - counts[g]))
    };
    while !(wanted.reached)(counts) {
        let mut best: Option<(f64, f64, usize, usize)> = None;
        for &g in open.iter().filter(|g| wanted.limits[**g].fixed.is_none()) {
            for to in widths(counts[g], wanted.limits[g], wanted.candidates) {
                let saved = (wanted.saved)(counts, g, to);
                if saved <= 0.0 {
                    continue;
                }
                let rate = lost(counts, g, to) / saved;
                if best.is_none_or(|b| rate.total_cmp(&b.0).then(b.1.total_cmp(&saved)).is_lt()) {
                    best = Some((rate, saved, g, to));
                }
            }
        }
        let Some((_, _, mut g, mut to)) = best else { break };
        let reaches = |counts: &mut Vec<usize>, g: usize, to: usize| {
            let before = std::mem::replace(&mut counts[g], to);
            let reached = (wanted.reached)(counts);
            counts[g] = before;
            reached
        };
        let mut now = counts.to_vec();
        if reaches(&mut now, g, to) {
            // The last step: of all that reach the target, with as few channels as that takes, the one that loses
            // least.
            let last = |g: &usize| {
                let all: Vec<usize> = widths(now[*g], wanted.limits[*g], usize::MAX).collect();
                let mut now = now.clone();
                let at = all.partition_point(|to| !reaches(&mut now, *g, *to));
                all.get(at).map(|to| (lost(&now, *g, *to), *g, *to))
            };
            let all = open.iter().filter(|g| wanted.limits[**g].fixed.is_none()).filter_map(last);
            if let Some((_, least, width)) = all.min_by(|a, b| a.0.total_cmp(&b.0)) {
                (g, to) = (least, width);
            }
        }
        steps.push((g, counts[g] - to));
        counts[g] = to;
    }
    steps
}

/// Widths below `count` that a group may have, downwards; of many, some.
fn widths(count: usize, limit: Limit, most: usize) -> impl Iterator<Item = usize> {
    let (least, unit) = (limit.least, limit.unit.max(1));
    // The first multiple below.
    let first = count.saturating_sub(1) / unit * unit;
    let total = if first >= least.max(1) { (first - least.max(1)) / unit + 1 } else { 0 };
    let every = total.div_ceil(most.max(1)).max(1);
    (0..total).filter(move |k| *k < 8 || (k + 1) % every == 0 || k + 1 == total).map(move |k| first - k * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(n: usize) -> Vec<Limit> {
        vec![Limit { least: 1, fixed: None, unit: 1 }; n]
    }

    #[test]
    fn curves_pass_through_what_was_measured_and_never_fall() {
        let errors = [0.0, 0.1, 0.2, 0.3, 0.4];
        let c = Curve::new((0..5).collect(), &errors, &[(1, 0.01), (3, 0.9)], false);
        assert!((c.losses[1] - 0.01).abs() < 1e-9 && (c.losses[3] - 0.9).abs() < 1e-9, "{c:?}");
        // Behind the last point errors and losses stay side by side.
        assert!((c.losses[4] / c.losses[3] - 0.4 / 0.3).abs() < 1e-9 && c.losses[0] == 0.0);
        let falls = Curve::new((0..5).collect(), &errors, &[(1, 0.5), (3, 0.1)], false);
        assert!(falls.losses.windows(2).all(|w| w[0] <= w[1]), "{falls:?}");
    }

    #[test]
    fn the_best_widths_are_found() {
        // Costs x·y + 4·z; whatever the target, no other widths that reach it lose much less.
        let curve = |scale: f64, power: f64| {
            let losses: Vec<f64> = (0..8).map(|k| scale * f64::from(k).powf(power)).collect();
            Curve { order: (0..8).collect(), losses, stream: false }
        };
        let curves = [curve(1.0, 2.0), curve(2.0, 1.5), curve(0.5, 2.5)];
        let cost = |c: &[usize]| (c[0] * c[1] + 4 * c[2]) as f64;
        for target in [80.0, 60.0, 40.0, 25.0, 12.0] {
            let mut counts = vec![8, 8, 8];
            let reached = |c: &[usize]| cost(c) <= target;
            let saved = |c: &[usize], g: usize, to: usize| {
                let mut after = c.to_vec();
                after[g] = to;
                cost(c) - cost(&after)
            };
            let limits = limits(3);
            let wanted = Wanted { limits: &limits, tilt: 0.0, reached: &reached, saved: &saved, candidates: 100 };
            let steps = allocate(&curves, &mut counts, &wanted);
            assert!(reached(&counts), "{counts:?}");
            let gone: Vec<usize> = (0..3).map(|g| steps.iter().filter(|s| s.0 == g).map(|s| s.1).sum()).collect();
            assert_eq!((0..3).map(|g| 8 - gone[g]).collect::<Vec<_>>(), counts);
            let total = |c: &[usize]| (0..3).map(|g| curves[g].loss(8 - c[g])).sum::<f64>();
            let every = (1..=8).flat_map(|x| (1..=8).flat_map(move |y| (1..=8).map(move |z| vec![x, y, z])));
            let least = every.filter(|c| reached(c)).map(|c| total(&c)).fold(f64::INFINITY, f64::min);
            assert!(total(&counts) <= 1.15 * least, "{target}: {counts:?} lose {} of {least}", total(&counts));
        }
    }

    #[test]
    fn a_plateau_behind_a_step_is_seen() {
        // The first channel of group 0 costs much, the next five nothing; those of group 1 cost a little each.
        let plateau = Curve { order: Vec::new(), losses: vec![0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], stream: false };
        let slope = Curve { order: Vec::new(), losses: (0..7).map(|k| 0.3 * f64::from(k)).collect(), stream: false };
        let mut counts = vec![7, 7];
        let limits = limits(2);
        let wanted = Wanted {
            limits: &limits,
            tilt: 0.0,
            reached: &|c| c[0] + c[1] <= 8,
            saved: &|c, g, to| (c[g] - to) as f64,
            candidates: 100,
        };
        allocate(&[plateau, slope], &mut counts, &wanted);
        assert_eq!(counts, [1, 7]);
    }

    #[test]
    fn widths_are_multiples_within_limits() {
        let limit = |least, unit| Limit { least, fixed: None, unit };
        assert_eq!(widths(20, limit(5, 8), 100).collect::<Vec<_>>(), [16, 8]);
        assert_eq!(widths(16, limit(1, 8), 100).collect::<Vec<_>>(), [8]);
        assert_eq!(widths(4, limit(4, 1), 100).count(), 0);
        assert_eq!(widths(8, limit(1, 8), 100).count(), 0);
        let some: Vec<usize> = widths(1000, limit(1, 1), 32).collect();
        assert!(some.len() < 50 && some[..8] == [999, 998, 997, 996, 995, 994, 993, 992] && some.last() == Some(&1));
    }

    #[test]
    fn fixed_widths_and_streams_are_honoured() {
        let curve = |stream| Curve { order: Vec::new(), losses: (0..8).map(f64::from).collect(), stream };
        let mut counts = vec![8, 8, 8];
        let limits = [
            Limit { least: 6, fixed: Some(6), unit: 1 },
            Limit { least: 1, fixed: None, unit: 1 },
            Limit { least: 1, fixed: None, unit: 1 },
        ];
        let wanted = Wanted {
            limits: &limits,
            tilt: 0.0,
            reached: &|c| c.iter().sum::<usize>() <= 18,
            saved: &|c, g, to| (c[g] - to) as f64,
            candidates: 100,
        };
        let steps = allocate(&[curve(false), curve(true), curve(false)], &mut counts, &wanted);
        assert_eq!((steps[0], counts), ((0, 2), vec![6, 8, 4]));
    }
}
