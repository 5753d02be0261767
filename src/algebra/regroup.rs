//! Reshape: the same factors, grouped anew.

use std::collections::VecDeque;

use super::dim::Dim;
use super::term::{Reason, Term, Terms};

#[derive(Clone, Copy, PartialEq)]
enum End {
    Left,
    Right,
}

impl Terms {
    /// The axis terms of a row-major reshape of `input` to `sizes`.
    ///
    /// Factors are matched from the left as far as they go, then from the right; what stays unmatched in
    /// the middle is frozen for `reason`.
    pub fn regroup(&mut self, input: &[Term], sizes: &[Dim], reason: &Reason) -> Vec<Term> {
        let mut factors: VecDeque<Term> = input.iter().flat_map(|t| self.factors(*t)).collect();
        let mut out: Vec<Option<Term>> = vec![None; sizes.len()];
        let mut lo = 0;
        while lo < sizes.len() {
            match self.take(&mut factors, &sizes[lo], End::Left) {
                Some(t) => out[lo] = Some(t),
                None => break,
            }
            lo += 1;
        }
        let mut hi = sizes.len();
        while hi > lo {
            match self.take(&mut factors, &sizes[hi - 1], End::Right) {
                Some(t) => out[hi - 1] = Some(t),
                None => break,
            }
            hi -= 1;
        }
        for f in factors {
            self.freeze(f, reason);
        }
        out.into_iter()
            .zip(sizes)
            .map(|(t, n)| match t {
                Some(t) => t,
                None => self.frozen_atom(n.clone(), reason),
            })
            .collect()
    }

    /// Takes factors of total size `size` from one end; leaves the queue as it was where they do not fit.
    fn take(&mut self, queue: &mut VecDeque<Term>, size: &Dim, end: End) -> Option<Term> {
        let mut rest = size.clone();
        let mut left = queue.clone();
        let mut taken = VecDeque::new();
        while !rest.is(1) {
            let f = if end == End::Left { left.pop_front() } else { left.pop_back() }?;
            // Unification may have refined the factor since it was queued.
            let parts = self.factors(f);
            if parts.len() > 1 {
                match end {
                    End::Left => parts.iter().rev().for_each(|p| left.push_front(*p)),
                    End::Right => left.extend(parts),
                }
                continue;
            }
            let n = self.size(f);
            if n.is(0) || rest.is(0) {
                return None;
            }
            let put = |taken: &mut VecDeque<Term>, t| match end {
                End::Left => taken.push_back(t),
                End::Right => taken.push_front(t),
            };
            if let Some(r) = rest.div_exact(&n) {
                put(&mut taken, f);
                rest = r;
                continue;
            }
            let other = n.div_exact(&rest)?;
            match end {
                End::Left => {
                    let (o, i) = self.split_product(f, &rest)?;
                    put(&mut taken, o);
                    left.push_front(i);
                }
                End::Right => {
                    let (o, i) = self.split_product(f, &other)?;
                    put(&mut taken, i);
                    left.push_back(o);
                }
            }
            rest = Dim::from(1i64);
        }
        *queue = left;
        let taken: Vec<Term> = taken.into();
        Some(self.product(&taken))
    }
}

#[cfg(test)]
mod tests {
    use super::super::dim::Symbols;
    use super::*;

    fn why() -> Reason {
        Reason { kind: "reshape", at: "test".into() }
    }

    #[test]
    fn heads_come_apart_and_together() {
        let (mut ts, mut s) = (Terms::default(), Symbols::default());
        let n = s.named("n");
        let input = [ts.atom(n.clone()), ts.atom(Dim::from(197i64)), ts.atom(Dim::from(384i64))];
        let d = |x: i64| Dim::from(x);
        let split = ts.regroup(&input, &[n.clone(), d(197), d(6), d(64)], &why());
        assert_eq!(ts.show(input[2]), "6·64");
        let back = ts.regroup(&split, &[n.times(&d(197)), d(384)], &why());
        assert_eq!(ts.leaves(back[1]), ts.leaves(input[2]));
        assert!(ts.frozen(split[3]).is_none());
    }

    #[test]
    fn unknown_middle_freezes_only_itself() {
        let (mut ts, mut s) = (Terms::default(), Symbols::default());
        let (h, w, u) = (s.named("h"), s.named("w"), s.named("u"));
        let c = ts.atom(Dim::from(96i64));
        let input = [ts.atom(Dim::from(1i64)), ts.atom(h), ts.atom(w), c];
        let out = ts.regroup(&input, &[u, Dim::from(49i64), Dim::from(96i64)], &why());
        assert_eq!(ts.resolve(out[2]), ts.resolve(c));
        assert!(ts.frozen(c).is_none() && ts.frozen(out[1]).is_some());
    }
}
