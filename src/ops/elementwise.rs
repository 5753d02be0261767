//! Operators that act on each position by itself: unary functions, and broadcast functions of several inputs.

use crate::algebra::{Dim, Symbols, Term};

use super::context::{CostCx, InferCx, OPEN, Quantized, RelateCx, Role};
use super::fact::{Fact, MAX_VALUE, Value, dtype, known};
use super::pointwise::{Bound, Pointwise};
use super::{Numbers, Operator, Sizes, fitting, steps};
use crate::onnx::proto::NodeProto;

/// What the function does to small known values, where shape arithmetic uses it.
#[derive(Clone, Copy, PartialEq)]
pub enum Fold {
    /// Not followed.
    None,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Min,
    Max,
    Pow,
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Not,
    Neg,
    Abs,
    Sqrt,
    Reciprocal,
    Floor,
    Ceil,
    Round,
    Clip,
    Where,
    Same,
    Cast,
}

/// An element-wise operator.
pub struct Elementwise {
    /// What it does to known values.
    pub fold: Fold,
    /// Number of leading inputs that carry data; the rest are parameters of the function.
    pub data_inputs: usize,
}

/// An operator whose values are never followed.
pub const fn opaque(data_inputs: usize) -> Elementwise {
    Elementwise { fold: Fold::None, data_inputs }
}

/// An operator of shape arithmetic.
pub const fn folding(fold: Fold, data_inputs: usize) -> Elementwise {
    Elementwise { fold, data_inputs }
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
    fn fits(&self, _: &NodeProto, inputs: &Sizes, _: &Sizes) -> bool {
        let data: Vec<&[Option<i64>]> = inputs.iter().take(self.data_inputs).copied().flatten().collect();
        fitting::broadcast(&data)
    }

    fn numbers(&self, _: &NodeProto, _: &[Option<&Fact>], input: usize) -> Option<Numbers> {
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
        match (self.fold, cx.node.op_type()) {
            (Fold::Add, _) => Some(Pointwise::Sum),
            (Fold::Mul, _) => Some(Pointwise::Product),
            (Fold::Clip, _) => {
                let (low, high) = (end("min", 1, f32::NEG_INFINITY), end("max", 2, f32::INFINITY));
                Some(Pointwise::Clamp { low, high })
            }
            (_, "Relu") => Some(Pointwise::Clamp { low: Bound::Number(0.0), high: Bound::Number(f32::INFINITY) }),
            _ => None,
        }
    }

    fn subtracts(&self) -> Option<usize> {
        (self.fold == Fold::Sub).then_some(1)
    }

    fn places(&self) -> &'static [usize] {
        if self.fold == Fold::Same { &[0] } else { &[] }
    }

    fn infer(&self, cx: &mut InferCx) -> Option<()> {
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
        let dtype = match self.fold {
            Fold::Cast => cx.int("to").map_or(dtype::UNDEFINED, |t| t as i32),
            Fold::Equal | Fold::Less | Fold::LessOrEqual | Fold::Greater | Fold::GreaterOrEqual => dtype::BOOL,
            Fold::And | Fold::Or | Fold::Not => dtype::BOOL,
            Fold::Where => cx.dtype(1),
            _ => match cx.node.op_type() {
                "IsNaN" | "IsInf" => dtype::BOOL,
                "CastLike" => cx.dtype(1),
                "BitCast" => cx.int("to").map_or(dtype::UNDEFINED, |t| t as i32),
                _ => cx.dtype(0),
            },
        };
        for o in 0..cx.outputs.len() {
            cx.set(o, if o == 0 { dtype } else { dtype::BOOL }, shape.clone());
        }
        if let Some(value) = self.fold_values(cx, n, &shape, dtype) {
            cx.set_value(0, value);
        } else if let Some(steps) = steps::of_elementwise(cx, self.fold, &shape) {
            cx.outputs.first_mut()?.steps = Some(steps);
        }
        if self.fold == Fold::Same {
            let places = cx.fact(0)?.places.clone();
            cx.outputs.first_mut()?.places = places;
        }
        Some(())
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<()> {
        let shape = cx.out_shape(0)?.to_vec();
        let numbers = cx.constant.first() == Some(&true) && cx.fact(0).is_some_and(|f| dtype::is_quantized(f.dtype));
        if self.fold == Fold::Cast && numbers && cx.outputs.first().is_some_and(|o| dtype::is_float(o.dtype)) {
            // Numbers of a quantized weight; what comes next holds its zero point and scale.
            cx.quantized(0, Quantized { scale: None, zero_point: None, axis: 0, packed: None });
        }
        let adds = matches!(cx.node.op_type(), "Add" | "Sub" | "Sum");
        let role = |i: usize| match (cx.node.op_type(), i) {
            ("Div", 1) | ("Reciprocal" | "Log", 0) => Role::Divisor,
            _ => Role::Carried,
        };
        let roles = [role(0), role(1)];
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
                        let adds = adds && apart && !cx.weight[i] && summands[at].iter().any(stream);
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
                cx.role(i, k, roles.get(i).copied().unwrap_or(Role::Carried));
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
        for o in 0..cx.axes_out.len() {
            cx.set(o, axes.clone());
        }
        Some(())
    }
}

