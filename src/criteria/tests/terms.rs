//! Measures that no criterion of the table has, each in a few lines of this file: sums of terms of a weight and a
//! statistic of its elements, on made-up gradients, against a loop over all elements.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::against_naive::random_parts;
use super::naive::Naive;
use super::*;
use crate::statistics::{FISHER, GRADIENT, Key, PerElement, SQUARED_GRADIENT};

/// A criterion of a term that it is named after.
macro_rules! criterion {
    ($name:ident, $roles:expr, $key:expr, $signed:literal, |$w:ident, $s:ident| $of:expr, |$sum:ident| $channel:expr) => {
        struct $name;

        impl Term for $name {
            const NAME: &'static str = stringify!($name);
            const STATISTIC: Option<Key<PerElement>> = $key;
            const SIGNED: bool = $signed;

            fn of($w: f64, $s: f64) -> f64 {
                $of
            }

            fn of_channel($sum: f64) -> f64 {
                $channel
            }
        }

        impl Criterion for $name {
            fn name(&self) -> &'static str {
                stringify!($name)
            }

            fn manual(&self) -> &'static str {
                ""
            }

            fn plan(&self) -> ScorePlan {
                ScorePlan::items(&$name, $roles)
            }
        }
    };
}

criterion!(Weighted, Roles::SCORED, Some(SQUARED_GRADIENT), false, |w, s| w.abs() * s, |sum| sum);
criterion!(Taylor, Roles::SCORED, Some(GRADIENT), false, |w, g| (w * g).abs(), |sum| sum);
criterion!(GroupTaylor, Roles::SCORED, Some(GRADIENT), true, |w, g| w * g, |sum| sum * sum);
criterion!(Obd, Roles::OUT, Some(FISHER), false, |w, f| 0.5 * w * w * f, |sum| sum);
criterion!(Cube, Roles::SCORED, None, true, |w, _s| w * w * w, |sum| sum.abs());

/// What is read of each criterion: its roles, its statistic, and its score by the page.
type Page = (&'static dyn Criterion, Roles, Option<Key<PerElement>>, fn(f64, f64) -> f64, fn(f64) -> f64);

fn all() -> [Page; 5] {
    [
        (&Weighted, Roles::SCORED, Some(SQUARED_GRADIENT), |w, s| w.abs() * s, |sum| sum),
        (&Taylor, Roles::SCORED, Some(GRADIENT), |w, g| (w * g).abs(), |sum| sum),
        (&GroupTaylor, Roles::SCORED, Some(GRADIENT), |w, g| w * g, |sum| sum * sum),
        (&Obd, Roles::OUT, Some(FISHER), |w, f| 0.5 * w * w * f, |sum| sum),
        (&Cube, Roles::SCORED, None, |w, _| w * w * w, |sum| sum.abs()),
    ]
}

/// The mean over the items of the scores of a group's channels, element by element; NaN where a channel is gone. Beside
/// each score the sum of the sizes of what it is made of.
fn by_loops(naive: &Naive, g: usize, page: &Page) -> Vec<(f64, f64)> {
    let (_, roles, key, term, of_channel) = page;
    let group = &naive.groups[g];
    let known = |w: usize| key.is_none_or(|key| naive.weights[w].statistics.get(key).is_some());
    let items: Vec<&ScoredItem> = group.items.iter().filter(|i| roles.contains(i.role) && known(i.weight)).collect();
    (0..group.channels)
        .map(|c| {
            if !naive.alive[g][c] {
                return (f64::NAN, 0.0);
            }
            let (mut score, mut size) = (0.0, 0.0);
            for item in &items {
                let weight = &naive.weights[item.weight];
                let values = naive.values(item.weight);
                let beside = key.and_then(|key| weight.statistics.get(key));
                let (mut sum, mut own) = (0.0, 0.0);
                for (flat, w) in values.iter().enumerate() {
                    let mut index = vec![0; weight.shape.len()];
                    let mut left = flat;
                    for a in (0..index.len()).rev() {
                        index[a] = left % weight.shape[a];
                        left /= weight.shape[a];
                    }
                    let gone = (0..index.len()).any(|a| naive.dead(item.weight, a, index[a]));
                    if !gone && item.channel[index[item.axis]] == c as u32 {
                        let t = term(*w, beside.map_or(0.0, |s| f64::from(s[flat])));
                        sum += t;
                        own += t.abs();
                    }
                }
                score += of_channel(sum);
                size += of_channel(own);
            }
            let n = items.len().max(1) as f64;
            (score / n, size / n)
        })
        .collect()
}

fn compare(board: &Scoreboard, naive: &Naive, page: &Page) {
    for g in (0..naive.groups.len()).filter(|g| board.notes().iter().all(|n| !n.contains(&naive.groups[*g].name))) {
        for (found, (wanted, size)) in board.scores(g).iter().zip(by_loops(naive, g, page)) {
            let equal = found.is_nan() && wanted.is_nan() || (found - wanted).abs() <= 1e-9 * size + 1e-300;
            assert!(equal, "{} group {g}: {found}, not {wanted}", page.0.name());
        }
    }
}

#[test]
fn made_up_gradients_under_random_removals() {
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut weights, groups) = random_parts(&mut rng);
        for weight in &mut weights {
            // Some have none: items of theirs are not read.
            if rng.random_bool(0.9) {
                let mut draw = |from: f32| -> Vec<f32> {
                    let wild = rng.random_bool(0.3);
                    let scale = |rng: &mut ChaCha8Rng| if wild && rng.random_bool(0.2) { 1e6 } else { 1.0 };
                    (0..weight.data.len()).map(|_| rng.random_range(from..1.0f32) * scale(&mut rng)).collect()
                };
                let (gradient, squared, fisher) = (draw(-1.0), draw(0.0), draw(0.0));
                weight.statistics.set(GRADIENT, gradient);
                weight.statistics.set(SQUARED_GRADIENT, squared);
                weight.statistics.set(FISHER, fisher);
            }
        }
        for page in all() {
            let alive = groups.iter().map(|g| vec![true; g.channels]).collect();
            let mut naive = Naive { weights: weights.clone(), groups: groups.clone(), alive };
            let mut board = Scoreboard::new(page.0, weights.clone(), groups.clone(), RAW).unwrap();
            compare(&board, &naive, &page);
            for _ in 0..4 {
                let g = rng.random_range(0..groups.len());
                let c = rng.random_range(0..groups[g].channels);
                naive.alive[g][c] = false;
                board.remove(g, &[c]);
                board.refresh();
                compare(&board, &naive, &page);
            }
        }
    }
}

