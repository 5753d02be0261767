//! Reductions: `ReduceMean`, `ReduceSum`, `ReduceMax`, … and `ArgMax`, `ArgMin`.

use crate::algebra::Dim;
use crate::onnx::{self, proto::NodeProto};
use crate::tensor::DType;

use super::Operator;
use super::context::{Attributes, InferCx, Inferred, NodeView, RelateCx, Related};
use super::fact::{Value, axis};

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

/// Whether a reduced axis stays as one of size 1: where the number is 1, as runtimes read it.
fn keeps(node: &NodeProto) -> bool {
    onnx::attr_i(node, "keepdims").unwrap_or(1) == 1
}

/// Attributes of `Reduce*`.
struct Reducing {
    keep: bool,
    /// Whether no axes mean none instead of all.
    none_if_empty: bool,
}

impl Attributes for Reducing {
    fn parse(node: &NodeProto, _opset: i64) -> Reducing {
        Reducing { keep: keeps(node), none_if_empty: onnx::attr_i(node, "noop_with_empty_axes") == Some(1) }
    }
}

impl Reducing {
    /// The axes that go, of so many.
    fn over(&self, cx: &NodeView, rank: usize) -> Option<Vec<usize>> {
        Some(match cx.axes(1, rank)? {
            Some(axes) if !axes.is_empty() => axes,
            _ if self.none_if_empty => Vec::new(),
            _ => (0..rank).collect(),
        })
    }
}

/// Attributes of `ArgMax` and `ArgMin`.
struct Searching {
    axis: i64,
    keep: bool,
}

impl Attributes for Searching {
    fn parse(node: &NodeProto, _opset: i64) -> Searching {
        Searching { axis: onnx::attr_i(node, "axis").unwrap_or(0), keep: keeps(node) }
    }
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
        let given = cx.attributes::<Reducing>();
        let (over, keep) = (given.over(cx, shape.len())?, given.keep);
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
        let given = cx.attributes::<Reducing>();
        let (over, keep) = (given.over(cx, x.len())?, given.keep);
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
        let given = cx.attributes::<Searching>();
        let over = axis(given.axis, shape.len())?;
        Some(Inferred::one(DType::Int64, reduced(&shape, &[over], given.keep)))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let given = cx.attributes::<Searching>();
        let (over, keep) = (axis(given.axis, x.len())?, given.keep);
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
