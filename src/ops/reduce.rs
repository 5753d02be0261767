//! Reductions: `ReduceMean`, `ReduceSum`, `ReduceMax`, … and `ArgMax`, `ArgMin`.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, RelateCx};
use super::fact::{Value, axis, dtype};

/// `Reduce*`: over `axes`, all if none are given.
pub struct Reduce;

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

impl Operator for Reduce {
    fn about(&self) -> &'static str {
        "mixes across the reduced axes, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let shape = cx.shape(0)?.to_vec();
        let over = match cx.axes(1, shape.len())? {
            Some(a) if !a.is_empty() => a,
            _ if cx.int("noop_with_empty_axes") == Some(1) => Vec::new(),
            _ => (0..shape.len()).collect(),
        };
        let keep = cx.int("keepdims").unwrap_or(1) != 0;
        let dt = cx.dtype(0);
        cx.set(0, dt, reduced(&shape, &over, keep));
        // A product or sum of a shape vector is shape arithmetic.
        if let (Some(v), true) = (cx.dims(0).map(<[Dim]>::to_vec), over.len() == shape.len()) {
            let folded = match cx.node.op_type() {
                "ReduceProd" => Some(Dim::product(&v)),
                "ReduceSum" => Some(v.iter().fold(Dim::from(0i64), |a, b| a.plus(b))),
                "ReduceMax" => v.iter().map(Dim::known).collect::<Option<Vec<_>>>()?.into_iter().max().map(Dim::from),
                "ReduceMin" => v.iter().map(Dim::known).collect::<Option<Vec<_>>>()?.into_iter().min().map(Dim::from),
                _ => None,
            };
            if let Some(d) = folded {
                cx.set_value(0, Value::Ints(vec![d]));
            }
        }
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
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
        cx.set(0, axes);
        Some(())
    }
}

impl Operator for ArgReduce {
    fn about(&self) -> &'static str {
        "the searched axis freezes, the others pass"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        let shape = cx.shape(0)?.to_vec();
        let over = axis(cx.int("axis").unwrap_or(0), shape.len())?;
        let keep = cx.int("keepdims").unwrap_or(1) != 0;
        cx.set(0, dtype::INT64, reduced(&shape, &[over], keep));
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
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
        cx.set(0, axes);
        Some(())
    }
}
