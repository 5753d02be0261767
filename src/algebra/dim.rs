//! Symbolic sizes: polynomials with integer coefficients over named or derived symbols.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A symbol of a [`Dim`]: an index into [`Symbols`], or a size that cannot be followed (`VAST`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Symbol(u32);

/// Marks symbols that stand for sizes beyond 64 bits or of more terms than [`MAX_TERMS`]. They are told apart by what
/// they were computed from, and only a run can tell what they are.
const VAST: u32 = 1 << 31;

/// Sizes of more terms, or of more symbols in all of them, are not followed.
const MAX_TERMS: usize = 32;
const MAX_SYMBOLS: usize = 128;

/// Sizes that are computed in more steps from other such sizes are not followed.
const MAX_STEPS: u8 = 32;

/// Text of a size ends soon after this.
const MAX_TEXT: usize = 240;

/// What a symbol stands for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SymbolDef {
    /// A size that the file names (`batch`) or leaves open (`input:2`).
    Named(String),
    /// ⌊a / b⌋ where it is not a polynomial.
    FloorDiv(Dim, Dim),
    /// a mod b.
    Mod(Dim, Dim),
    /// max(a, b).
    Max(Dim, Dim),
    /// min(a, b).
    Min(Dim, Dim),
    /// A size that only a run can tell, with the tensor it belongs to.
    Unknown(String),
}

/// Values of the named symbols.
pub type Bindings = HashMap<String, i64>;

/// The table of symbols. Equal definitions are one symbol, so equal sizes compare equal.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    defs: Vec<SymbolDef>,
    /// How many definitions stand on top of each other below each of these.
    steps: Vec<u8>,
    ids: HashMap<SymbolDef, Symbol>,
}

impl Symbols {
    /// The symbol with this definition.
    pub fn intern(&mut self, def: SymbolDef) -> Dim {
        if let Some(id) = self.ids.get(&def) {
            return Dim::symbol(*id);
        }
        let steps = match &def {
            SymbolDef::Named(_) | SymbolDef::Unknown(_) => 0,
            SymbolDef::FloorDiv(a, b) | SymbolDef::Mod(a, b) | SymbolDef::Max(a, b) | SymbolDef::Min(a, b) => {
                1 + self.steps_of(a).max(self.steps_of(b))
            }
        };
        if steps > MAX_STEPS || self.defs.len() >= VAST as usize {
            return Dim::vast(&def);
        }
        let id = Symbol(self.defs.len() as u32);
        self.ids.insert(def.clone(), id);
        self.defs.push(def);
        self.steps.push(steps);
        Dim::symbol(id)
    }

    fn steps_of(&self, dim: &Dim) -> u8 {
        let all = dim.terms();
        let steps = |s: &Symbol| self.steps.get(s.0 as usize).copied().unwrap_or(0);
        all.iter().flat_map(|(m, _)| m.iter().map(steps)).max().unwrap_or(0)
    }

    /// A size named by the file.
    pub fn named(&mut self, name: &str) -> Dim {
        self.intern(SymbolDef::Named(name.to_owned()))
    }

    /// A size that only a run can tell.
    pub fn unknown(&mut self, what: impl Into<String>) -> Dim {
        self.intern(SymbolDef::Unknown(what.into()))
    }

    /// ⌊a / b⌋, exact where the polynomial allows; `b` of 0 gives an unknown.
    pub fn floor_div(&mut self, a: &Dim, b: &Dim) -> Dim {
        match (a.known(), b.known()) {
            (_, Some(0)) => self.unknown("division by zero"),
            (Some(x), Some(y)) => match x.checked_div_euclid(y) {
                Some(q) => Dim::from(q - i64::from(y < 0 && x.rem_euclid(y) != 0)),
                None => Dim::vast(&(x, y)),
            },
            _ => match a.div_exact(b) {
                Some(exact) => exact,
                None => self.intern(SymbolDef::FloorDiv(a.clone(), b.clone())),
            },
        }
    }

