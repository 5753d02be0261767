//! From kept channels of atoms to kept positions of axes.

use std::collections::HashMap;
use std::sync::Arc;

use super::dim::Dim;
use super::term::{Atom, Node, Term, Terms};

/// Marks an axis position that does not belong to the atom asked for.
pub const NOT_HERE: u32 = u32::MAX;

/// The channels that stay, by atom: some of them, ascending, or all of them in any order. An atom that is not listed
/// keeps all as they are.
pub type Kept = HashMap<Atom, Arc<[u32]>>;

impl Terms {
    /// Whether the axis loses positions.
    pub fn shrinks(&self, t: Term, kept: &Kept) -> bool {
        !kept.is_empty() && !self.is_stuck(t) && self.any(t, |leaf| kept.contains_key(&leaf))
    }

    /// The positions of an axis that stay, ascending; `None` where the axis keeps all. As long as the axis: for
    /// axes of stored tensors.
    pub fn kept_positions(&self, t: Term, kept: &Kept) -> Option<Vec<usize>> {
        self.shrinks(t, kept).then(|| self.positions(t, kept))
    }

    /// Number of positions below `p` that stay; `None` where a size is only known at run time.
    pub fn kept_below(&self, t: Term, kept: &Kept, p: i64) -> Option<i64> {
        let t = self.resolve(t);
        if !self.shrinks(t, kept) {
            return Some(p.clamp(0, self.size_ref(t).known()?.max(0)));
        }
        match &self.nodes[t.0 as usize] {
            Node::Product(factors) => {
                let (mut below, mut rest, mut alive) = (0i64, p, true);
                for (k, f) in factors.iter().enumerate() {
                    if !alive {
                        break;
                    }
                    let tail = &factors[k + 1..];
                    let inner = tail.iter().try_fold(1i64, |n, f| n.checked_mul(self.size_ref(*f).known()?))?;
                    let stay = tail.iter().try_fold(1i64, |n, f| n.checked_mul(self.kept_size(*f, kept).known()?))?;
                    let at = rest.checked_div(inner)?;
                    rest = rest.checked_rem(inner)?;
                    below = below.checked_add(self.kept_below(*f, kept, at)?.checked_mul(stay)?)?;
                    alive = self.kept_below(*f, kept, at.checked_add(1)?)? > self.kept_below(*f, kept, at)?;
                }
                Some(below)
            }
            Node::Sum(parts) => {
                let (mut below, mut rest) = (0, p);
                for part in parts.iter() {
                    let n = self.size_ref(*part).known()?;
                    below = self.kept_below(*part, kept, rest.min(n))?.checked_add(below)?;
                    rest = rest.checked_sub(n)?;
                    if rest <= 0 {
                        break;
                    }
                }
                Some(below)
            }
            _ => {
                let p = p.clamp(0, self.size_ref(t).known()?.max(0));
                // All channels in another order: as many below any position as before.
                let some = kept.get(&t).filter(|k| !self.size_ref(t).is(k.len() as i64));
                Some(some.map_or(p, |k| k.partition_point(|c| i64::from(*c) < p) as i64))
            }
        }
    }

    fn positions(&self, t: Term, kept: &Kept) -> Vec<usize> {
        let t = self.resolve(t);
        let n = |t: &Term| self.known_size(*t);
        match &self.nodes[t.0 as usize] {
            Node::Product(factors) => factors.iter().fold(vec![0], |outer, f| {
                let inner = self.positions(*f, kept);
                outer.iter().flat_map(|o| inner.iter().map(move |i| o * n(f) + i)).collect()
            }),
            Node::Sum(parts) => {
                let mut offset = 0;
                let mut out = Vec::new();
                for p in parts.iter() {
                    out.extend(self.positions(*p, kept).into_iter().map(|i| i + offset));
                    offset += n(p);
                }
                out
            }
            _ => match kept.get(&t) {
                Some(k) => k.iter().map(|c| *c as usize).collect(),
                None => (0..n(&t)).collect(),
            },
        }
    }

