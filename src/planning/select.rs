//! One step of selection: which units go, in which order, and where to stop.

use super::eligible::Limit;
use super::schemes::{GroupView, Scheme};

/// Channels of one group that go together (one, or a rounding step), and their key in the ranking.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The group.
    pub group: usize,
    /// The channels, lowest score first.
    pub channels: Vec<usize>,
    /// Place in the ranking; lower goes first.
    pub key: f64,
}

/// The state of all groups between steps.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Channels that are still there.
    pub alive: Vec<Vec<bool>>,
    /// Their numbers.
    pub counts: Vec<usize>,
    /// Units in the order of their removal.
    pub removed: Vec<Unit>,
}

impl Selection {
    /// Nothing removed yet.
    pub fn new(sizes: &[usize]) -> Selection {
        Selection { alive: sizes.iter().map(|n| vec![true; *n]).collect(), counts: sizes.to_vec(), removed: Vec::new() }
    }

    /// Takes a unit away.
    pub fn remove(&mut self, unit: Unit) {
        unit.channels.iter().for_each(|c| self.alive[unit.group][*c] = false);
        self.counts[unit.group] -= unit.channels.len();
        self.removed.push(unit);
    }
}

/// What a scheme may look at beside scores, for each group.
pub struct Asides<'a> {
    /// Equal for groups that sit in the network alike.
    pub structures: &'a [&'a str],
    /// What the target gains.
    pub gains: &'a [f64],
    /// What the model loses; empty where nothing was measured.
    pub degradations: &'a [Vec<(f64, f64)>],
}

/// All units that may go, in ranking order.
pub fn ranking<'s>(
    state: &Selection,
    limits: &[Limit],
    scheme: &dyn Scheme,
    asides: &Asides,
    scores: impl Fn(usize) -> &'s [f64] + Sync,
) -> Vec<Unit> {
    use rayon::prelude::*;
    let lists: Vec<Vec<(Vec<usize>, f64)>> = (0..limits.len())
        .into_par_iter()
        .map(|g| {
            let may_go = state.counts[g].saturating_sub(limits[g].least);
            if may_go == 0 {
                return Vec::new();
            }
            let s = scores(g);
            let mut order: Vec<usize> = (0..s.len()).filter(|c| state.alive[g][*c]).collect();
            order.sort_by(|a, b| s[*a].total_cmp(&s[*b]).then(a.cmp(b)));
            units(&order[..may_go], state.counts[g], limits[g].unit)
                .into_iter()
                .map(|channels| {
                    let score = channels.iter().map(|c| s[*c]).sum::<f64>() / channels.len() as f64;
                    (channels, score)
                })
                .collect()
        })
        .collect();
    let views: Vec<Vec<(usize, f64)>> = lists.iter().map(|l| l.iter().map(|(c, s)| (c.len(), *s)).collect()).collect();
    let groups: Vec<GroupView> = (0..limits.len())
        .map(|g| GroupView {
            size: state.alive[g].len(),
            removed: state.alive[g].len() - state.counts[g],
            units: &views[g],
            structure: asides.structures[g],
            gain: asides.gains[g],
            degradations: asides.degradations.get(g).map_or(&[], Vec::as_slice),
        })
        .collect();
    let keys = scheme.keys(&groups);
    let mut all = Vec::new();
    for (g, list) in lists.into_iter().enumerate() {
        let fixed = limits[g].fixed.is_some();
        for ((channels, _), key) in list.into_iter().zip(&keys[g]) {
            // What the user fixed goes before anything is ranked.
            all.push(Unit { group: g, channels, key: if fixed { f64::NEG_INFINITY } else { *key } });
        }
    }
    // The sort is stable: ties go by group, then by score within it.
    all.sort_by(|a, b| a.key.total_cmp(&b.key));
    all
}