#[test]
fn what_a_criterion_needs_follows_from_its_statistics() {
    assert!(Taylor.needs() == Needs::WEIGHTS.and(Needs::GRADIENTS) && Taylor.needs().reads_gradients());
    assert_eq!(Obd.needs(), Needs::WEIGHTS.and(Needs::SAMPLE_GRADIENTS));
    assert_eq!(Cube.needs(), Needs::WEIGHTS);
    assert!(Taylor.fallback().is_some() && Cube.fallback().is_none());
}

#[test]
fn gradients_that_do_not_fit_are_refused() {
    let new = |gradient: Vec<f32>| {
        let mut w = weight("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        w.statistics.set(GRADIENT, gradient);
        Scoreboard::new(&Taylor, vec![w], vec![group("g", 2, vec![item(0, 0, ItemRole::Out, &[0, 1])])], RAW)
    };
    assert_eq!(new(vec![1.0, -1.0, 0.0, 2.0]).unwrap().scores(0), [3.0, 8.0]);
    for bad in [vec![1.0; 3], vec![1.0, f32::NAN, 1.0, 1.0]] {
        let error = new(bad).err().unwrap();
        assert!(matches!(error, Error::Statistic { statistic: "gradient", .. }), "{error}");
    }
}

#[test]
fn items_without_gradients_are_not_read() {
    let mut with = weight("with", &[2], &[1.0, -2.0]);
    with.statistics.set(GRADIENT, vec![3.0, 0.5]);
    let items = vec![item(0, 0, ItemRole::BatchNorm, &[0, 1]), item(1, 0, ItemRole::Out, &[0, 1])];
    let weights = || vec![with.clone(), weight("without", &[2], &[9.0, 9.0])];
    let board = Scoreboard::new(&Taylor, weights(), vec![group("g", 2, items.clone())], RAW).unwrap();
    assert!(board.scores(0) == [3.0, 1.0] && board.notes().is_empty());
    // A group that has none at all goes by weight, and the notes say so.
    let board = Scoreboard::new(&Taylor, weights(), vec![group("g", 2, vec![items[1].clone()])], RAW).unwrap();
    assert_eq!(board.scores(0), [81.0, 81.0]);
    assert!(board.notes()[0].contains("Taylor") && board.notes()[0].contains("l2"), "{:?}", board.notes());
}
