//! Reshape and its kin: the same elements in the same order, grouped into other axes.

use crate::algebra::Dim;

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related, Rewrite, RewriteCx};
use super::fact::{Fact, axis};
use super::{Numbers, Operator, Sizes, fitting};

/// `Reshape`.
pub struct Reshape;
/// `Flatten`.
pub struct Flatten;
/// `Squeeze`.
pub struct Squeeze;
/// `Unsqueeze`.
pub struct Unsqueeze;

/// The output shape of a reshape by `operand`, where 0 copies and −1 is what is left.
fn resolve(input: &[Dim], operand: &[Dim], allow_zero: bool) -> Option<Vec<Dim>> {
    let mut out = Vec::with_capacity(operand.len());
    let mut open = None;
    for (k, d) in operand.iter().enumerate() {
        if d.is(-1) {
            open = Some(k);
            out.push(Dim::from(1i64));
        } else if d.is(0) && !allow_zero {
            out.push(input.get(k)?.clone());
        } else {
            out.push(d.clone());
        }
    }
    if let Some(k) = open {
        // Equal factors cancel one by one, so that sums of symbols do not stand in the way.
        let mut above = input.to_vec();
        let mut below = Vec::new();
        for d in &out {
            match above.iter().position(|a| a == d) {
                Some(i) => drop(above.remove(i)),
                None => below.push(d.clone()),
            }
        }
        out[k] = Dim::product(&above).div_exact(&Dim::product(&below))?;
    }
    Some(out)
}

/// Whether two shapes may be of as many elements.
fn fits(a: &[Dim], b: &[Dim]) -> bool {
    let (a, b) = (Dim::product(a), Dim::product(b));
    a.known().zip(b.known()).is_none_or(|(a, b)| a == b)
}

/// The input in another shape.
fn passed(cx: &InferCx, shape: Vec<Dim>) -> Fact {
    Fact { value: cx.value(0).cloned(), ..Fact::new(cx.dtype(0), shape) }
}

fn regroup(cx: &mut RelateCx) -> Option<Related> {
    let x = cx.input(0)?;
    let shape = cx.out_shape(0)?.to_vec();
    let reason = cx.reason("reshape that does not follow the axes");
    let axes = cx.terms.regroup(&x, &shape, &reason);
    Some(Related::one(axes))
}

impl Operator for Reshape {
    fn fits(&self, _: &NodeView, inputs: &Sizes, outputs: &Sizes) -> bool {
        fitting::same_count(inputs, outputs)
    }

    fn numbers(&self, view: &NodeView, input: usize) -> Option<Numbers> {
        match input {
            0 => Some(Numbers::Same),
            _ => Some(Numbers::Shape(Dim::product(view.shape(0)?))),
        }
    }

    fn about(&self) -> &'static str {
        "factors regroup; the shape operand is derived"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let operand = match cx.ints("shape") {
            Some(v) => v.into_iter().map(Dim::from).collect(),
            None => match cx.dims(1) {
                Some(d) => d.to_vec(),
                None => {
                    // The rank is known where the operand's length is.
                    let rank = usize::try_from(cx.shape(1)?.first()?.known()?).ok().filter(|r| *r <= 64)?;
                    (0..rank).map(|k| cx.unknown(0, k)).collect()
                }
            },
        };
        let input = cx.shape(0)?;
        let shape = match resolve(input, &operand, cx.int("allowzero").is_some_and(|z| z != 0)) {
            // Elements neither come nor go.
            Some(s) if !fits(input, &s) => return None,
            Some(s) => s,
            None => {
                let total = Dim::product(cx.shape(0)?);
                let others = Dim::product(operand.iter().filter(|d| !d.is(-1)));
                let open = cx.symbols.floor_div(&total, &others);
                let input = cx.shape(0)?;
                let fill = |(k, d): (usize, &Dim)| match d.known() {
                    Some(-1) => Some(open.clone()),
                    Some(0) => input.get(k).cloned(),
                    _ => Some(d.clone()),
                };
                operand.iter().enumerate().map(fill).collect::<Option<Vec<_>>>()?
            }
        };
        Some(Inferred::fact(passed(cx, shape)))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        regroup(cx)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let wanted = cx.required(0)?;
        let input = cx.shape(0)?.to_vec();
        let allow_zero = cx.int("allowzero").is_some_and(|z| z != 0);
        if cx.dims(1).and_then(|d| resolve(&input, d, allow_zero)).as_ref() == Some(&wanted) {
            return Some(Rewrite::default());
        }
        // A constant with 0 for copied and at most one −1 for run-time sizes, where that says the same.
        let mut open = false;
        let mut constant = Vec::with_capacity(wanted.len());
        for (k, d) in wanted.iter().enumerate() {
            constant.push(match d.known() {
                Some(n) => n,
                None if !allow_zero && input.get(k) == Some(d) => 0,
                None if !open => {
                    open = true;
                    -1
                }
                None => return patch(cx, &wanted),
            });
        }
        cx.constant(1, "shape", &[constant.len()], &constant)
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[1]
    }
}