    /// a mod b, with the sign of b.
    pub fn modulo(&mut self, a: &Dim, b: &Dim) -> Dim {
        match (a.known(), b.known()) {
            (_, Some(0)) => self.unknown("modulo by zero"),
            (Some(x), Some(y)) => Dim::from(x.wrapping_rem(y).wrapping_add(y).wrapping_rem(y)),
            _ if a.div_exact(b).is_some() => Dim::from(0i64),
            _ => self.intern(SymbolDef::Mod(a.clone(), b.clone())),
        }
    }

    /// max(a, b).
    pub fn max(&mut self, a: &Dim, b: &Dim) -> Dim {
        match (a.known(), b.known()) {
            (Some(x), Some(y)) => Dim::from(x.max(y)),
            _ if a == b => a.clone(),
            _ => self.intern(SymbolDef::Max(a.clone(), b.clone())),
        }
    }

    /// min(a, b).
    pub fn min(&mut self, a: &Dim, b: &Dim) -> Dim {
        match (a.known(), b.known()) {
            (Some(x), Some(y)) => Dim::from(x.min(y)),
            _ if a == b => a.clone(),
            _ => self.intern(SymbolDef::Min(a.clone(), b.clone())),
        }
    }

    /// Whether only a run can tell this size, all of it.
    pub fn is_unknown(&self, dim: &Dim) -> bool {
        match dim.terms()[..] {
            [([symbol], 1)] => matches!(self.defs.get(symbol.0 as usize), Some(SymbolDef::Unknown(_)) | None),
            _ => false,
        }
    }

    /// The number that `dim` is under `bindings`; `None` where a symbol is not bound or the arithmetic overflows.
    pub fn eval(&self, dim: &Dim, bindings: &Bindings) -> Option<i64> {
        match dim.known() {
            Some(n) => Some(n),
            None => self.eval_with(dim, bindings, &mut HashMap::new()),
        }
    }

    /// `done` holds what symbols that are computed from others came to: they may occur in many places.
    fn eval_with(&self, dim: &Dim, bindings: &Bindings, done: &mut HashMap<Symbol, Option<i64>>) -> Option<i64> {
        let mut sum = 0i64;
        for (monomial, coefficient) in dim.terms() {
            let mut product = coefficient;
            for &symbol in monomial {
                product = product.checked_mul(self.eval_symbol(symbol, bindings, done)?)?;
            }
            sum = sum.checked_add(product)?;
        }
        Some(sum)
    }

