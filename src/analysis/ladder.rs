//! Guesses for open sizes: usual ones first, then others until the graph holds together.

use super::sizes::{Flaws, Open};
use crate::algebra::Bindings;

/// Sizes that images, sentences and sounds commonly have.
const LADDER: [i64; 17] = [224, 256, 64, 32, 512, 16, 128, 640, 1024, 16000, 299, 320, 96, 112, 384, 48, 28];
/// Sizes that fit much and stand for little.
const LAST: [i64; 4] = [8, 4, 2, 1];

/// Sizes that stand for what a file leaves open: one sample, three colours, a common image or sentence. Where the
/// last of four axes is 1 or 3, that is the colours.
pub fn usual(axis: usize, rank: usize, last: Option<i64>) -> i64 {
    match (axis, rank) {
        (0, _) => 1,
        (1, 4) if !matches!(last, Some(1 | 3)) => 3,
        (_, 4 | 5) => 224,
        (1, _) => 64,
        _ => 16,
    }
}

/// Sizes to try in the place of `now`, the nearest first, cheaper ones before larger ones.
pub fn others(now: i64, is_batch: bool, stored: &[i64]) -> Vec<i64> {
    let near = match (is_batch, now) {
        (true, _) => vec![3, 1, 2],
        (false, 64..) => vec![now - 32, now + 32, now / 2, now - 16, 2 * now, now + 1, now - 1, now + 8],
        (false, _) => vec![now / 2, 2 * now, now + 1, now - 1, now + 8, 3],
    };
    let mut out: Vec<i64> = Vec::new();
    for n in near.into_iter().chain(stored.iter().copied()).chain(LADDER).chain(LAST) {
        if n > 0 && n != now && !out.contains(&n) {
            out.push(n);
        }
    }
    out
}

/// Where a climb ended.
pub struct Climbed {
    /// The sizes.
    pub bindings: Bindings,
    /// What is wrong with them.
    pub flaws: Flaws,
}

/// Changes the sizes of `free` until nothing is wrong with them, or `budget` sets of sizes were looked at: first all
/// together, then one after the other. Sizes of `all` that follow from others do.
pub fn climb(
    start: Bindings,
    free: &[&Open],
    all: &[Open],
    given: &Bindings,
    (stored, budget): (&[i64], usize),
    judge: &dyn Fn(&Bindings) -> Flaws,
) -> Climbed {
    let start = settled(start, all, given);
    let mut best = Climbed { flaws: judge(&start), bindings: start };
    let mut left = budget;
    let mut consider = |best: &mut Climbed, changes: &[(&str, i64)]| {
        if left == 0 || best.flaws.none() {
            return;
        }
        left -= 1;
        let mut bindings = best.bindings.clone();
        bindings.extend(changes.iter().map(|(name, n)| ((*name).to_owned(), *n)));
        let bindings = settled(bindings, all, given);
        let flaws = judge(&bindings);
        if flaws < best.flaws {
            *best = Climbed { bindings, flaws };
        }
    };
    let rungs = || LADDER.iter().chain(stored).chain(&LAST).copied();
    for n in rungs() {
        let inner: Vec<(&str, i64)> = free.iter().filter(|o| o.axis > 0).map(|o| (o.name.as_str(), n)).collect();
        if inner.len() > 1 {
            consider(&mut best, &inner);
        }
    }
    for _ in 0..2 {
        for o in free {
            rungs().for_each(|n| consider(&mut best, &[(&o.name, n)]));
        }
    }
    best
}

/// With the sizes that follow from others, where the file says by their names that they do and `given` does not have
/// them.
pub fn settled(mut bindings: Bindings, all: &[Open], given: &Bindings) -> Bindings {
    let derived = || all.iter().filter(|o| is_derived(&o.name, all) && !given.contains_key(&o.name));
    bindings.extend(derived().map(|o| (o.name.clone(), o.usual)));
    // What follows may follow from what follows.
    for _ in 0..2 {
        for o in derived() {
            if let Some(n) = value(&o.name, all, &bindings) {
                bindings.insert(o.name.clone(), n);
            }
        }
    }
    bindings
}