impl Elementwise {
    fn fold_values(&self, cx: &mut InferCx, n: usize, shape: &[Dim], dtype: i32) -> Option<Value> {
        match self.fold {
            Fold::None => return None,
            Fold::Clip => return clipped(cx),
            _ => {}
        }
        let shape = known(shape)?;
        let len: usize = shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b)).filter(|l| *l <= MAX_VALUE)?;
        let mut inputs = Vec::new();
        for i in 0..n {
            let s = known(cx.shape(i)?)?;
            let v = cx.value(i)?.clone();
            inputs.push((v, strides(&s, &shape)));
        }
        let at = |p: usize, strides: &[usize]| -> usize {
            let (mut rest, mut index) = (p, 0);
            for (size, stride) in shape.iter().zip(strides).rev() {
                index += rest % size * stride;
                rest /= size;
            }
            index
        };
        let as_float = |v: &Value| matches!(v, Value::Floats(_));
        let data = if self.fold == Fold::Where { inputs.get(1..)? } else { &inputs[..] };
        if data.iter().any(|(v, _)| as_float(v)) {
            let column = |p: usize| -> Option<Vec<f64>> {
                inputs
                    .iter()
                    .map(|(v, s)| match v {
                        Value::Floats(f) => f.get(at(p, s)).copied(),
                        Value::Ints(d) => d.get(at(p, s))?.known().map(|n| n as f64),
                    })
                    .collect()
            };
            let out: Option<Vec<f64>> = (0..len).map(|p| fold_floats(self.fold, &column(p)?)).collect();
            let out = out?;
            return Some(if dtype::is_float(dtype) {
                Value::Floats(rounded(out, dtype))
            } else {
                let whole = out.into_iter().map(|x| match self.fold {
                    Fold::Cast => {
                        cast_to(dtype, &Dim::from(if dtype == dtype::BOOL { (x != 0.0).into() } else { x as i64 }))
                    }
                    _ => Some(Dim::from(x as i64)),
                });
                Value::Ints(whole.collect::<Option<_>>()?)
            });
        }
        if self.fold == Fold::Cast && dtype::is_float(dtype) || self.fold == Fold::Sqrt {
            let v = inputs.first()?.0.pick(0..len)?;
            let Value::Ints(v) = v else { return None };
            let floats: Option<Vec<f64>> = v.iter().map(|d| d.known().map(|n| n as f64)).collect();
            return Some(Value::Floats(rounded(floats?, dtype)));
        }
        let mut out = Vec::with_capacity(len);
        for p in 0..len {
            let column: Option<Vec<Dim>> = inputs
                .iter()
                .map(|(v, s)| match v {
                    Value::Ints(d) => d.get(at(p, s)).cloned(),
                    Value::Floats(_) => None,
                })
                .collect();
            let column = column?;
            let number = match (self.fold, &column[..]) {
                // The remainder has the sign of what is divided; of sizes, which are not negative, both are the same.
                (Fold::Mod, [a, b]) if cx.int("fmod") == Some(1) && a.known().is_some() && b.known().is_some() => {
                    Dim::from(a.known()?.checked_rem(b.known()?)?)
                }
                _ => fold_ints(self.fold, &column, cx.symbols)?,
            };
            out.push(if self.fold == Fold::Cast { cast_to(dtype, &number)? } else { number });
        }
        Some(Value::Ints(out))
    }
}

/// A whole number as a type holds it: truth is 0 or 1, and what does not fit is not followed.
fn cast_to(dtype: i32, number: &Dim) -> Option<Dim> {
    match dtype {
        dtype::BOOL => Some(Dim::from(i64::from(number.known()? != 0))),
        dtype::INT64 => Some(number.clone()),
        // Sizes fit.
        dtype::INT32 => number.known().is_none_or(|n| i32::try_from(n).is_ok()).then(|| number.clone()),
        _ => number.known().filter(|n| (0..=i64::from(i8::MAX)).contains(n)).map(Dim::from),
    }
}

/// Single precision where the graph computes in it: sizes are rounded from such numbers.
fn rounded(values: Vec<f64>, dtype: i32) -> Vec<f64> {
    match dtype {
        dtype::FLOAT => values.into_iter().map(|x| f64::from(x as f32)).collect(),
        _ => values,
    }
}

/// `Clip`, whose bounds are attributes before operator set 11.
fn clipped(cx: &InferCx) -> Option<Value> {
    let bound = |i: usize, name: &str, open: f64| -> Option<f64> {
        if !cx.has(i) {
            return Some(crate::onnx::attr_f(cx.node, name).map_or(open, f64::from));
        }
        match cx.value(i)? {
            Value::Floats(v) => v.first().copied(),
            Value::Ints(v) => v.first()?.known().map(|n| n as f64),
        }
    };
    let (low, high) = (bound(1, "min", f64::NEG_INFINITY)?, bound(2, "max", f64::INFINITY)?);
    Some(match cx.value(0)? {
        Value::Floats(v) => Value::Floats(v.iter().map(|x| x.max(low).min(high)).collect()),
        Value::Ints(v) => {
            let clip = |d: &Dim| Some(Dim::from((d.known()? as f64).max(low).min(high) as i64));
            Value::Ints(v.iter().map(clip).collect::<Option<_>>()?)
        }
    })
}

