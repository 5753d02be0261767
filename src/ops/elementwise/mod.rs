//! Operators that act on each position by itself: unary functions, and broadcast functions of several inputs.

mod folding;
pub mod gradient;

pub use folding::Fold;

use crate::algebra::{Dim, Symbols, Term};
use crate::tensor::DType;

use crate::ops::context::{CostCx, InferCx, Inferred, NodeView, OPEN, Quantized, RelateCx, Related, Role};
use crate::ops::pointwise::{Bound, Pointwise};
use crate::ops::{Numbers, Operator, Sizes, fitting, steps};

/// The element type of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// That of an input.
    Like(usize),
    /// Truth values.
    Truth,
    /// What the attribute `to` says.
    Named,
}

/// An element-wise operator.
pub struct Elementwise {
    /// What it does to known values.
    pub fold: Fold,
    /// Number of leading inputs that carry data; the rest are parameters of the function.
    pub data_inputs: usize,
    gives: Gives,
    /// Whether its inputs are added up: a stream of residuals, where they are of different layers.
    adds: bool,
    /// The input that divides: it may not become zero.
    divisor: Option<usize>,
    /// Whether negative numbers become zero and others stay.
    rectifies: bool,
}

/// An operator whose values are never followed.
pub const fn opaque(data_inputs: usize) -> Elementwise {
    folding(Fold::None, data_inputs)
}

/// An operator of shape arithmetic.
pub const fn folding(fold: Fold, data_inputs: usize) -> Elementwise {
    Elementwise { fold, data_inputs, gives: Gives::Like(0), adds: false, divisor: None, rectifies: false }
}

impl Elementwise {
    /// It gives another element type than that of input 0.
    pub const fn giving(self, gives: Gives) -> Elementwise {
        Elementwise { gives, ..self }
    }

    /// Its inputs are added up.
    pub const fn adding(self) -> Elementwise {
        Elementwise { adds: true, ..self }
    }

    /// This input divides.
    pub const fn dividing_by(self, input: usize) -> Elementwise {
        Elementwise { divisor: Some(input), ..self }
    }

    /// Negative numbers become zero.
    pub const fn rectifying(self) -> Elementwise {
        Elementwise { rectifies: true, ..self }
    }
}

/// The shape that shapes broadcast to; `None` where they do not.
pub fn broadcast(symbols: &mut Symbols, a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    let rank = a.len().max(b.len());
    (0..rank)
        .map(|k| {
            let get = |s: &[Dim]| (k + s.len()).checked_sub(rank).map(|i| s[i].clone());
            Some(match (get(a), get(b)) {
                (Some(x), Some(y)) if x == y || y.is(1) => x,
                (Some(x), Some(y)) if x.is(1) => y,
                // A number and a run-time size must agree when the model runs, or the latter is 1.
                (Some(x), Some(y)) if x.known().is_some() && y.known().is_none() => x,
                (Some(x), Some(y)) if x.known().is_none() && y.known().is_some() => y,
                (Some(x), Some(y)) if x.known().is_some() && y.known().is_some() => return None,
                (Some(x), Some(y)) => symbols.max(&x, &y),
                (Some(x), None) | (None, Some(x)) => x,
                (None, None) => Dim::from(1i64),
            })
        })
        .collect()
}

impl Operator for Elementwise {
    fn fits(&self, _: &NodeView, inputs: &Sizes, _: &Sizes) -> bool {
        let data: Vec<&[Option<i64>]> = inputs.iter().take(self.data_inputs).copied().flatten().collect();
        fitting::broadcast(&data)
    }

    fn numbers(&self, _: &NodeView, input: usize) -> Option<Numbers> {
        (input == 0 && matches!(self.fold, Fold::Cast | Fold::Same)).then_some(Numbers::Same)
    }

