//! Axis terms: what an axis is made of.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::dim::Dim;

/// A term in a [`Terms`] arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Term(pub(super) u32);

/// Why axes of too many parts stay.
const TOO_MANY: &str = "axis of too many parts";

/// A term that is an atom and its class's representative.
pub type Atom = Term;

/// Why an atom cannot shrink.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reason {
    /// What kind of obstacle it is, in a few words.
    pub kind: &'static str,
    /// The node or tensor that brought it up.
    pub at: Arc<str>,
}

/// What is known of an atom beside its size. Flags survive refinement: parts inherit them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flags {
    /// A contraction or an embedding writes this axis.
    pub produced: bool,
    /// An operator computes across the axis (LayerNorm, a mean): removing is not masking.
    pub mixed: bool,
    /// The axis is normalised by a Softmax: its positions are bins of a distribution.
    pub distribution: bool,
    /// A product of two activations is taken separately for each position (attention heads).
    pub batched: bool,
    /// Two activations are contracted over the axis (queries and keys).
    pub compared: bool,
    /// A weight holds a matrix of its own for each position (experts).
    pub separate: bool,
    /// A convolution other than a depthwise one writes or reads the axis.
    pub convolved: bool,
    /// The outputs of several layers are added on it.
    pub added: bool,
    /// A normalisation takes its statistics over it.
    pub normalized: bool,
}

impl Flags {
    fn union(self, other: Flags) -> Flags {
        Flags {
            produced: self.produced | other.produced,
            mixed: self.mixed | other.mixed,
            distribution: self.distribution | other.distribution,
            batched: self.batched | other.batched,
            compared: self.compared | other.compared,
            separate: self.separate | other.separate,
            convolved: self.convolved | other.convolved,
            added: self.added | other.added,
            normalized: self.normalized | other.normalized,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Atom { flags: Flags, frozen: Option<Reason> },
    Bound(Term),
    Product(Arc<[Term]>),
    Sum(Arc<[Term]>),
}

/// Nesting deeper than this is frozen rather than followed, so that recursion stays bounded. Refinement may deepen what
/// stands already; [`Terms::settle`] freezes what has become deeper than the second.
const MAX_DEPTH: u32 = 48;
const MAX_SETTLED_DEPTH: u32 = 200;

/// A sum or product of more parts than this is frozen: their number is not bounded by the file's size.
pub(super) const MAX_PARTS: usize = 1 << 10;

/// Axes with more atoms in them, counted as often as they occur, are frozen in the end.
const MAX_LEAVES: usize = 1 << 16;

/// Parts of all terms together; beyond that whatever is put together is frozen.
const MAX_HELD: usize = 1 << 21;

/// Places that a walk remembers only from then on, since most terms are small.
const FEW: usize = 64;

/// The arena of terms and the union-find over its atoms.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub(super) nodes: Vec<Node>,
    sizes: Vec<Dim>,
    depths: Vec<u32>,
    /// Sums and products of which all atoms are known to be frozen; what is frozen stays so, refined or not.
    stuck: Vec<bool>,
    /// Parts of all terms together.
    held: usize,
    /// What unification has cost so far, in parts that it looked at.
    pub(super) spent: usize,
    /// Unifications within unifications.
    pub(super) nested: usize,
    /// Axes of one that a reduction left, and what it reduced.
    reduced: HashMap<Term, Term>,
}

impl Terms {
    fn push(&mut self, node: Node, size: Dim, depth: u32) -> Term {
        self.nodes.push(node);
        self.sizes.push(size);
        self.depths.push(depth);
        self.stuck.push(false);
        Term(self.nodes.len() as u32 - 1)
    }

    /// A fresh atom. One whose size is only known at run time is frozen from the start.
    pub fn atom(&mut self, size: Dim) -> Term {
        let frozen = size.known().is_none().then(|| Reason { kind: "run-time size", at: "".into() });
        self.push(Node::Atom { flags: Flags::default(), frozen }, size, 0)
    }

    /// A fresh frozen atom.
    pub fn frozen_atom(&mut self, size: Dim, reason: &Reason) -> Term {
        self.push(Node::Atom { flags: Flags::default(), frozen: Some(reason.clone()) }, size, 0)
    }

