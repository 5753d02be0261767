//! Unification: two axes that an operator relates become one.

use std::collections::VecDeque;

use super::dim::{Dim, gcd};
use super::term::{Node, Reason, Term, Terms};

/// Two terms, outer and inner or first and second.
type Pair = (Term, Term);

/// Steps of one unification, and parts looked at in all of them: what costs more is frozen, so that no file takes
/// longer than its size allows. Rolling an axis by one position makes each position the next one, step by step.
const MAX_STEPS: usize = 1 << 12;
const MAX_SPENT: usize = 1 << 26;

/// Unifications within unifications.
const MAX_NESTED: usize = 16;

/// What is left to be made the same.
enum Work {
    /// Two terms.
    Pair(Term, Term),
    /// The rests of two concatenations.
    Sums(VecDeque<Term>, VecDeque<Term>),
    /// The rests of two products, and these.
    Products(VecDeque<Term>, VecDeque<Term>, Pair),
}

impl Work {
    fn terms(self) -> Vec<Term> {
        match self {
            Work::Pair(a, b) => vec![a, b],
            Work::Sums(xs, ys) | Work::Products(xs, ys, _) => xs.into_iter().chain(ys).collect(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Work::Pair(..) => 1,
            Work::Sums(xs, ys) | Work::Products(xs, ys, _) => 1 + xs.len() + ys.len(),
        }
    }
}

impl Terms {
    /// Makes two terms the same, refining atoms where needed. What does not unify is frozen for `reason`, as is what
    /// would take too many steps; returns whether all of it did.
    pub fn unify(&mut self, a: Term, b: Term, reason: &Reason) -> bool {
        if self.nested >= MAX_NESTED {
            return self.refuse([a, b], reason);
        }
        self.nested += 1;
        let mut todo = vec![Work::Pair(a, b)];
        let (mut ok, mut steps) = (true, 0);
        while let Some(work) = todo.pop() {
            steps += 1;
            self.spent = self.spent.saturating_add(work.len());
            ok &= if steps > MAX_STEPS || self.spent > MAX_SPENT {
                self.refuse(work.terms(), reason)
            } else {
                match work {
                    Work::Pair(a, b) => self.unify_pair(a, b, reason, &mut todo),
                    Work::Sums(xs, ys) => self.unify_sums(xs, ys, reason, &mut todo),
                    Work::Products(xs, ys, of) => self.unify_products(xs, ys, of, reason, &mut todo),
                }
            };
        }
        self.nested -= 1;
        ok
    }

    fn unify_pair(&mut self, a: Term, b: Term, reason: &Reason, todo: &mut Vec<Work>) -> bool {
        let (a, b) = (self.resolve(a), self.resolve(b));
        if a == b {
            return true;
        }
        if self.size_ref(a) != self.size_ref(b) {
            return self.refuse([a, b], reason);
        }
        if self.size_ref(a).is(1) {
            return true;
        }
        match (&self.nodes[a.0 as usize], &self.nodes[b.0 as usize]) {
            (_, Node::Atom { .. }) => self.bind(b, a),
            (Node::Atom { .. }, _) => self.bind(a, b),
            (Node::Sum(_), Node::Sum(_)) => match (self.split_up(a), self.split_up(b)) {
                (Some(xs), Some(ys)) => {
                    todo.push(Work::Sums(xs.into(), ys.into()));
                    true
                }
                _ => self.refuse([a, b], reason),
            },
            (Node::Product(_), Node::Product(_)) => {
                let (xs, ys) = (self.factors(a), self.factors(b));
                // One that has too many factors is its own.
                if xs.contains(&a) || ys.contains(&b) {
                    return self.refuse([a, b], reason);
                }
                todo.push(Work::Products(xs.into(), ys.into(), (a, b)));
                true
            }
            (Node::Product(_), _) => self.unify_sum_product(b, a, reason, todo),
            _ => self.unify_sum_product(a, b, reason, todo),
        }
    }

    fn refuse(&mut self, terms: impl IntoIterator<Item = Term>, reason: &Reason) -> bool {
        for t in terms {
            self.freeze(t, reason);
        }
        false
    }

