//! Symbolic sizes: polynomials with integer coefficients over named or derived symbols.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// A symbol of a [`Dim`]: an index into [`Symbols`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Symbol(u32);

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
    ids: HashMap<SymbolDef, Symbol>,
}

impl Symbols {
    /// The symbol with this definition.
    pub fn intern(&mut self, def: SymbolDef) -> Dim {
        let next = Symbol(self.defs.len() as u32);
        let id = *self.ids.entry(def.clone()).or_insert(next);
        if id == next {
            self.defs.push(def);
        }
        Dim::symbol(id)
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
            (Some(x), Some(y)) => Dim::from(x.div_euclid(y) - i64::from(y < 0 && x.rem_euclid(y) != 0)),
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
            [([symbol], 1)] => matches!(self.defs.get(symbol.0 as usize), Some(SymbolDef::Unknown(_))),
            _ => false,
        }
    }

    /// The number that `dim` is under `bindings`; `None` where a symbol is not bound or the arithmetic overflows.
    pub fn eval(&self, dim: &Dim, bindings: &Bindings) -> Option<i64> {
        let mut sum = 0i64;
        for (monomial, coefficient) in dim.terms() {
            let mut product = coefficient;
            for &symbol in monomial {
                product = product.checked_mul(self.eval_symbol(symbol, bindings)?)?;
            }
            sum = sum.checked_add(product)?;
        }
        Some(sum)
    }

    fn eval_symbol(&self, symbol: Symbol, bindings: &Bindings) -> Option<i64> {
        let pair = |a: &Dim, b: &Dim| Some((self.eval(a, bindings)?, self.eval(b, bindings)?));
        match self.defs.get(symbol.0 as usize)? {
            SymbolDef::Named(name) => bindings.get(name).copied(),
            SymbolDef::Unknown(_) => None,
            SymbolDef::Max(a, b) => pair(a, b).map(|(a, b)| a.max(b)),
            SymbolDef::Min(a, b) => pair(a, b).map(|(a, b)| a.min(b)),
            SymbolDef::FloorDiv(a, b) => {
                let (a, b) = pair(a, b)?;
                let q = a.checked_div(b)?;
                Some(if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q })
            }
            SymbolDef::Mod(a, b) => {
                let (a, b) = pair(a, b)?;
                a.checked_rem(b)?.checked_add(b)?.checked_rem(b)
            }
        }
    }

    /// Text of a size, with the names of its symbols.
    pub fn show(&self, dim: &Dim) -> String {
        if let Some(n) = dim.known() {
            return n.to_string();
        }
        let mut parts = Vec::new();
        for (monomial, c) in dim.terms() {
            let names: Vec<String> = monomial.iter().map(|s| self.show_symbol(*s)).collect();
            parts.push(match (c, names.is_empty()) {
                (c, true) => c.to_string(),
                (1, false) => names.join("·"),
                (c, false) => format!("{c}·{}", names.join("·")),
            });
        }
        parts.join(" + ")
    }

    fn show_symbol(&self, symbol: Symbol) -> String {
        match self.defs.get(symbol.0 as usize) {
            Some(SymbolDef::Named(name)) => name.clone(),
            Some(SymbolDef::FloorDiv(a, b)) => format!("⌊({})/{}⌋", self.show(a), self.show(b)),
            Some(SymbolDef::Mod(a, b)) => format!("({} mod {})", self.show(a), self.show(b)),
            Some(SymbolDef::Max(a, b)) => format!("max({}, {})", self.show(a), self.show(b)),
            Some(SymbolDef::Min(a, b)) => format!("min({}, {})", self.show(a), self.show(b)),
            Some(SymbolDef::Unknown(what)) => format!("?{what}"),
            None => "?".to_owned(),
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

    fn build(map: BTreeMap<Box<[Symbol]>, i64>) -> Self {
        let terms: Vec<_> = map.into_iter().filter(|(_, c)| *c != 0).collect();
        match terms.as_slice() {
            [] => Dim::from(0i64),
            [(m, c)] if m.is_empty() => Dim::from(*c),
            _ => Dim(Repr::Poly(terms.into())),
        }
    }

    fn combine(&self, other: &Dim, sign: i64) -> Dim {
        if let (Some(a), Some(b)) = (self.known(), other.known()) {
            return Dim::from(a.saturating_add(b.saturating_mul(sign)));
        }
        let mut map = BTreeMap::new();
        for (m, c) in self.terms() {
            map.insert(Box::from(m), c);
        }
        for (m, c) in other.terms() {
            let e = map.entry(Box::from(m)).or_insert(0i64);
            *e = e.saturating_add(c.saturating_mul(sign));
        }
        Dim::build(map)
    }

    /// self + other (saturating).
    pub fn plus(&self, other: &Dim) -> Dim {
        self.combine(other, 1)
    }

    /// self − other (saturating).
    pub fn minus(&self, other: &Dim) -> Dim {
        self.combine(other, -1)
    }

    /// self · other (saturating).
    pub fn times(&self, other: &Dim) -> Dim {
        if let (Some(a), Some(b)) = (self.known(), other.known()) {
            return Dim::from(a.saturating_mul(b));
        }
        let mut map: BTreeMap<Box<[Symbol]>, i64> = BTreeMap::new();
        for (m, c) in self.terms() {
            for (n, d) in other.terms() {
                let mut symbols: Vec<Symbol> = m.iter().chain(n).copied().collect();
                symbols.sort_unstable();
                let e = map.entry(symbols.into()).or_insert(0);
                *e = e.saturating_add(c.saturating_mul(d));
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
            return Some(Dim::build(map));
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
        let quotient = Dim::build(BTreeMap::from([(rest.into_boxed_slice(), c / d)]));
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

/// Greatest common divisor; gcd(0, n) = n.
pub fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
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
    fn overflow_is_not_a_panic() {
        let big = Dim::from(i64::MAX);
        assert!(big.times(&big).plus(&big).is(i64::MAX));
    }
}