    /// Notes that a reduction over `t` left the axis `one`.
    pub fn note_reduced(&mut self, one: Term, t: Term) {
        self.reduced.insert(one, t);
    }

    /// What was reduced to the axis `one`, if a reduction left it.
    pub fn reduced(&self, one: Term) -> Option<Term> {
        self.reduced.get(&one).copied()
    }

    /// The row-major product of terms, outermost first. Factors of size 1 are dropped.
    pub fn product(&mut self, factors: &[Term]) -> Term {
        let flat = self.flattened(factors, true);
        match flat.as_deref() {
            Some([]) => self.atom(Dim::from(1i64)),
            Some([one]) => *one,
            _ => {
                let size = Dim::product(factors.iter().map(|f| self.size_ref(*f)));
                self.compound(flat, factors, size, true)
            }
        }
    }

    /// The concatenation of terms. Empty parts are dropped.
    pub fn sum(&mut self, parts: &[Term]) -> Term {
        let flat = self.flattened(parts, false);
        match flat.as_deref() {
            Some([]) => self.atom(Dim::from(0i64)),
            Some([one]) => *one,
            _ => {
                let size = parts.iter().fold(Dim::from(0i64), |a, p| a.plus(self.size_ref(*p)));
                self.compound(flat, parts, size, false)
            }
        }
    }

    /// `flat` are the parts of the `given` ones, where they are not too many.
    fn compound(&mut self, flat: Option<Vec<Term>>, given: &[Term], size: Dim, product: bool) -> Term {
        let depth = |c: &[Term]| 1 + c.iter().map(|c| self.depths[self.resolve(*c).0 as usize]).max().unwrap_or(0);
        let kind = match &flat {
            Some(children) if depth(children) > MAX_DEPTH => "axis nested too deeply",
            Some(children) if self.held + children.len() <= MAX_HELD => {
                let depth = depth(children);
                self.held += children.len();
                let children: Arc<[Term]> = children.as_slice().into();
                return self.push(if product { Node::Product(children) } else { Node::Sum(children) }, size, depth);
            }
            _ => TOO_MANY,
        };
        let reason = Reason { kind, at: "".into() };
        for c in given {
            self.freeze(*c, &reason);
        }
        self.frozen_atom(size, &reason)
    }

    /// The term at the end of the chain of bindings.
    pub fn resolve(&self, mut t: Term) -> Term {
        while let Node::Bound(next) = self.nodes[t.0 as usize] {
            t = next;
        }
        t
    }

    /// Number of positions on the axis.
    pub fn size(&self, t: Term) -> Dim {
        self.size_ref(t).clone()
    }

    pub(super) fn size_ref(&self, t: Term) -> &Dim {
        &self.sizes[t.0 as usize]
    }

    /// The factors of a term, outermost first; a term that is no product is its own factor, and size 1 has none. So is
    /// a product of more factors than are followed.
    pub fn factors(&self, t: Term) -> Vec<Term> {
        self.flattened(&[t], true).unwrap_or_else(|| vec![self.resolve(t)])
    }

    /// The parts of a concatenation, in order; a term that is none is its own part. So is one of more parts than are
    /// followed.
    pub fn segments(&self, t: Term) -> Vec<Term> {
        self.split_up(t).unwrap_or_else(|| vec![self.resolve(t)])
    }

    /// The parts of a concatenation, where they are not too many.
    pub(super) fn split_up(&self, t: Term) -> Option<Vec<Term>> {
        let t = self.resolve(t);
        if self.size_ref(t).is(0) { Some(vec![t]) } else { self.flattened(&[t], false) }
    }

