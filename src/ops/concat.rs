//! Concat: a sum along one axis.

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related};
use super::fact::{MAX_VALUE, Value};
use super::{Operator, Sizes, fitting};

/// `Concat`.
pub struct Concat;

/// The contents of all inputs, one after the other.
fn joined(cx: &InferCx) -> Option<Value> {
    let all: Vec<&Value> = (0..cx.inputs.len()).map(|i| cx.value(i)).collect::<Option<_>>()?;
    if all.iter().map(|v| v.len()).sum::<usize>() > MAX_VALUE {
        return None;
    }
    let ints = all.iter().map(|v| if let Value::Ints(d) = v { Some(&d[..]) } else { None });
    let floats = all.iter().map(|v| if let Value::Floats(f) = v { Some(&f[..]) } else { None });
    match ints.collect::<Option<Vec<_>>>() {
        Some(parts) => Some(Value::Ints(parts.concat())),
        None => floats.collect::<Option<Vec<_>>>().map(|parts| Value::Floats(parts.concat())),
    }
}

/// Along which axis each of the joined columns counts, where one does.
fn columns(cx: &InferCx, last: usize) -> Option<Vec<Option<usize>>> {
    let mut all = Vec::new();
    for i in 0..cx.inputs.len() {
        if all.len() > MAX_VALUE {
            return None;
        }
        let width = usize::try_from(cx.shape(i)?.get(last)?.known()?).ok().filter(|n| *n <= MAX_VALUE)?;
        // What is the same in all columns says so once.
        match cx.fact(i)?.counted() {
            Some(counts) if counts.len() == width => all.extend(counts),
            Some(counts) if counts.len() == 1 => all.extend(std::iter::repeat_n(counts[0], width)),
            _ => all.extend(std::iter::repeat_n(None, width)),
        }
    }
    all.iter().any(Option::is_some).then_some(all)
}

impl Operator for Concat {
    fn fits(&self, view: &NodeView, inputs: &Sizes, _: &Sizes) -> bool {
        fitting::joined(inputs, view.int("axis"))
    }

    fn about(&self) -> &'static str {
        "the joined axis is the sum of its parts"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let mut shape = cx.shape(0)?.to_vec();
        let a = cx.axis(0, 1)?;
        for i in 1..cx.inputs.len() {
            let s = cx.shape(i)?;
            if s.len() != shape.len() {
                return None;
            }
            let total = shape[a].plus(&s[a]);
            // A number says more than a symbol where the inputs must agree.
            for (k, d) in s.iter().enumerate() {
                if shape[k].known().is_none() && d.known().is_some() {
                    shape[k] = d.clone();
                }
            }
            shape[a] = total;
        }
        let value = if shape.len() == 1 { joined(cx) } else { None };
        let counts = if a + 1 == shape.len() { columns(cx, a) } else { None };
        let dtype = cx.dtype(0);
        told.set(0, dtype, shape);
        told.output(0).counts = counts;
        if let Some(v) = value {
            told.set_value(0, v);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let inputs: Option<Vec<_>> = (0..cx.inputs.len()).map(|i| cx.input(i)).collect();
        let inputs = inputs?;
        let a = cx.axis(0, 1)?;
        let mut axes = Vec::new();
        for k in 0..inputs.first()?.len() {
            if k == a {
                let parts: Option<Vec<_>> = inputs.iter().map(|x| x.get(k).copied()).collect();
                axes.push(cx.terms.sum(&parts?));
                continue;
            }
            let all: Vec<_> = inputs.iter().map(|x| x.get(k).copied()).collect::<Option<_>>()?;
            // Sizes that the file leaves open must turn out to be those that it tells: these freeze.
            let size = cx.out_shape(0)?.get(k)?.clone();
            let first = *all.iter().find(|t| cx.terms.size(**t) == size).or(all.first())?;
            for t in all {
                cx.unify(first, t);
            }
            axes.push(first);
        }
        Some(Related::one(axes))
    }
}
