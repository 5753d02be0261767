//! Unification: two axes that an operator relates become one.

use std::collections::VecDeque;

use super::dim::{Dim, gcd};
use super::term::{Node, Reason, Term, Terms};

/// Two terms, outer and inner or first and second.
type Pair = (Term, Term);

impl Terms {
    /// Makes two terms the same, refining atoms where needed. What does not unify is frozen for `reason`;
    /// returns whether all of it did.
    pub fn unify(&mut self, a: Term, b: Term, reason: &Reason) -> bool {
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
            (Node::Sum(_), Node::Sum(_)) => self.unify_sums(a, b, reason),
            (Node::Product(_), Node::Product(_)) => self.unify_products(a, b, reason),
            (Node::Product(_), _) => self.unify_sum_product(b, a, reason),
            _ => self.unify_sum_product(a, b, reason),
        }
    }

    fn refuse(&mut self, terms: impl IntoIterator<Item = Term>, reason: &Reason) -> bool {
        for t in terms {
            self.freeze(t, reason);
        }
        false
    }

    fn unify_sums(&mut self, a: Term, b: Term, reason: &Reason) -> bool {
        let mut xs: VecDeque<Term> = self.segments(a).into();
        let mut ys: VecDeque<Term> = self.segments(b).into();
        let mut ok = true;
        while let (Some(p), Some(q)) = (xs.pop_front(), ys.pop_front()) {
            let (p, q) = match (self.size_ref(p).known(), self.size_ref(q).known()) {
                _ if self.size_ref(p) == self.size_ref(q) => (p, q),
                (Some(m), Some(n)) if m < n => match self.split_sum(q, m) {
                    Some((first, rest)) => {
                        ys.push_front(rest);
                        (p, first)
                    }
                    None => return self.refuse([p, q].into_iter().chain(xs).chain(ys), reason),
                },
                (Some(_), Some(n)) => match self.split_sum(p, n) {
                    Some((first, rest)) => {
                        xs.push_front(rest);
                        (first, q)
                    }
                    None => return self.refuse([p, q].into_iter().chain(xs).chain(ys), reason),
                },
                _ => return self.refuse([p, q].into_iter().chain(xs).chain(ys), reason),
            };
            ok &= self.unify(p, q, reason);
        }
        ok
    }

    fn unify_products(&mut self, a: Term, b: Term, reason: &Reason) -> bool {
        let mut xs: VecDeque<Term> = self.factors(a).into();
        let mut ys: VecDeque<Term> = self.factors(b).into();
        let mut ok = true;
        while let (Some(p), Some(q)) = (xs.pop_front(), ys.pop_front()) {
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
                    _ => return self.refuse([a, b], reason),
                }
            };
            ok &= self.unify(p, q, reason);
        }
        ok
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

    fn unify_sum_product(&mut self, sum: Term, product: Term, reason: &Reason) -> bool {
        let factors = self.factors(product);
        let outer = factors[0];
        let inner = self.product(&factors[1..]);
        let size = self.size(outer);
        match self.split_product(sum, &size) {
            Some((o, i)) => self.unify(o, outer, reason) & self.unify(i, inner, reason),
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
        let parts = self.segments(t);
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
                let mut parts: VecDeque<Term> = self.segments(t).into();
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
                let inner =
                    Dim::product(factors[1..].iter().map(|f| self.size(*f)).collect::<Vec<_>>().iter()).known()?;
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
    fn within_itself_is_frozen_not_endless() {
        let mut ts = Terms::default();
        let (a, one) = (atom(&mut ts, 8), atom(&mut ts, 0));
        let s = ts.sum(&[a, one]);
        assert_eq!(ts.resolve(s), a);
        let (x, _) = ts.split_sum(a, 4).unwrap();
        assert!(!ts.unify(x, a, &why()));
    }
}
