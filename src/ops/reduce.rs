//! Reductions: `ReduceMean`, `ReduceSum`, `ReduceMax`, … and `ArgMax`, `ArgMin`.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related};
use super::fact::{Value, axis, dtype};

/// `Reduce*`: over `axes`, all if none are given.
pub struct Reduce(pub Reduction);

/// What a reduction computes, as far as shape arithmetic uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// A product.
    Product,
    /// A sum.
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Another one, which is not followed.
    Other,
}

/// `ArgMax`, `ArgMin`: over one axis, whose positions become values.
pub struct ArgReduce;

fn reduced(shape: &[Dim], over: &[usize], keep: bool) -> Vec<Dim> {
    let one = Dim::from(1i64);
    let size = |(k, d): (usize, &Dim)| match over.contains(&k) {
        true => keep.then(|| one.clone()),
        false => Some(d.clone()),
    };
    shape.iter().enumerate().filter_map(size).collect()
}

/// A vector of sizes as one number: shape arithmetic.
fn whole(cx: &InferCx, reduction: Reduction) -> Option<Value> {
    Some(match cx.value(0)? {
        Value::Ints(v) => {
            let numbers = || v.iter().map(Dim::known).collect::<Option<Vec<_>>>();
            Value::Ints(vec![match reduction {
                Reduction::Product => Dim::product(v),
                Reduction::Sum => v.iter().fold(Dim::from(0i64), |a, b| a.plus(b)),
                Reduction::Max => numbers()?.into_iter().max()?.into(),
                Reduction::Min => numbers()?.into_iter().min()?.into(),
                Reduction::Other => return None,
            }])
        }
        Value::Floats(v) => {
            let reduced = match reduction {
                Reduction::Max => v.iter().copied().reduce(f64::max),
                Reduction::Min => v.iter().copied().reduce(f64::min),
                _ => None,
            };
            Value::Floats(vec![reduced?])
        }
    })
}

impl Operator for Reduce {
    fn about(&self) -> &'static str {
        "mixes across the reduced axes, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let shape = cx.shape(0)?.to_vec();
        let over = match cx.axes(1, shape.len())? {
            Some(a) if !a.is_empty() => a,
            _ if cx.int("noop_with_empty_axes") == Some(1) => Vec::new(),
            _ => (0..shape.len()).collect(),
        };
        let keep = cx.int("keepdims").unwrap_or(1) != 0;
        let dt = cx.dtype(0);
        told.set(0, dt, reduced(&shape, &over, keep));
        if over.len() == shape.len()
            && let Some(value) = whole(cx, self.0)
        {
            told.set_value(0, value);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let over = match cx.axes(1, x.len())? {
            Some(a) if !a.is_empty() => a,
            _ if cx.int("noop_with_empty_axes") == Some(1) => Vec::new(),
            _ => (0..x.len()).collect(),
        };
        let keep = cx.int("keepdims").unwrap_or(1) != 0;
        let mut axes = Vec::new();
        for (k, &t) in x.iter().enumerate() {
            if !over.contains(&k) {
                axes.push(t);
                continue;
            }
            cx.mark(t, |f| f.mixed = true);
            if keep {
                let one = cx.frozen(&Dim::from(1i64), "reduced axis");
                cx.terms.note_reduced(one, t);
                axes.push(one);
            }
        }
        Some(Related::one(axes))
    }
}

impl Operator for ArgReduce {
    fn about(&self) -> &'static str {
        "the searched axis freezes, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let shape = cx.shape(0)?.to_vec();
        let over = axis(cx.int("axis").unwrap_or(0), shape.len())?;
        let keep = cx.int("keepdims").unwrap_or(1) != 0;
        Some(Inferred::one(dtype::INT64, reduced(&shape, &[over], keep)))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let over = axis(cx.int("axis").unwrap_or(0), x.len())?;
        let keep = cx.int("keepdims").unwrap_or(1) != 0;
        cx.freeze(x[over], "positions become values");
        let mut axes = Vec::new();
        for (k, &t) in x.iter().enumerate() {
            if k != over {
                axes.push(t);
            } else if keep {
                let one = cx.frozen(&Dim::from(1i64), "reduced axis");
                axes.push(one);
            }
        }
        Some(Related::one(axes))
    }
}