    /// For each position of an axis the channel of `atom` it carries, [`NOT_HERE`] where it carries none.
    /// `None` where a position would carry two channels at once (the atom times itself).
    pub fn channel_map(&self, t: Term, atom: Atom) -> Option<Vec<u32>> {
        let mut out = vec![NOT_HERE; self.known_size(t)];
        self.fill_channels(t, atom, &mut out).then_some(out)
    }

    /// Writes what [`channel_map`](Self::channel_map) gives into a slice as long as the axis that holds [`NOT_HERE`]
    /// everywhere; only places that carry the atom are visited.
    fn fill_channels(&self, t: Term, atom: Atom, out: &mut [u32]) -> bool {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Product(factors) => {
                let mut carrying = (0..factors.len()).filter(|k| self.carries(factors[*k], atom));
                let (Some(k), second) = (carrying.next(), carrying.next()) else { return true };
                let Some(channels) = self.channel_map(factors[k], atom).filter(|_| second.is_none()) else {
                    return false;
                };
                let inner: usize = factors[k + 1..].iter().map(|f| self.known_size(*f)).product();
                for block in out.chunks_mut((channels.len() * inner).max(1)) {
                    block.chunks_mut(inner.max(1)).zip(&channels).for_each(|(places, c)| places.fill(*c));
                }
                true
            }
            Node::Sum(parts) => {
                let mut rest = out;
                parts.iter().all(|p| {
                    let here = self.known_size(*p).min(rest.len());
                    let (part, behind) = std::mem::take(&mut rest).split_at_mut(here);
                    rest = behind;
                    self.fill_channels(*p, atom, part)
                })
            }
            _ => {
                if t == atom {
                    out.iter_mut().zip(0..).for_each(|(place, c)| *place = c);
                }
                true
            }
        }
    }

    /// Positions on an axis of known size.
    fn known_size(&self, t: Term) -> usize {
        usize::try_from(self.size_ref(t).known().unwrap_or(0)).unwrap_or(0)
    }

    /// The size of an axis once only `kept` channels are left.
    pub fn kept_size(&self, t: Term, kept: &Kept) -> Dim {
        let t = self.resolve(t);
        if !self.shrinks(t, kept) {
            return self.size(t);
        }
        match &self.nodes[t.0 as usize] {
            Node::Product(c) => c.iter().fold(Dim::from(1i64), |a, c| a.times(&self.kept_size(*c, kept))),
            Node::Sum(c) => c.iter().fold(Dim::from(0i64), |a, c| a.plus(&self.kept_size(*c, kept))),
            _ => kept.get(&t).map_or_else(|| self.size(t), |k| Dim::from(k.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_and_sum_positions() {
        let mut ts = Terms::default();
        let (a, b) = (ts.atom(Dim::from(2i64)), ts.atom(Dim::from(3i64)));
        let p = ts.product(&[a, b]);
        let c = ts.atom(Dim::from(2i64));
        let s = ts.sum(&[c, p]);
        let kept = Kept::from([(b, Arc::from([0, 2]))]);
        assert_eq!(ts.kept_positions(s, &kept), Some(vec![0, 1, 2, 4, 5, 7]));
        assert_eq!(ts.channel_map(s, b).unwrap(), vec![NOT_HERE, NOT_HERE, 0, 1, 2, 0, 1, 2]);
        assert_eq!(ts.channel_map(s, a).unwrap(), vec![NOT_HERE, NOT_HERE, 0, 0, 0, 1, 1, 1]);
        assert!(ts.kept_size(s, &kept).is(6));
        let stay = ts.kept_positions(s, &kept).unwrap();
        for p in 0..=8 {
            let below = stay.iter().filter(|i| **i < p).count() as i64;
            assert_eq!(ts.kept_below(s, &kept, p as i64), Some(below), "{p}");
        }
        assert_eq!(ts.kept_positions(c, &kept), None);
        let squared = ts.product(&[b, a, b]);
        assert_eq!(ts.channel_map(squared, b), None, "two channels at once");
        assert_eq!(ts.channel_map(squared, c), Some(vec![NOT_HERE; 18]));
    }
}