    fn unify_sums(
        &mut self,
        mut xs: VecDeque<Term>,
        mut ys: VecDeque<Term>,
        reason: &Reason,
        todo: &mut Vec<Work>,
    ) -> bool {
        let (Some(p), Some(q)) = (xs.pop_front(), ys.pop_front()) else { return true };
        let (m, n) = (self.size_ref(p).known(), self.size_ref(q).known());
        let pair = if self.size_ref(p) == self.size_ref(q) {
            Some((p, q))
        } else {
            match (m, n) {
                (Some(m), Some(n)) if m < n => self.split_sum(q, m).map(|(first, rest)| {
                    ys.push_front(rest);
                    (p, first)
                }),
                (Some(_), Some(n)) => self.split_sum(p, n).map(|(first, rest)| {
                    xs.push_front(rest);
                    (first, q)
                }),
                _ => None,
            }
        };
        let Some((p, q)) = pair else {
            return self.refuse([p, q].into_iter().chain(xs).chain(ys), reason);
        };
        todo.push(Work::Sums(xs, ys));
        todo.push(Work::Pair(p, q));
        true
    }

    fn unify_products(
        &mut self,
        mut xs: VecDeque<Term>,
        mut ys: VecDeque<Term>,
        of: Pair,
        reason: &Reason,
        todo: &mut Vec<Work>,
    ) -> bool {
        let (Some(p), Some(q)) = (xs.pop_front(), ys.pop_front()) else { return true };
        let (p, q) = if self.size_ref(p) == self.size_ref(q) {
            (p, q)
        } else {
            let g = match (self.size_ref(p).known(), self.size_ref(q).known()) {
                (Some(m), Some(n)) => gcd(m, n),
                _ => 1,
            };
            if g <= 1 {
                return self.refuse([p, q].into_iter().chain(xs).chain(ys), reason);
            }
            match (self.cut_factor(p, g, &mut xs), self.cut_factor(q, g, &mut ys)) {
                (Some(p), Some(q)) => (p, q),
                _ => return self.refuse([of.0, of.1], reason),
            }
        };
        todo.push(Work::Products(xs, ys, of));
        todo.push(Work::Pair(p, q));
        true
    }

    /// The outer part of size `g` of `f`; the inner part goes back to the front of the queue.
    fn cut_factor(&mut self, f: Term, g: i64, queue: &mut VecDeque<Term>) -> Option<Term> {
        if self.size_ref(f).is(g) {
            return Some(f);
        }
        let (outer, inner) = self.split_product(f, &Dim::from(g))?;
        queue.push_front(inner);
        Some(outer)
    }

    fn unify_sum_product(&mut self, sum: Term, product: Term, reason: &Reason, todo: &mut Vec<Work>) -> bool {
        let factors = self.factors(product);
        let (outer, rest) = match &factors[..] {
            [outer, rest @ ..] if !rest.is_empty() => (*outer, rest),
            // What is bound now is no product any more, or has too many factors.
            _ => return self.refuse([sum, product], reason),
        };
        let inner = self.product(rest);
        let size = self.size(outer);
        match self.split_product(sum, &size) {
            Some((o, i)) => {
                todo.push(Work::Pair(i, inner));
                todo.push(Work::Pair(o, outer));
                true
            }
            None => self.refuse([sum, product], reason),
        }
    }