/// Whether a size follows from others: exporters call it `past + 1`, `8*batch`, or, of tokens, the total.
pub fn is_derived(name: &str, all: &[Open]) -> bool {
    let symbol = |part: &str| part != name && all.iter().any(|o| o.name == part);
    let sum = sum_of(name, all);
    let parts: Vec<&str> = sum.split(['+', '*']).map(str::trim).collect();
    parts.len() > 1 && parts.iter().all(|p| symbol(p) || p.parse::<i64>().is_ok()) && parts.iter().any(|p| symbol(p))
}

/// The sum that a name stands for: itself, or past and present of a total.
fn sum_of(name: &str, all: &[Open]) -> String {
    let there = |name: &str| all.iter().any(|o| o.name == name);
    match name.strip_prefix("total_") {
        Some(rest) if there(rest) && there(&format!("past_{rest}")) => format!("past_{rest}+{rest}"),
        _ => name.to_owned(),
    }
}

fn value(name: &str, all: &[Open], bindings: &Bindings) -> Option<i64> {
    let number = |p: &str| p.parse::<i64>().ok().or_else(|| bindings.get(p).copied());
    let product = |t: &str| t.split('*').try_fold(1i64, |n, p| n.checked_mul(number(p.trim())?));
    sum_of(name, all).split('+').try_fold(0i64, |n, t| n.checked_add(product(t)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(name: &str, axis: usize, usual: i64) -> Open {
        Open { name: name.to_owned(), input: "x".to_owned(), axis, usual }
    }

    #[test]
    fn the_last_of_four_axes_may_be_the_colours() {
        assert_eq!([0, 1, 2, 3].map(|k| usual(k, 4, Some(3))), [1, 224, 224, 224]);
        assert_eq!([0, 1, 2, 3].map(|k| usual(k, 4, None)), [1, 3, 224, 224]);
        assert_eq!([0, 1, 2].map(|k| usual(k, 3, Some(80))), [1, 64, 16]);
    }

    #[test]
    fn guesses_climb_until_nothing_is_wrong() {
        // A window of 512 is longer than a sentence.
        let all = [open("samples", 1, 64), open("rate", 1, 64)];
        let free: Vec<&Open> = all.iter().collect();
        let start = Bindings::from([("samples".to_owned(), 64), ("rate".to_owned(), 64)]);
        let judge = |b: &Bindings| Flaws {
            negative: usize::from(b["samples"] < 512),
            unfit: usize::from(b["rate"] != 77),
            ..Flaws::default()
        };
        let found = climb(start, &free, &all, &Bindings::new(), (&[77], 500), &judge);
        assert!(found.flaws.none());
        assert_eq!((found.bindings["samples"] >= 512, found.bindings["rate"]), (true, 77));
    }

    #[test]
    fn names_tell_which_sizes_follow_from_others() {
        let names = ["sequence_length", "past_sequence_length", "total_sequence_length", "past_sequence_length + 1"];
        let all: Vec<Open> = names.iter().map(|n| open(n, 1, 64)).collect();
        assert_eq!(names.map(|n| is_derived(n, &all)), [false, false, true, true]);
        let given = Bindings::from([(names[0].to_owned(), 4), (names[1].to_owned(), 3)]);
        let bound = settled(given.clone(), &all, &given);
        assert_eq!((bound[names[2]], bound[names[3]]), (7, 4));
    }

    #[test]
    fn other_sizes_are_never_the_same_nor_nothing() {
        assert_eq!(others(1, true, &[])[..2], [3, 2]);
        assert_eq!(others(224, false, &[7])[..2], [192, 256]);
        assert!(others(1, false, &[12]).iter().all(|n| *n > 1));
        assert!(others(1, false, &[12]).contains(&12));
    }
}