/// Row-major strides of `from` seen through its broadcast to `to`.
fn strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let mut out = vec![0; to.len()];
    let mut step = 1usize;
    for k in 0..from.len().min(to.len()) {
        let size = from[from.len() - 1 - k];
        out[to.len() - 1 - k] = if size == 1 { 0 } else { step };
        step = step.saturating_mul(size);
    }
    out
}

fn fold_floats(fold: Fold, v: &[f64]) -> Option<f64> {
    let bool = |b: bool| Some(f64::from(u8::from(b)));
    Some(match (fold, v) {
        (Fold::Add, [a, b]) => a + b,
        (Fold::Sub, [a, b]) => a - b,
        (Fold::Mul, [a, b]) => a * b,
        (Fold::Div, [a, b]) => a / b,
        (Fold::Pow, [a, b]) => a.powf(*b),
        (Fold::Min, v) => v.iter().copied().fold(f64::INFINITY, f64::min),
        (Fold::Max, v) => v.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        (Fold::Neg, [a]) => -a,
        (Fold::Abs, [a]) => a.abs(),
        (Fold::Sqrt, [a]) => a.sqrt(),
        (Fold::Reciprocal, [a]) => 1.0 / a,
        (Fold::Floor, [a]) => a.floor(),
        (Fold::Ceil, [a]) => a.ceil(),
        (Fold::Round, [a]) => a.round_ties_even(),
        (Fold::Same, [a, ..]) => *a,
        // Casts to integers truncate towards zero.
        (Fold::Cast, [a]) => *a,
        (Fold::Where, [c, a, b]) => {
            if *c != 0.0 {
                *a
            } else {
                *b
            }
        }
        (Fold::Equal, [a, b]) => return bool(a == b),
        (Fold::Less, [a, b]) => return bool(a < b),
        (Fold::Greater, [a, b]) => return bool(a > b),
        _ => return None,
    })
}

fn fold_ints(fold: Fold, v: &[Dim], symbols: &mut Symbols) -> Option<Dim> {
    let bool = |b: bool| Some(Dim::from(i64::from(b)));
    let numbers = |v: &[Dim]| -> Option<(i64, i64)> {
        let [a, b] = v else { return None };
        Some((a.known()?, b.known()?))
    };
    Some(match (fold, v) {
        (Fold::Add, [a, b]) => a.plus(b),
        (Fold::Sub, [a, b]) => a.minus(b),
        (Fold::Mul, [a, b]) => a.times(b),
        // Integer division truncates; sizes are not negative, so floor is the same unless one is.
        (Fold::Div, [a, b]) => match (a.known(), b.known()) {
            (Some(x), Some(y)) => Dim::from(x.checked_div(y)?),
            _ => symbols.floor_div(a, b),
        },
        (Fold::Mod, [a, b]) => symbols.modulo(a, b),
        (Fold::Min, [a, b]) => symbols.min(a, b),
        (Fold::Max, [a, b]) => symbols.max(a, b),
        (Fold::Pow, [_, _]) => {
            let (a, b) = numbers(v)?;
            Dim::from(a.checked_pow(u32::try_from(b).ok()?)?)
        }
        (Fold::Neg, [a]) => Dim::from(0i64).minus(a),
        (Fold::Abs, [a]) => Dim::from(a.known()?.checked_abs()?),
        (Fold::Not, [a]) => Dim::from(i64::from(a.known()? == 0)),
        (Fold::Same | Fold::Cast | Fold::Floor | Fold::Ceil | Fold::Round, [a, ..]) => a.clone(),
        (Fold::Where, [c, a, b]) => if c.known()? != 0 { a } else { b }.clone(),
        (Fold::Equal, [a, b]) if a == b => Dim::from(1i64),
        // A size is never negative, which is how exporters ask "was this dimension given as -1?".
        (Fold::Equal, [a, b])
            if a.known().is_none() != b.known().is_none() && a.known().or(b.known()).is_some_and(|n| n < 0) =>
        {
            Dim::from(0i64)
        }
        (Fold::Equal, _) => return numbers(v).and_then(|(a, b)| bool(a == b)),
        (Fold::Less, _) => return numbers(v).and_then(|(a, b)| bool(a < b)),
        (Fold::LessOrEqual, _) => return numbers(v).and_then(|(a, b)| bool(a <= b)),
        (Fold::Greater, _) => return numbers(v).and_then(|(a, b)| bool(a > b)),
        (Fold::GreaterOrEqual, _) => return numbers(v).and_then(|(a, b)| bool(a >= b)),
        (Fold::And, _) => return numbers(v).and_then(|(a, b)| bool(a != 0 && b != 0)),
        (Fold::Or, _) => return numbers(v).and_then(|(a, b)| bool(a != 0 || b != 0)),
        _ => return None,
    })
}
