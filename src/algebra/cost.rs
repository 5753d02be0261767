//! Costs as sums of products of axis sizes: the cost of any candidate is an evaluation, not a new graph.

use super::dim::{Bindings, Symbols};
use super::term::{Atom, Node, Term, Terms};

/// coefficient · Π sizes of axes.
#[derive(Clone, Debug)]
pub struct Monomial {
    /// A constant factor.
    pub coefficient: f64,
    /// The axes whose sizes multiply.
    pub axes: Vec<Term>,
}

/// A cost expression compiled against a list of atoms whose sizes vary; everything else is a number.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    products: Vec<(f64, Vec<Expr>)>,
}

#[derive(Clone, Debug)]
enum Expr {
    /// Index into the list of varying atoms.
    Atom(usize),
    Product(Vec<Expr>),
    Sum(f64, Vec<Expr>),
    Number(f64),
}

impl Cost {
    /// Compiles a sum of monomials. `index` gives the place of a varying atom in the count vector;
    /// sizes of all other atoms come from `bindings`. `None` where a size is not bound.
    pub fn compile(
        monomials: &[Monomial],
        terms: &Terms,
        symbols: &Symbols,
        bindings: &Bindings,
        index: &impl Fn(Atom) -> Option<usize>,
    ) -> Option<Cost> {
        let mut products = Vec::new();
        for m in monomials {
            let mut coefficient = m.coefficient;
            let mut factors = Vec::new();
            for &axis in &m.axes {
                match expr(axis, terms, symbols, bindings, index)? {
                    Expr::Number(n) => coefficient *= n,
                    e => factors.push(e),
                }
            }
            products.push((coefficient, factors));
        }
        Some(Cost { products })
    }

    /// Number of compiled products.
    pub fn len(&self) -> usize {
        self.products.len()
    }

    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// The cost when atom i has `counts[i]` channels.
    pub fn eval(&self, counts: &[usize]) -> f64 {
        // From 0, as an empty sum of floats is −0.
        (0..self.products.len()).map(|i| self.eval_product(i, counts)).fold(0.0, std::ops::Add::add)
    }

    /// The value of one monomial, in the order they were given.
    pub fn eval_product(&self, i: usize, counts: &[usize]) -> f64 {
        let (c, factors) = &self.products[i];
        factors.iter().fold(*c, |p, f| p * f.eval(counts))
    }

    /// The varying atoms that a monomial depends on.
    pub fn atoms_of(&self, i: usize) -> Vec<usize> {
        let mut out = Vec::new();
        self.products[i].1.iter().for_each(|f| f.atoms(&mut out));
        out.sort_unstable();
        out.dedup();
        out
    }
}

impl Expr {
    fn eval(&self, counts: &[usize]) -> f64 {
        match self {
            Expr::Atom(i) => counts[*i] as f64,
            Expr::Product(c) => c.iter().map(|e| e.eval(counts)).product(),
            Expr::Sum(n, c) => n + c.iter().map(|e| e.eval(counts)).sum::<f64>(),
            Expr::Number(n) => *n,
        }
    }

    fn atoms(&self, out: &mut Vec<usize>) {
        match self {
            Expr::Atom(i) => out.push(*i),
            Expr::Product(c) | Expr::Sum(_, c) => c.iter().for_each(|e| e.atoms(out)),
            Expr::Number(_) => {}
        }
    }
}

fn expr(
    t: Term,
    terms: &Terms,
    symbols: &Symbols,
    bindings: &Bindings,
    index: &impl Fn(Atom) -> Option<usize>,
) -> Option<Expr> {
    let t = terms.resolve(t);
    if terms.is_stuck(t) || !terms.any(t, |l| index(l).is_some()) {
        return symbols.eval(&terms.size(t), bindings).map(|n| Expr::Number(n as f64));
    }
    let children =
        |c: &[Term]| -> Option<Vec<Expr>> { c.iter().map(|c| expr(*c, terms, symbols, bindings, index)).collect() };
    Some(match &terms.nodes[t.0 as usize] {
        Node::Product(c) => Expr::Product(children(c)?),
        Node::Sum(c) => {
            let (mut fixed, mut varying) = (0.0, Vec::new());
            for e in children(c)? {
                match e {
                    Expr::Number(n) => fixed += n,
                    e => varying.push(e),
                }
            }
            Expr::Sum(fixed, varying)
        }
        _ => Expr::Atom(index(t)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::dim::Dim;
    use super::*;

    #[test]
    fn evaluates_without_a_graph() {
        let (mut ts, mut s) = (Terms::default(), Symbols::default());
        let n = ts.atom(s.named("n"));
        let (a, b) = (ts.atom(Dim::from(4i64)), ts.atom(Dim::from(6i64)));
        let sum = ts.sum(&[a, b]);
        let m = [Monomial { coefficient: 9.0, axes: vec![n, sum, a] }];
        let bind = Bindings::from([("n".to_owned(), 2)]);
        let index = |t| [a, b].iter().position(|x| *x == t);
        let cost = Cost::compile(&m, &ts, &s, &bind, &index).unwrap();
        assert_eq!(cost.eval(&[4, 6]), 9.0 * 2.0 * 10.0 * 4.0);
        assert_eq!(cost.eval(&[2, 5]), 9.0 * 2.0 * 7.0 * 2.0);
        assert_eq!(cost.atoms_of(0), vec![0, 1]);
        assert!(Cost::compile(&m, &ts, &s, &Bindings::new(), &index).is_none());
    }
}