    /// Splits a term of size m·k into an outer term of size `m` and an inner one of size k.
    pub fn split_product(&mut self, t: Term, m: &Dim) -> Option<Pair> {
        let t = self.resolve(t);
        let k = self.size_ref(t).div_exact(m)?;
        if m.is(1) {
            return Some((self.atom(Dim::from(1i64)), t));
        }
        if k.is(1) {
            return Some((t, self.atom(Dim::from(1i64))));
        }
        match &self.nodes[t.0 as usize] {
            Node::Atom { .. } => {
                let (x, y) = (self.atom(m.clone()), self.atom(k));
                let p = self.product(&[x, y]);
                self.bind(t, p).then_some((x, y))
            }
            Node::Product(_) => {
                let mut fs: VecDeque<Term> = self.factors(t).into();
                if fs.contains(&t) {
                    return None;
                }
                let mut outer = Vec::new();
                let mut rest = m.clone();
                while !rest.is(1) {
                    let f = fs.pop_front()?;
                    let size = self.size(f);
                    if let Some(r) = rest.div_exact(&size) {
                        outer.push(f);
                        rest = r;
                    } else if size.div_exact(&rest).is_some() {
                        let (o, i) = self.split_product(f, &rest)?;
                        outer.push(o);
                        fs.push_front(i);
                        rest = Dim::from(1i64);
                    } else {
                        return None;
                    }
                }
                let inner: Vec<Term> = fs.into();
                Some((self.product(&outer), self.product(&inner)))
            }
            Node::Sum(_) => self.split_sum_of_blocks(t, &k),
            Node::Bound(_) => None,
        }
    }

    /// A concatenation whose every part is a multiple of `k` long, as (blocks, position within a block of k).
    fn split_sum_of_blocks(&mut self, t: Term, k: &Dim) -> Option<Pair> {
        let parts = self.split_up(t)?;
        let counts: Option<Vec<Dim>> = parts.iter().map(|p| self.size_ref(*p).div_exact(k)).collect();
        let Some(counts) = counts else { return self.split_across_parts(t, &parts, k) };
        let whole = Reason { kind: "whole block of a concatenation", at: "".into() };
        let inner = self.atom(k.clone());
        let mut outers = Vec::new();
        for (part, count) in parts.into_iter().zip(counts) {
            let outer = if count.is(1) { self.frozen_atom(count, &whole) } else { self.atom(count) };
            let block = self.product(&[outer, inner]);
            if !self.unify(part, block, &whole) {
                return None;
            }
            outers.push(outer);
        }
        // Blocks of one are not droppable parts: keep them as one frozen axis when all are.
        let outer = self.sum(&outers);
        Some((outer, inner))
    }

    /// A concatenation cut into blocks of k that reach from one part into the next: of smaller blocks, which divide
    /// every part as well, each block has equally many. The same positions can go from every one of these.
    fn split_across_parts(&mut self, t: Term, parts: &[Term], k: &Dim) -> Option<Pair> {
        let (whole, size) = (self.size(t).known()?, k.known()?);
        let sizes = parts.iter().map(|p| self.size_ref(*p).known()).collect::<Option<Vec<i64>>>()?;
        let small = sizes.into_iter().fold(size, gcd);
        if small <= 1 {
            return None;
        }
        let reason = Reason { kind: "blocks across the parts of a concatenation", at: "".into() };
        let (blocks, within) = self.split_sum_of_blocks(t, &Dim::from(small))?;
        self.freeze(blocks, &reason);
        let outer = self.frozen_atom(Dim::from(whole / size), &reason);
        let of_each = self.frozen_atom(Dim::from(size / small), &reason);
        Some((outer, self.product(&[of_each, within])))
    }