/// Cuts the channels that may go into steps that leave multiples of `round_to`.
fn units(order: &[usize], count: usize, round_to: usize) -> Vec<Vec<usize>> {
    if round_to <= 1 {
        return order.iter().map(|c| vec![*c]).collect();
    }
    let mut out = Vec::new();
    let (mut from, mut left) = (0, count);
    loop {
        let step = if left % round_to == 0 { round_to } else { left % round_to };
        if from + step > order.len() || left == step {
            return out;
        }
        out.push(order[from..from + step].to_vec());
        from += step;
        left -= step;
    }
}

/// The length of the shortest prefix of `units` that reaches the target, by bisection; the cost falls with
/// every removal. `reached` judges channel counts.
pub fn shortest(units: &[Unit], counts: &[usize], reached: impl Fn(&[usize]) -> bool) -> usize {
    let after = |n: usize| {
        let mut c = counts.to_vec();
        units[..n].iter().for_each(|u| c[u.group] -= u.channels.len());
        c
    };
    let (mut low, mut high) = (0, units.len());
    while low < high {
        let middle = (low + high) / 2;
        if reached(&after(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Gives back what the target does not need: in each group the units that went last, highest key first, as long as the
/// target holds without them. What is left exceeds the target by less than any one of the rest is worth.
pub fn give_back(state: &mut Selection, limits: &[Limit], reached: impl Fn(&[usize]) -> bool) {
    let mut open: Vec<bool> = limits.iter().map(|l| l.fixed.is_none()).collect();
    let mut stay = Vec::with_capacity(state.removed.len());
    for unit in std::mem::take(&mut state.removed).into_iter().rev() {
        let (g, size) = (unit.group, unit.channels.len());
        if open[g] {
            state.counts[g] += size;
            if reached(&state.counts) {
                unit.channels.iter().for_each(|c| state.alive[g][*c] = true);
                continue;
            }
            state.counts[g] -= size;
            open[g] = false;
        }
        stay.push(unit);
    }
    stay.reverse();
    state.removed = stay;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_leave_multiples() {
        let order: Vec<usize> = (0..19).collect();
        let sizes = |n, r| units(&order[..n], 20, r).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(19, 8), [4, 8]);
        assert_eq!(sizes(3, 8), Vec::<usize>::new());
        assert_eq!(sizes(4, 1), [1; 4]);
    }

    #[test]
    fn shortest_prefix_and_give_back() {
        let unit = |group, c| Unit { group, channels: vec![c], key: c as f64 };
        let all = [unit(0, 0), unit(1, 0), unit(0, 1), unit(1, 1)];
        // Group 0 is worth 10 a channel, group 1 is worth 1; 18 must go.
        let cost = |c: &[usize]| 10 * c[0] + c[1];
        let reached = |c: &[usize]| cost(c) <= 44 - 18;
        let n = shortest(&all, &[4, 4], reached);
        assert_eq!(n, 3);
        let mut state = Selection::new(&[4, 4]);
        all[..n].iter().cloned().for_each(|u| state.remove(u));
        let limits = [Limit { least: 1, fixed: None, unit: 1 }; 2];
        give_back(&mut state, &limits, reached);
        assert_eq!((&state.counts[..], state.removed.len()), (&[2, 4][..], 2));
    }

    #[test]
    fn one_coarse_unit_gives_many_fine_ones_back() {
        let unit = |group, c| Unit { group, channels: vec![c], key: c as f64 };
        let mut state = Selection::new(&[4, 9]);
        (0..5).for_each(|c| state.remove(unit(1, c)));
        state.remove(unit(0, 0));
        // Group 0 is worth 10 a channel, group 1 is worth 1; 12 must go.
        let reached = |c: &[usize]| 10 * c[0] + c[1] <= 49 - 12;
        give_back(&mut state, &[Limit { least: 1, fixed: None, unit: 1 }; 2], reached);
        assert_eq!(state.counts, [3, 7]);
        assert_eq!(state.alive[1][..5], [false, false, true, true, true], "the last ones come back");
    }
}