    fn about(&self) -> &'static str {
        "each position by itself; a broadcast axis of size 1 couples nothing"
    }

    fn factors(&self) -> &'static [usize] {
        match self.fold {
            Fold::Mul => &[0, 1],
            Fold::Cast | Fold::Same | Fold::Div => &[0],
            _ => &[],
        }
    }

    fn pointwise(&self, cx: &CostCx) -> Option<Pointwise> {
        let end = |name: &str, input: usize, open: f32| match crate::onnx::attr_f(cx.node, name) {
            Some(number) => Bound::Number(number),
            None if cx.node.input.get(input).is_some_and(|n| !n.is_empty()) => Bound::Input(input),
            None => Bound::Number(open),
        };
        match self.fold {
            Fold::Add => Some(Pointwise::Sum),
            Fold::Mul => Some(Pointwise::Product),
            Fold::Clip => {
                let (low, high) = (end("min", 1, f32::NEG_INFINITY), end("max", 2, f32::INFINITY));
                Some(Pointwise::Clamp { low, high })
            }
            _ if self.rectifies => {
                Some(Pointwise::Clamp { low: Bound::Number(0.0), high: Bound::Number(f32::INFINITY) })
            }
            _ => None,
        }
    }

    fn subtracts(&self) -> Option<usize> {
        (self.fold == Fold::Sub).then_some(1)
    }

    fn places(&self) -> &'static [usize] {
        if self.fold == Fold::Same { &[0] } else { &[] }
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let n = self.data_inputs.min(cx.inputs.len());
        // Fused operators may do without some of them, and what takes any number asks for none.
        if self.fold != Fold::None && self.data_inputs != usize::MAX && n < self.data_inputs {
            return None;
        }
        let mut shape: Vec<Dim> = Vec::new();
        for i in 0..n {
            if cx.has(i) {
                let s = cx.shape(i)?.to_vec();
                shape = broadcast(cx.symbols, &shape, &s)?;
            }
        }
        let dtype = match self.gives {
            Gives::Like(i) => cx.dtype(i),
            Gives::Truth => DType::Bool,
            Gives::Named => cx.int("to").map_or(DType::Undefined, |t| DType::of(t as i32)),
        };
        for o in 0..cx.written {
            told.set(o, if o == 0 { dtype } else { DType::Bool }, shape.clone());
        }
        if let Some(value) = self.fold_values(cx, n, &shape, dtype) {
            told.set_value(0, value);
        } else if let Some(steps) = steps::of_elementwise(cx, self.fold, dtype, &shape) {
            told.output(0).steps = Some(steps);
        }
        if self.fold == Fold::Same {
            let places = cx.fact(0)?.places.clone();
            told.output(0).places = places;
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let shape = cx.out_shape(0)?.to_vec();
        let numbers = cx.constant.first() == Some(&true) && cx.fact(0).is_some_and(|f| f.dtype.is_quantized());
        if self.fold == Fold::Cast && numbers && cx.outputs.first().is_some_and(|o| o.dtype.is_real()) {
            // Numbers of a quantized weight; what comes next holds its zero point and scale.
            cx.quantized(0, Quantized { scale: None, zero_point: None, axis: 0, packed: None });
        }
        let role = |i: usize| if self.divisor == Some(i) { Role::Divisor } else { Role::Carried };
        let mut out: Vec<Option<Term>> = vec![None; shape.len()];
        let (mut ones, mut open) = (Vec::new(), Vec::new());
        // The axis was given by an activation, not by a constant alone.
        let mut active = vec![false; shape.len()];
        let mut summands = vec![Vec::new(); shape.len()];
        for i in 0..self.data_inputs.min(cx.inputs.len()) {
            let Some(axes) = cx.input(i) else { continue };
            let offset = shape.len().checked_sub(axes.len())?;
            for (k, &t) in axes.iter().enumerate() {
                let at = offset + k;
                if let Some(from) = cx.terms.reduced(t) {
                    ones.push((at, from));
                }
                if cx.terms.size(t) != shape[at] {
                    if !cx.terms.size(t).is(1) {
                        open.push((at, t));
                    }
                    continue;
                }
                match out[at] {
                    None => out[at] = Some(t),
                    // Of axes of one, those that a reduction left say more.
                    Some(o) if shape[at].is(1) => out[at] = cx.terms.reduced(o).map(|_| o).or(Some(t)),
                    Some(o) => {
                        // A value and a function of itself share their axis already: only other layers' outputs do not.
                        let apart = cx.terms.resolve(o) != cx.terms.resolve(t);
                        // Several functions of one tensor make no stream: one summand must be what others read.
                        let stream = |j: &usize| cx.continues(*j, o, i) || cx.continues(i, t, *j);
                        let adds = self.adds && apart && !cx.weight[i] && summands[at].iter().any(stream);
                        cx.unify(o, t);
                        if adds {
                            cx.mark(o, |f| f.added = true);
                        }
                    }
                }
                if !cx.weight[i] {
                    active[at] = true;
                    summands[at].push(i);
                }
                cx.role(i, k, role(i));
            }
        }
        for (at, from) in ones {
            // Weights that are standardised are no activations.
            if let Some(o) = out[at].filter(|_| active[at])
                && cx.terms.leaves(from).iter().any(|l| cx.terms.carries(o, *l))
            {
                cx.mark(o, |f| f.normalized = true);
            }
        }
        let axes: Vec<_> = (0..shape.len()).map(|k| out[k].unwrap_or_else(|| cx.frozen(&shape[k], OPEN))).collect();
        for (at, t) in open {
            cx.broadcast(axes[at], t);
        }
        for o in 0..cx.outputs.len() {
            related.set(o, axes.clone());
        }
        Some(related)
    }
}