    /// Products within products (or sums within sums) taken apart, without what is of size 1 (or 0); `None` where they
    /// are too many.
    fn flattened(&self, terms: &[Term], product: bool) -> Option<Vec<Term>> {
        let nothing = if product { 1 } else { 0 };
        let mut out = Vec::new();
        let mut stack: Vec<Term> = terms.iter().rev().copied().collect();
        while let Some(t) = stack.pop() {
            let t = self.resolve(t);
            match &self.nodes[t.0 as usize] {
                Node::Product(c) if product => stack.extend(c.iter().rev()),
                Node::Sum(c) if !product => stack.extend(c.iter().rev()),
                _ if self.size_ref(t).is(nothing) => {}
                _ => out.push(t),
            }
            if out.len() + stack.len() > MAX_PARTS {
                return None;
            }
        }
        Some(out)
    }

    /// The atoms of a term, in order, each as often as it occurs. Of an axis that [`settle`](Self::settle) freezes for
    /// their number, only the first.
    pub fn leaves(&self, t: Term) -> Vec<Atom> {
        let (mut out, mut stack) = (Vec::new(), vec![t]);
        while let Some(t) = stack.pop() {
            let t = self.resolve(t);
            match &self.nodes[t.0 as usize] {
                Node::Product(c) | Node::Sum(c) => stack.extend(c.iter().rev()),
                _ => out.push(t),
            }
            if out.len() > MAX_LEAVES {
                break;
            }
        }
        out
    }

    /// The first atom of a term that is asked for.
    fn find(&self, t: Term, mut wanted: impl FnMut(Atom) -> bool) -> Option<Atom> {
        let t = self.resolve(t);
        if !matches!(self.nodes[t.0 as usize], Node::Product(_) | Node::Sum(_)) {
            return wanted(t).then_some(t);
        }
        // What occurs in many places need not be visited at each of them.
        let (mut stack, mut seen, mut visits) = (vec![t], HashSet::new(), 0usize);
        while let Some(t) = stack.pop() {
            let t = self.resolve(t);
            visits += 1;
            if visits > FEW && !seen.insert(t) {
                continue;
            }
            match &self.nodes[t.0 as usize] {
                Node::Product(c) | Node::Sum(c) => stack.extend(c.iter().rev()),
                _ if wanted(t) => return Some(t),
                _ => {}
            }
        }
        None
    }

    /// The atoms of a term, each at least once.
    fn atoms(&self, t: Term) -> Vec<Atom> {
        let mut out = Vec::new();
        self.find(t, |leaf| {
            out.push(leaf);
            false
        });
        out
    }

    /// Whether the atom is one of the term's leaves.
    pub fn carries(&self, t: Term, atom: Atom) -> bool {
        self.find(t, |leaf| leaf == atom).is_some()
    }

    /// Whether one of the term's leaves is asked for.
    pub fn any(&self, t: Term, wanted: impl FnMut(Atom) -> bool) -> bool {
        self.find(t, wanted).is_some()
    }

    /// Freezes axes that have become nested too deeply, or of too many atoms, to be followed. To be called once all is
    /// related: what walks over axes that may shrink relies on it.
    pub fn settle(&mut self) {
        // Depth and number of leaves of each node; children first.
        let mut known: Vec<Option<(u32, usize)>> = vec![None; self.nodes.len()];
        let mut stuck = vec![false; self.nodes.len()];
        let mut vast = Vec::new();
        for root in 0..self.nodes.len() {
            let mut stack = vec![root];
            while let Some(&n) = stack.last() {
                if known[n].is_some() {
                    stack.pop();
                    continue;
                }
                let children: &[Term] = match &self.nodes[n] {
                    Node::Product(c) | Node::Sum(c) => c,
                    Node::Bound(t) => std::slice::from_ref(t),
                    Node::Atom { .. } => &[],
                };
                let before = stack.len();
                stack.extend(children.iter().map(|c| c.0 as usize).filter(|c| known[*c].is_none()));
                if stack.len() > before {
                    continue;
                }
                let below = children.iter().filter_map(|c| known[c.0 as usize]);
                let (depth, leaves) = below.fold((0, 0usize), |(d, l), (e, m)| (d.max(e), l.saturating_add(m)));
                let own = match &self.nodes[n] {
                    Node::Atom { .. } => (0, 1),
                    Node::Bound(_) => (depth, leaves),
                    _ => (depth + 1, leaves),
                };
                if own.0 > MAX_SETTLED_DEPTH || own.1 > MAX_LEAVES {
                    vast.push(Term(n as u32));
                }
                stuck[n] = match &self.nodes[n] {
                    Node::Atom { frozen, .. } => frozen.is_some(),
                    _ => children.iter().all(|c| stuck[c.0 as usize]),
                };
                known[n] = Some(own);
                stack.pop();
            }
        }
        let reason = Reason { kind: TOO_MANY, at: "".into() };
        let mut seen = vec![false; self.nodes.len()];
        while let Some(t) = vast.pop() {
            if std::mem::replace(&mut seen[t.0 as usize], true) {
                continue;
            }
            match &mut self.nodes[t.0 as usize] {
                Node::Product(c) | Node::Sum(c) => vast.extend(c.iter()),
                Node::Bound(next) => vast.push(*next),
                Node::Atom { frozen: slot @ None, .. } => *slot = Some(reason.clone()),
                Node::Atom { .. } => {}
            }
        }
        for (n, frozen) in seen.into_iter().enumerate() {
            self.stuck[n] |= frozen || stuck[n];
        }
    }

