//! Whether sizes go together, for operators that share the rule.

use super::Sizes;
use crate::algebra::Dim;

/// Whether sizes broadcast together: equal, or one of them 1.
pub fn broadcast(inputs: &[&[Option<i64>]]) -> bool {
    let rank = inputs.iter().map(|s| s.len()).max().unwrap_or(0);
    (0..rank).all(|back| {
        let mut wide = inputs.iter().filter_map(|s| s.get(s.len().checked_sub(back + 1)?).copied().flatten());
        let mut seen = None;
        wide.all(|n| n == 1 || *seen.get_or_insert(n) == n)
    })
}

/// Whether an input and an output have the same number of elements; sizes of the output that are not known make up for
/// any whole factor.
pub fn same_count(inputs: &Sizes, outputs: &Sizes) -> bool {
    let first = |sizes: &Sizes| sizes.first().copied().flatten().map(<[Option<i64>]>::to_vec);
    let (Some(inputs), Some(outputs)) = (first(inputs), first(outputs)) else { return true };
    let Some(count) = inputs.iter().try_fold(1i64, |n, d| n.checked_mul((*d)?)) else { return true };
    let Some(known) = outputs.iter().flatten().try_fold(1i64, |n, d| n.checked_mul(*d)) else { return true };
    match outputs.iter().all(Option::is_some) {
        true => count == known,
        false => known != 0 && count % known == 0,
    }
}

/// Whether the last axis of one matrix is as long as the rows of the other.
pub fn contracted(inputs: &Sizes) -> bool {
    let (Some(Some(a)), Some(Some(b))) = (inputs.first(), inputs.get(1)) else { return true };
    let (inner, outer) = (a.last().copied().flatten(), b.get(b.len().saturating_sub(2)).copied().flatten());
    inner.zip(outer).is_none_or(|(x, y)| x == y)
}

/// Whether all axes but one are equal.
pub fn joined(inputs: &Sizes, axis: Option<i64>) -> bool {
    let all: Vec<&[Option<i64>]> = inputs.iter().copied().flatten().collect();
    let Some((first, rest)) = all.split_first() else { return true };
    let Some(axis) = axis.and_then(|a| super::fact::axis(a, first.len())) else { return true };
    let equal = |s: &&[Option<i64>], k: usize| first[k].zip(s[k]).is_none_or(|(x, y)| x == y);
    rest.iter().all(|s| s.len() == first.len() && (0..s.len()).all(|k| k == axis || equal(s, k)))
}

/// Whether two axes can be one: their sizes are equal, or one is not known.
pub fn meet(a: &Dim, b: &Dim) -> bool {
    a.known().zip(b.known()).is_none_or(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_do_not_go_together_are_told() {
        let (a, b, c) = ([Some(2), Some(12)], [Some(12)], [None, Some(3)]);
        assert!(broadcast(&[&a, &b]) && !broadcast(&[&a, &c]) && broadcast(&[&b, &[Some(1)]]));
        assert!(same_count(&[Some(&a)], &[Some(&[Some(24)])]) && !same_count(&[Some(&a)], &[Some(&[Some(25)])]));
        assert!(same_count(&[Some(&c)], &[Some(&a)]));
        assert!(
            same_count(&[Some(&a)], &[Some(&[None, Some(8)])]) && !same_count(&[Some(&a)], &[Some(&[None, Some(7)])])
        );
        assert!(
            contracted(&[Some(&a), Some(&[Some(12), Some(4)])]) && !contracted(&[Some(&a), Some(&[Some(8), Some(4)])])
        );
        assert!(
            joined(&[Some(&a), Some(&[Some(2), Some(5)])], Some(1))
                && !joined(&[Some(&a), Some(&a), Some(&c)], Some(0))
        );
    }
}