    fn eval_symbol(&self, symbol: Symbol, bindings: &Bindings, done: &mut HashMap<Symbol, Option<i64>>) -> Option<i64> {
        let (a, b) = match self.defs.get(symbol.0 as usize)? {
            SymbolDef::Named(name) => return bindings.get(name).copied(),
            SymbolDef::Unknown(_) => return None,
            SymbolDef::FloorDiv(a, b) | SymbolDef::Mod(a, b) | SymbolDef::Max(a, b) | SymbolDef::Min(a, b) => (a, b),
        };
        if let Some(known) = done.get(&symbol) {
            return *known;
        }
        let both = self.eval_with(a, bindings, done).zip(self.eval_with(b, bindings, done));
        let value = both.and_then(|(a, b)| match self.defs.get(symbol.0 as usize)? {
            SymbolDef::Max(..) => Some(a.max(b)),
            SymbolDef::Min(..) => Some(a.min(b)),
            SymbolDef::FloorDiv(..) => {
                let q = a.checked_div(b)?;
                Some(if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q })
            }
            _ => a.checked_rem(b)?.checked_add(b)?.checked_rem(b),
        });
        done.insert(symbol, value);
        value
    }

    /// Text of a size, with the names of its symbols; a long one is cut short.
    pub fn show(&self, dim: &Dim) -> String {
        let mut out = String::new();
        self.write(dim, &mut out);
        out
    }

    fn write(&self, dim: &Dim, out: &mut String) {
        if let Some(n) = dim.known() {
            return out.push_str(&n.to_string());
        }
        for (k, (monomial, c)) in dim.terms().into_iter().enumerate() {
            if k > 0 {
                out.push_str(" + ");
            }
            if c != 1 || monomial.is_empty() {
                out.push_str(&c.to_string());
            }
            for (j, s) in monomial.iter().enumerate() {
                if out.len() > MAX_TEXT {
                    return out.push('…');
                }
                if j > 0 || c != 1 {
                    out.push('·');
                }
                self.write_symbol(*s, out);
            }
        }
    }

    fn write_symbol(&self, symbol: Symbol, out: &mut String) {
        let mut pair = |head: &str, a: &Dim, middle: &str, b: &Dim, tail: &str| {
            out.push_str(head);
            self.write(a, out);
            out.push_str(middle);
            self.write(b, out);
            out.push_str(tail);
        };
        match self.defs.get(symbol.0 as usize) {
            Some(SymbolDef::FloorDiv(a, b)) => pair("⌊(", a, ")/", b, "⌋"),
            Some(SymbolDef::Mod(a, b)) => pair("(", a, " mod ", b, ")"),
            Some(SymbolDef::Max(a, b)) => pair("max(", a, ", ", b, ")"),
            Some(SymbolDef::Min(a, b)) => pair("min(", a, ", ", b, ")"),
            Some(SymbolDef::Named(name)) => out.push_str(name),
            Some(SymbolDef::Unknown(what)) => {
                out.push('?');
                out.push_str(what);
            }
            None => out.push('?'),
        }
    }
}

type Terms = Arc<[(Box<[Symbol]>, i64)]>;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Known(i64),
    /// Sorted by monomial, no zero coefficients, at least one symbol.
    Poly(Terms),
}

/// A size: a number, or a polynomial over [`Symbol`]s.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dim(Repr);

impl From<i64> for Dim {
    fn from(n: i64) -> Self {
        Dim(Repr::Known(n))
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Self {
        Dim(Repr::Known(i64::try_from(n).unwrap_or(i64::MAX)))
    }
}

impl Dim {
    fn symbol(s: Symbol) -> Self {
        Dim(Repr::Poly(Arc::from([(Box::from([s]), 1)])))
    }

    /// The number, if it is one.
    pub fn known(&self) -> Option<i64> {
        match self.0 {
            Repr::Known(n) => Some(n),
            Repr::Poly(_) => None,
        }
    }

    /// What it takes to hold, in numbers.
    pub fn weight(&self) -> usize {
        match &self.0 {
            Repr::Known(_) => 1,
            Repr::Poly(p) => 1 + p.iter().map(|(m, _)| 4 + m.len()).sum::<usize>(),
        }
    }

    /// Whether this is the number `n`.
    pub fn is(&self, n: i64) -> bool {
        self.known() == Some(n)
    }

    fn terms(&self) -> Vec<(&[Symbol], i64)> {
        match &self.0 {
            Repr::Known(0) => Vec::new(),
            Repr::Known(n) => vec![(&[], *n)],
            Repr::Poly(p) => p.iter().map(|(m, c)| (&**m, *c)).collect(),
        }
    }

    /// A size that cannot be followed, told apart by what it was computed from.
    fn vast(from: &impl Hash) -> Self {
        let mut h = DefaultHasher::new();
        from.hash(&mut h);
        Dim::symbol(Symbol(h.finish() as u32 | VAST))
    }

    /// `None` where there are more terms or symbols than are followed.
    fn build(map: BTreeMap<Box<[Symbol]>, i64>) -> Option<Self> {
        let terms: Vec<_> = map.into_iter().filter(|(_, c)| *c != 0).collect();
        Some(match terms.as_slice() {
            [] => Dim::from(0i64),
            [(m, c)] if m.is_empty() => Dim::from(*c),
            all if all.len() > MAX_TERMS || all.iter().map(|(m, _)| m.len()).sum::<usize>() > MAX_SYMBOLS => {
                return None;
            }
            _ => Dim(Repr::Poly(terms.into())),
        })
    }

