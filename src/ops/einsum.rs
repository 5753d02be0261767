//! Einsum: every letter is one axis.

use std::collections::BTreeMap;

use crate::algebra::{Dim, Monomial, Term};
use crate::onnx::{self, proto::NodeProto};

use super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Role};
use super::{Operator, Work};

/// `Einsum` without an ellipsis.
pub struct Einsum;

/// The letters of each input and of the output; `None` where there is an ellipsis.
struct Equation(Option<(Vec<Vec<char>>, Vec<char>)>);

impl Attributes for Equation {
    fn parse(node: &NodeProto, _opset: i64) -> Equation {
        Equation(letters(node))
    }
}

fn letters(node: &NodeProto) -> Option<(Vec<Vec<char>>, Vec<char>)> {
    let equation: String = onnx::attr_s(node, "equation")?.chars().filter(|c| !c.is_whitespace()).collect();
    if equation.contains('.') {
        return None;
    }
    let (left, right) = match equation.split_once("->") {
        Some((l, r)) => (l.to_owned(), Some(r.to_owned())),
        None => (equation, None),
    };
    let inputs: Vec<Vec<char>> = left.split(',').map(|s| s.chars().collect()).collect();
    let output = right.map(|r| r.chars().collect()).unwrap_or_else(|| {
        let all: Vec<char> = inputs.iter().flatten().copied().collect();
        let mut once: Vec<char> = all.iter().filter(|c| all.iter().filter(|d| d == c).count() == 1).copied().collect();
        once.sort_unstable();
        once
    });
    Some((inputs, output))
}

impl Operator for Einsum {
    fn about(&self) -> &'static str {
        "every letter is one axis; an ellipsis freezes"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let given = cx.attributes::<Equation>();
        let (inputs, output) = given.0.as_ref()?;
        let mut sizes: BTreeMap<char, Dim> = BTreeMap::new();
        for (i, letters) in inputs.iter().enumerate() {
            let shape = cx.shape(i)?;
            if shape.len() != letters.len() {
                return None;
            }
            for (c, d) in letters.iter().zip(shape) {
                let e = sizes.entry(*c).or_insert_with(|| d.clone());
                if e.is(1) || e.known().is_none() && d.known().is_some() {
                    *e = d.clone();
                }
            }
        }
        let shape: Option<Vec<Dim>> = output.iter().map(|c| sizes.get(c).cloned()).collect();
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape?))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let given = cx.attributes::<Equation>();
        let (inputs, output) = given.0.as_ref()?;
        let mut axes: BTreeMap<char, Term> = BTreeMap::new();
        let mut uses: BTreeMap<char, usize> = BTreeMap::new();
        for (i, letters) in inputs.iter().enumerate() {
            let x = cx.input(i)?;
            for (k, (&c, &t)) in letters.iter().zip(&x).enumerate() {
                *uses.entry(c).or_default() += 1;
                cx.role(i, k, if output.contains(&c) { Role::Out } else { Role::In });
                match axes.get(&c).copied() {
                    Some(other) if cx.terms.size(other).is(1) => drop(axes.insert(c, t)),
                    Some(other) if cx.terms.size(t).is(1) => cx.freeze(other, "broadcast within a contraction"),
                    Some(other) => cx.unify(other, t),
                    None => drop(axes.insert(c, t)),
                }
            }
        }
        let activations = !cx.weight.iter().any(|w| *w) && inputs.len() > 1;
        for (c, &t) in &axes {
            let kept = output.contains(c);
            if uses[c] > 1 && activations {
                cx.mark(t, |f| if kept { f.batched = true } else { f.compared = true });
            }
            if uses[c] > 1 && kept && !activations {
                cx.mark(t, |f| f.separate = true);
            }
            if !kept && uses[c] == 1 {
                cx.mark(t, |f| f.mixed = true);
            }
        }
        let out: Option<Vec<Term>> = output.iter().map(|c| axes.get(c).copied()).collect();
        Some(Related::one(out?))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || {
            let given = cx.attributes::<Equation>();
            let (inputs, _) = given.0.as_ref()?;
            let mut axes: BTreeMap<char, Term> = BTreeMap::new();
            for (i, letters) in inputs.iter().enumerate() {
                for (&c, &t) in letters.iter().zip(cx.axes_in.get(i)?.as_ref()?) {
                    axes.insert(c, t);
                }
            }
            // Of one input there is nothing to multiply.
            let coefficient = if inputs.len() > 1 { 1.0 } else { 0.0 };
            Some(vec![Monomial { coefficient, axes: axes.into_values().collect() }])
        };
        count().unwrap_or_default()
    }
}
