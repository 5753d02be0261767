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

/// A vector of sizes as one number: shape arithmetic.
fn whole(cx: &InferCx) -> Option<Value> {
    let op = cx.node.op_type();
    Some(match cx.value(0)? {
        Value::Ints(v) => {
            let numbers = || v.iter().map(Dim::known).collect::<Option<Vec<_>>>();
            Value::Ints(vec![match op {
                "ReduceProd" => Dim::product(v),
                "ReduceSum" => v.iter().fold(Dim::from(0i64), |a, b| a.plus(b)),
                "ReduceMax" => numbers()?.into_iter().max()?.into(),
                "ReduceMin" => numbers()?.into_iter().min()?.into(),
                _ => return None,
            }])
        }
        Value::Floats(v) => {
            let reduced = match op {
                "ReduceMax" => v.iter().copied().reduce(f64::max),
                "ReduceMin" => v.iter().copied().reduce(f64::min),
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
        if over.len() == shape.len()
            && let Some(value) = whole(cx)
        {
            cx.set_value(0, value);
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