    fn combine(&self, other: &Dim, sign: i64) -> Option<Dim> {
        if let (Some(a), Some(b)) = (self.known(), other.known()) {
            return a.checked_add(b.checked_mul(sign)?).map(Dim::from);
        }
        let mut map = BTreeMap::new();
        for (m, c) in self.terms() {
            map.insert(Box::from(m), c);
        }
        for (m, c) in other.terms() {
            let e = map.entry(Box::from(m)).or_insert(0i64);
            *e = e.checked_add(c.checked_mul(sign)?)?;
        }
        Dim::build(map)
    }

    /// self + other; what goes beyond 64 bits is a size that only a run can tell.
    pub fn plus(&self, other: &Dim) -> Dim {
        self.combine(other, 1).unwrap_or_else(|| Dim::vast(&('+', self, other)))
    }

    /// self − other; what goes beyond 64 bits is a size that only a run can tell.
    pub fn minus(&self, other: &Dim) -> Dim {
        self.combine(other, -1).unwrap_or_else(|| Dim::vast(&('-', self, other)))
    }

    /// self · other; what goes beyond 64 bits is a size that only a run can tell.
    pub fn times(&self, other: &Dim) -> Dim {
        self.multiplied(other).unwrap_or_else(|| Dim::vast(&('*', self, other)))
    }

    fn multiplied(&self, other: &Dim) -> Option<Dim> {
        if let (Some(a), Some(b)) = (self.known(), other.known()) {
            return a.checked_mul(b).map(Dim::from);
        }
        let mut map: BTreeMap<Box<[Symbol]>, i64> = BTreeMap::new();
        for (m, c) in self.terms() {
            for (n, d) in other.terms() {
                let mut symbols: Vec<Symbol> = m.iter().chain(n).copied().collect();
                symbols.sort_unstable();
                let e = map.entry(symbols.into()).or_insert(0);
                *e = e.checked_add(c.checked_mul(d)?)?;
            }
        }
        Dim::build(map)
    }

    /// self / other where that is a polynomial with integer coefficients.
    pub fn div_exact(&self, other: &Dim) -> Option<Dim> {
        if self == other {
            return (!self.is(0)).then(|| Dim::from(1i64));
        }
        if other.is(1) || self.is(0) {
            return (!other.is(0)).then(|| self.clone());
        }
        if let (Some(a), Some(b)) = (self.known(), other.known()) {
            return (b != 0 && a.checked_rem(b)? == 0).then(|| Dim::from(a / b));
        }
        let divisor = other.terms();
        if let [(monomial, coefficient)] = divisor[..] {
            let mut map = BTreeMap::new();
            for (m, c) in self.terms() {
                let mut rest: Vec<Symbol> = m.to_vec();
                for s in monomial {
                    rest.remove(rest.iter().position(|x| x == s)?);
                }
                if c.checked_rem(coefficient)? != 0 {
                    return None;
                }
                map.insert(rest.into_boxed_slice(), c / coefficient);
            }
            return Dim::build(map);
        }
        // A quotient that is one monomial: guess it from the leading terms, then multiply back.
        let own = self.terms();
        let by_degree = |t: &&(&[Symbol], i64)| (t.0.len(), t.0.to_vec());
        let ((m, c), (n, d)) = (own.iter().max_by_key(by_degree)?, divisor.iter().max_by_key(by_degree)?);
        if c.checked_rem(*d)? != 0 {
            return None;
        }
        let mut rest: Vec<Symbol> = m.to_vec();
        for s in *n {
            rest.remove(rest.iter().position(|x| x == s)?);
        }
        let quotient = Dim::build(BTreeMap::from([(rest.into_boxed_slice(), c / d)]))?;
        (quotient.times(other) == *self).then_some(quotient)
    }

