//! Axis terms: what an axis is made of.

use std::collections::HashMap;
use std::sync::Arc;

use super::dim::Dim;

/// A term in a [`Terms`] arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Term(pub(super) u32);

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
    /// An operator computes across the axis (LayerNorm, a mean): removing is not silencing.
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

/// Nesting deeper than this is frozen rather than followed, so that recursion stays bounded.
const MAX_DEPTH: u32 = 48;

/// The arena of terms and the union-find over its atoms.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub(super) nodes: Vec<Node>,
    sizes: Vec<Dim>,
    depths: Vec<u32>,
    /// Axes of one that a reduction left, and what it reduced.
    reduced: HashMap<Term, Term>,
}

impl Terms {
    fn push(&mut self, node: Node, size: Dim, depth: u32) -> Term {
        self.nodes.push(node);
        self.sizes.push(size);
        self.depths.push(depth);
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
        let mut flat = Vec::new();
        for &f in factors {
            flat.extend(self.factors(f));
        }
        match flat[..] {
            [] => self.atom(Dim::from(1i64)),
            [one] => one,
            _ => {
                let size = Dim::product(flat.iter().map(|f| self.size(*f)).collect::<Vec<_>>().iter());
                self.compound(flat, size, true)
            }
        }
    }

    /// The concatenation of terms. Empty parts are dropped.
    pub fn sum(&mut self, parts: &[Term]) -> Term {
        let mut flat = Vec::new();
        for &p in parts {
            flat.extend(self.segments(p).into_iter().filter(|s| !self.size_ref(*s).is(0)));
        }
        match flat[..] {
            [] => self.atom(Dim::from(0i64)),
            [one] => one,
            _ => {
                let size = flat.iter().fold(Dim::from(0i64), |a, p| a.plus(self.size_ref(*p)));
                self.compound(flat, size, false)
            }
        }
    }

    fn compound(&mut self, children: Vec<Term>, size: Dim, product: bool) -> Term {
        let depth = 1 + children.iter().map(|c| self.depths[self.resolve(*c).0 as usize]).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            let reason = Reason { kind: "axis nested too deeply", at: "".into() };
            for c in children {
                self.freeze(c, &reason);
            }
            return self.frozen_atom(size, &reason);
        }
        let node = if product { Node::Product(children.into()) } else { Node::Sum(children.into()) };
        self.push(node, size, depth)
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

    /// The factors of a term, outermost first; a term that is no product is its own factor, and size 1 has none.
    pub fn factors(&self, t: Term) -> Vec<Term> {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Product(fs) => fs.iter().flat_map(|f| self.factors(*f)).collect(),
            _ if self.size_ref(t).is(1) => Vec::new(),
            _ => vec![t],
        }
    }

    /// The parts of a concatenation, in order; a term that is none is its own part.
    pub fn segments(&self, t: Term) -> Vec<Term> {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Sum(ps) => ps.iter().flat_map(|p| self.segments(*p)).collect(),
            _ => vec![t],
        }
    }

    /// The atoms of a term, in order, each as often as it occurs.
    pub fn leaves(&self, t: Term) -> Vec<Atom> {
        let mut out = Vec::new();
        self.collect_leaves(t, &mut out);
        out
    }

    fn collect_leaves(&self, t: Term, out: &mut Vec<Atom>) {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Product(c) | Node::Sum(c) => c.iter().for_each(|c| self.collect_leaves(*c, out)),
            _ => out.push(t),
        }
    }

    /// Whether the atom is one of the term's leaves.
    pub fn carries(&self, t: Term, atom: Atom) -> bool {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Product(c) | Node::Sum(c) => c.iter().any(|c| self.carries(*c, atom)),
            _ => t == atom,
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

    /// Freezes every atom of a term. The first reason stays.
    pub fn freeze(&mut self, t: Term, reason: &Reason) {
        for leaf in self.leaves(t) {
            if let Node::Atom { frozen: slot @ None, .. } = &mut self.nodes[leaf.0 as usize] {
                *slot = Some(reason.clone());
            }
        }
    }

    /// Changes the flags of every atom of a term.
    pub fn mark(&mut self, t: Term, change: impl Fn(&mut Flags)) {
        for leaf in self.leaves(t) {
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
            if let Some(reason) = &frozen {
                self.freeze(t, reason);
            }
            self.mark(t, |f| *f = f.union(flags));
        }
        let depth = self.depths[self.resolve(t).0 as usize];
        self.depths[a.0 as usize] = depth;
        self.nodes[a.0 as usize] = Node::Bound(t);
        true
    }

    /// Text of a term: `12·64`, `(64 + 128)`.
    pub fn show(&self, t: Term) -> String {
        let t = self.resolve(t);
        match &self.nodes[t.0 as usize] {
            Node::Product(c) => c.iter().map(|c| self.show(*c)).collect::<Vec<_>>().join("·"),
            Node::Sum(c) => format!("({})", c.iter().map(|c| self.show(*c)).collect::<Vec<_>>().join(" + ")),
            _ => format!("{:?}", self.size_ref(t)),
        }
    }
}