    /// Whether the term is one atom.
    pub fn is_atom(&self, t: Term) -> bool {
        matches!(self.nodes[self.resolve(t).0 as usize], Node::Atom { .. })
    }

    /// The flags of an atom.
    pub fn flags(&self, t: Atom) -> Flags {
        match &self.nodes[self.resolve(t).0 as usize] {
            Node::Atom { flags, .. } => *flags,
            _ => Flags::default(),
        }
    }

    /// Why an atom is frozen, if it is.
    pub fn frozen(&self, t: Atom) -> Option<&Reason> {
        match &self.nodes[self.resolve(t).0 as usize] {
            Node::Atom { frozen, .. } => frozen.as_ref(),
            _ => None,
        }
    }

    /// Whether all atoms of a term are known to be frozen.
    pub(super) fn is_stuck(&self, t: Term) -> bool {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Atom { frozen, .. } => frozen.is_some(),
            _ => self.stuck[t.0 as usize],
        }
    }

    /// Freezes every atom of a term. The first reason stays.
    pub fn freeze(&mut self, t: Term, reason: &Reason) {
        let t = self.resolve(t);
        if std::mem::replace(&mut self.stuck[t.0 as usize], true) {
            return;
        }
        for leaf in self.atoms(t) {
            if let Node::Atom { frozen: slot @ None, .. } = &mut self.nodes[leaf.0 as usize] {
                *slot = Some(reason.clone());
            }
        }
    }

    /// Changes the flags of every atom of a term. Of one that is frozen, nobody asks for them.
    pub fn mark(&mut self, t: Term, change: impl Fn(&mut Flags)) {
        if self.is_stuck(t) {
            return;
        }
        for leaf in self.atoms(t) {
            if let Node::Atom { flags, .. } = &mut self.nodes[leaf.0 as usize] {
                change(flags);
            }
        }
    }

    /// Makes atom `a` be `t`, handing on what was known of it.
    pub(super) fn bind(&mut self, a: Atom, t: Term) -> bool {
        if self.carries(t, a) {
            let reason = Reason { kind: "axis within itself", at: "".into() };
            self.freeze(a, &reason);
            self.freeze(t, &reason);
            return false;
        }
        if let Node::Atom { flags, frozen } = self.nodes[a.0 as usize].clone() {
            self.mark(t, |f| *f = f.union(flags));
            if let Some(reason) = &frozen {
                self.freeze(t, reason);
            }
        }
        let depth = self.depths[self.resolve(t).0 as usize];
        self.depths[a.0 as usize] = depth;
        self.nodes[a.0 as usize] = Node::Bound(t);
        true
    }

    /// Text of a term: `12·64`, `(64 + 128)`.
    #[cfg(test)]
    pub(super) fn show(&self, t: Term) -> String {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Product(c) => c.iter().map(|c| self.show(*c)).collect::<Vec<_>>().join("·"),
            Node::Sum(c) => format!("({})", c.iter().map(|c| self.show(*c)).collect::<Vec<_>>().join(" + ")),
            _ => format!("{:?}", self.size_ref(t)),
        }
    }
}