    /// The greatest number that divides every coefficient.
    pub fn content(&self) -> i64 {
        self.terms().iter().fold(0i64, |g, (_, c)| gcd(g, c.saturating_abs()))
    }

    /// The product of sizes.
    pub fn product<'a>(dims: impl IntoIterator<Item = &'a Dim>) -> Dim {
        dims.into_iter().fold(Dim::from(1i64), |a, b| a.times(b))
    }
}

/// Greatest common divisor of the absolute values; gcd(0, n) = |n|.
pub fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i64::try_from(a).unwrap_or(i64::MAX)
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Known(n) => write!(f, "{n}"),
            Repr::Poly(p) => f.debug_list().entries(p.iter()).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_divide_and_compare() {
        let mut s = Symbols::default();
        let (n, h) = (s.named("n"), s.named("h"));
        let nh = n.times(&h).times(&Dim::from(4i64));
        assert_eq!(nh.div_exact(&n), Some(h.times(&Dim::from(4i64))));
        assert_eq!(nh.div_exact(&Dim::from(8i64)), None);
        let sum = n.plus(&Dim::from(1i64));
        assert_eq!(sum.times(&h).div_exact(&sum), Some(h.clone()));
        assert_eq!(s.floor_div(&h, &Dim::from(2i64)), s.floor_div(&h, &Dim::from(2i64)));
        assert!(sum.minus(&n).is(1));
    }

    #[test]
    fn floor_rounds_down() {
        let mut s = Symbols::default();
        for (a, b, q) in [(7, 2i64, 3), (-7, 2, -4), (-1, 2, -1), (6, 3, 2)] {
            assert!(s.floor_div(&Dim::from(a), &Dim::from(b)).is(q));
            let x = s.named("x");
            let y = s.intern(SymbolDef::FloorDiv(x, Dim::from(b)));
            assert_eq!(s.eval(&y, &Bindings::from([("x".into(), a)])), Some(q));
        }
    }

    #[test]
    fn beyond_64_bits_only_a_run_can_tell() {
        let mut s = Symbols::default();
        let big = Dim::from(i64::MAX);
        let n = s.named("n");
        let least = Dim::from(i64::MIN);
        let minus_one = Dim::from(-1i64);
        for vast in [big.times(&big), big.plus(&big), least.minus(&big), s.floor_div(&least, &minus_one)] {
            assert!(vast.known().is_none() && s.is_unknown(&vast), "{vast:?}");
        }
        assert_eq!(big.times(&big), big.times(&big));
        assert_ne!(big.times(&big), big.plus(&big));
        assert!(s.is_unknown(&n.times(&big).times(&big)));
        assert_eq!((gcd(i64::MIN, -1), gcd(12, -18), gcd(0, 5)), (1, 6, 5));
    }

    #[test]
    fn sizes_do_not_explode() {
        let mut s = Symbols::default();
        let mut product = Dim::from(1i64);
        for k in 0..40 {
            product = product.times(&s.named(&format!("n{k}")).plus(&Dim::from(1i64)));
        }
        assert!(product.terms().len() <= MAX_TERMS);
        let mut square = s.named("n");
        for _ in 0..40 {
            square = square.times(&square);
        }
        assert!(square.terms()[0].0.len() <= MAX_SYMBOLS);
        // Each step reads the one before twice.
        let (mut d, three) = (s.named("d"), Dim::from(3i64));
        for _ in 0..40 {
            d = s.floor_div(&d.times(&d), &three);
        }
        assert!(s.show(&d).len() < 4 * MAX_TEXT);
        let mut d = s.named("d");
        for _ in 0..30 {
            let two = d.plus(&d.times(&d));
            d = s.modulo(&two, &Dim::from(1000i64));
        }
        let bound = Bindings::from([("d".to_owned(), 7)]);
        let by_hand = (0..30).fold(7, |d: i64, _| (d + d * d) % 1000);
        assert_eq!(s.eval(&d, &bound), Some(by_hand));
    }
}