    /// Splits a term at position `at` into its beginning and its rest.
    pub fn split_sum(&mut self, t: Term, at: i64) -> Option<Pair> {
        let t = self.resolve(t);
        let n = self.size_ref(t).known();
        if at == 0 {
            return Some((self.atom(Dim::from(0i64)), t));
        }
        if n == Some(at) {
            return Some((t, self.atom(Dim::from(0i64))));
        }
        match &self.nodes[t.0 as usize] {
            Node::Atom { .. } => {
                let n = n.filter(|n| (0..*n).contains(&at))?;
                let (x, y) = (self.atom(Dim::from(at)), self.atom(Dim::from(n - at)));
                let s = self.sum(&[x, y]);
                self.bind(t, s).then_some((x, y))
            }
            Node::Sum(_) => {
                let mut parts: VecDeque<Term> = self.split_up(t)?.into();
                self.spent = self.spent.saturating_add(parts.len());
                let mut first = Vec::new();
                let mut rest = at;
                while rest > 0 {
                    let part = parts.pop_front()?;
                    let size = self.size_ref(part).known()?;
                    if size <= rest {
                        first.push(part);
                        rest -= size;
                    } else {
                        let (x, y) = self.split_sum(part, rest)?;
                        first.push(x);
                        parts.push_front(y);
                        rest = 0;
                    }
                }
                let second: Vec<Term> = parts.into();
                Some((self.sum(&first), self.sum(&second)))
            }
            Node::Product(_) => {
                let factors = self.factors(t);
                if factors.contains(&t) || factors.is_empty() {
                    return None;
                }
                let inner = Dim::product(factors[1..].iter().map(|f| self.size_ref(*f))).known()?;
                if inner == 0 || at % inner != 0 {
                    return None;
                }
                let (x, y) = self.split_sum(factors[0], at / inner)?;
                let first: Vec<Term> = [&[x], &factors[1..]].concat();
                let second: Vec<Term> = [&[y], &factors[1..]].concat();
                Some((self.product(&first), self.product(&second)))
            }
            Node::Bound(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why() -> Reason {
        Reason { kind: "test", at: "".into() }
    }

    fn atom(ts: &mut Terms, n: i64) -> Term {
        ts.atom(Dim::from(n))
    }

    #[test]
    fn atom_refines_into_product() {
        let mut ts = Terms::default();
        let (a, h, d) = (atom(&mut ts, 768), atom(&mut ts, 12), atom(&mut ts, 64));
        let p = ts.product(&[h, d]);
        assert!(ts.unify(a, p, &why()));
        assert_eq!(ts.show(a), "12·64");
        assert_eq!(ts.leaves(a), vec![h, d]);
    }

    #[test]
    fn sums_meet_by_common_cuts() {
        let mut ts = Terms::default();
        let v: Vec<Term> = [6, 10, 4, 12].iter().map(|n| atom(&mut ts, *n)).collect();
        let (x, y) = (ts.sum(&v[..2]), ts.sum(&v[2..]));
        assert!(ts.unify(x, y, &why()));
        assert_eq!(ts.leaves(x), ts.leaves(y));
        assert_eq!(ts.leaves(x).len(), 3);
    }

    #[test]
    fn rotary_halves_become_one() {
        let mut ts = Terms::default();
        let (a, b) = (atom(&mut ts, 32), atom(&mut ts, 32));
        let (x, y) = (ts.sum(&[a, b]), ts.sum(&[b, a]));
        assert!(ts.unify(x, y, &why()));
        assert_eq!(ts.resolve(a), ts.resolve(b));
    }

    #[test]
    fn equal_parts_meet_a_product() {
        let mut ts = Terms::default();
        let parts: Vec<Term> = (0..3).map(|_| atom(&mut ts, 64)).collect();
        let (k, d) = (atom(&mut ts, 3), atom(&mut ts, 64));
        let (s, p) = (ts.sum(&parts), ts.product(&[k, d]));
        assert!(ts.unify(s, p, &why()));
        assert_eq!(ts.resolve(parts[0]), ts.resolve(d));
        assert!(ts.frozen(k).is_some() || ts.leaves(k).iter().all(|l| ts.frozen(*l).is_some()));
        assert!(ts.frozen(d).is_none());
    }

    /// 20 + 44 in blocks of 8: each block is two of 4, and 4 divides both parts.
    #[test]
    fn blocks_across_parts_are_blocks_of_the_common_divisor() {
        let mut ts = Terms::default();
        let (a, b) = (atom(&mut ts, 20), atom(&mut ts, 44));
        let s = ts.sum(&[a, b]);
        let (groups, each) = ts.split_product(s, &Dim::from(8i64)).unwrap();
        assert_eq!((ts.show(groups), ts.show(each)), ("8".into(), "2·4".into()));
        assert_eq!((ts.show(a), ts.show(b)), ("5·4".into(), "11·4".into()));
        let open: Vec<Term> = ts.leaves(s).into_iter().filter(|l| ts.frozen(*l).is_none()).collect();
        assert_eq!(open, vec![ts.leaves(each)[1]; 2]);
        let back = ts.product(&[groups, each]);
        assert!(ts.unify(back, s, &why()) && ts.frozen(open[0]).is_none());
        let (c, d) = (atom(&mut ts, 3), atom(&mut ts, 5));
        let odd = ts.sum(&[c, d]);
        assert!(ts.split_product(odd, &Dim::from(2i64)).is_none());
    }

    #[test]
    fn different_sizes_freeze_both() {
        let mut ts = Terms::default();
        let (a, b) = (atom(&mut ts, 3), atom(&mut ts, 4));
        assert!(!ts.unify(a, b, &why()));
        assert!(ts.frozen(a).is_some() && ts.frozen(b).is_some());
    }

    #[test]
    fn flags_and_freezes_survive_refinement() {
        let mut ts = Terms::default();
        let a = atom(&mut ts, 12);
        ts.mark(a, |f| f.mixed = true);
        ts.freeze(a, &why());
        let (x, y) = ts.split_product(a, &Dim::from(3i64)).unwrap();
        assert!(ts.flags(x).mixed && ts.flags(y).mixed && ts.frozen(y).is_some());
    }

    #[test]
    fn a_rolled_axis_takes_no_longer_than_it_may() {
        for (n, shift) in [(160_000, 1), (1 << 40, 1), (1 << 40, 3), (1 << 20, 1 << 4)] {
            let mut ts = Terms::default();
            let a = atom(&mut ts, n);
            let (first, rest) = ts.split_sum(a, shift).unwrap();
            let rolled = ts.sum(&[rest, first]);
            assert!(!ts.unify(a, rolled, &why()), "{n} by {shift}");
            ts.settle();
            assert!(ts.leaves(a).iter().all(|l| ts.size_ref(*l).is(1) || ts.frozen(*l).is_some()), "{n} by {shift}");
        }
        // Few steps are taken: halves change places, and a roll by a third.
        for (n, shift, left) in [(64, 32, 32), (12, 4, 4), (60, 25, 5)] {
            let mut ts = Terms::default();
            let a = atom(&mut ts, n);
            let (first, rest) = ts.split_sum(a, shift).unwrap();
            let rolled = ts.sum(&[rest, first]);
            assert!(ts.unify(a, rolled, &why()));
            ts.settle();
            let leaves = ts.leaves(a);
            assert!(leaves.iter().all(|l| *l == leaves[0] && ts.size_ref(*l).is(left) && ts.frozen(*l).is_none()));
        }
    }

    #[test]
    fn doubling_without_end_is_frozen() {
        let mut ts = Terms::default();
        let a = atom(&mut ts, 2);
        let (mut sums, mut both, mut products) = (a, a, a);
        for _ in 0..60 {
            sums = ts.sum(&[sums, sums]);
            products = ts.product(&[products, products]);
            let sum = ts.sum(&[both, both]);
            both = ts.product(&[sum, sum]);
        }
        ts.settle();
        assert!(ts.frozen(a).is_some());
        assert!(ts.leaves(sums).len() <= 1 << 17 && ts.leaves(both).len() <= 1 << 17);
    }

    #[test]
    fn deep_refinement_does_not_overflow_the_stack() {
        let mut ts = Terms::default();
        let a = atom(&mut ts, 1 << 40);
        let mut inner = a;
        for _ in 0..100_000 {
            let n = ts.size_ref(inner).known().unwrap();
            let (first, rest) = ts.split_sum(inner, 1).unwrap();
            assert!(ts.size_ref(first).is(1) && ts.size_ref(rest).is(n - 1));
            inner = rest;
        }
        assert_eq!(ts.leaves(a).len(), (1 << 16) + 1);
        assert!(ts.carries(a, inner));
        ts.settle();
        assert!(ts.frozen(inner).is_some());
        assert!(ts.kept_size(a, &Default::default()).is(1 << 40));
    }

    #[test]
    fn within_itself_is_frozen_not_endless() {
        let mut ts = Terms::default();
        let (a, one) = (atom(&mut ts, 8), atom(&mut ts, 0));
        let s = ts.sum(&[a, one]);
        assert_eq!(ts.resolve(s), a);
        let (x, _) = ts.split_sum(a, 4).unwrap();
        assert!(!ts.unify(x, a, &why()));
    }
}