/// Replaces the numbers of a shape operand that only a run can tell as a whole. Its own −1 and 0 stay, as what they
/// stand for is still right.
fn patch(cx: &mut RewriteCx, wanted: &[Dim]) -> Option<Rewrite> {
    let now = cx.dims(1)?.to_vec();
    let stands = |(now, wanted): (&Dim, &Dim)| {
        if wanted.known().is_none() && now.known().is_some() { now.clone() } else { wanted.clone() }
    };
    let wanted: Vec<Dim> = now.iter().zip(wanted).map(stands).collect();
    cx.operand(1, "shape", &wanted)
}

impl Operator for Flatten {
    fn fits(&self, _: &NodeView, inputs: &Sizes, outputs: &Sizes) -> bool {
        fitting::same_count(inputs, outputs)
    }

    fn numbers(&self, _: &NodeView, input: usize) -> Option<Numbers> {
        (input == 0).then_some(Numbers::Same)
    }

    fn about(&self) -> &'static str {
        "factors regroup"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let a = cx.int("axis").unwrap_or(1);
        let a = if a == x.len() as i64 { x.len() } else { axis(a, x.len())? };
        Some(Inferred::fact(passed(cx, vec![Dim::product(&x[..a]), Dim::product(&x[a..])])))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        regroup(cx)
    }
}

impl Operator for Squeeze {
    fn numbers(&self, _: &NodeView, input: usize) -> Option<Numbers> {
        (input == 0).then_some(Numbers::Same)
    }

    fn about(&self) -> &'static str {
        "axes of size 1 go, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let gone = cx.axes(1, x.len())?;
        let keep = |k: usize, d: &Dim| match &gone {
            Some(axes) => !axes.contains(&k),
            None => !d.is(1),
        };
        let shape = x.iter().enumerate().filter(|(k, d)| keep(*k, d)).map(|(_, d)| d.clone()).collect();
        Some(Inferred::fact(passed(cx, shape)))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let gone = cx.axes(1, x.len())?;
        let mut axes = Vec::new();
        for (k, &t) in x.iter().enumerate() {
            let goes = gone.as_ref().map_or_else(|| cx.terms.size(t).is(1), |g| g.contains(&k));
            if !goes {
                axes.push(t);
            }
        }
        Some(Related::one(axes))
    }

    // Without axes, those of size 1 go: one that has shrunk to it would go as well.
    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let before = cx.before.first().copied().flatten()?.shape.clone()?;
        if cx.axes(1, before.len())?.is_some() {
            return Some(Rewrite::default());
        }
        let ones: Vec<i64> = (0..before.len()).filter(|k| before[*k].is(1)).map(|k| k as i64).collect();
        if cx.shape(0)?.iter().filter(|d| d.is(1)).count() == ones.len() {
            return Some(Rewrite::default());
        }
        match cx.opset {
            13.. => cx.constant(1, "axes", &[ones.len()], &ones),
            _ => Some(Rewrite::default().ints("axes", &ones)),
        }
    }
}

impl Operator for Unsqueeze {
    fn numbers(&self, _: &NodeView, input: usize) -> Option<Numbers> {
        (input == 0).then_some(Numbers::Same)
    }

    fn about(&self) -> &'static str {
        "axes of size 1 come, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let new = new_axes(cx.numbers(1).or_else(|| cx.ints("axes"))?, x.len())?;
        let mut rest = x.into_iter();
        let rank = new.len() + rest.len();
        let shape: Option<Vec<Dim>> =
            (0..rank).map(|k| if new.contains(&k) { Some(Dim::from(1i64)) } else { rest.next() }).collect();
        // An axis behind all others leaves those where they are.
        let counts = cx.fact(0)?.counts.clone().filter(|_| new[..] == [rank - 1]);
        let steps = cx.fact(0)?.steps.clone().and_then(|steps| {
            let mut rest = steps.into_iter();
            (0..rank).map(|k| if new.contains(&k) { Some(Dim::from(0i64)) } else { rest.next() }).collect()
        });
        Some(Inferred::fact(Fact { counts, steps, ..passed(cx, shape?) }))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let new = new_axes(cx.numbers(1).or_else(|| cx.ints("axes"))?, x.len())?;
        let rank = new.len() + x.len();
        let mut rest = x.into_iter();
        let mut axes = Vec::new();
        for k in 0..rank {
            axes.push(if new.contains(&k) { cx.terms.atom(Dim::from(1i64)) } else { rest.next()? });
        }
        Some(Related::one(axes))
    }
}

fn new_axes(axes: Vec<i64>, rank: usize) -> Option<Vec<usize>> {
    let out = rank.checked_add(axes.len())?;
    axes.into_iter().map(|a| axis(a, out)).collect()
}
