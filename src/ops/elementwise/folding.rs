//! What element-wise operators do to small known values: shape arithmetic.

use crate::algebra::{Dim, Symbols};
use crate::tensor::DType;

use super::Elementwise;
use crate::ops::context::InferCx;
use crate::ops::fact::{MAX_VALUE, Value, known};

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

impl Elementwise {
    /// What comes out of known values.
    pub(super) fn fold_values(&self, cx: &mut InferCx, n: usize, shape: &[Dim], dtype: DType) -> Option<Value> {
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
            return Some(if dtype.is_real() {
                Value::Floats(rounded(out, dtype))
            } else {
                let whole = out.into_iter().map(|x| match self.fold {
                    Fold::Cast => {
                        cast_to(dtype, &Dim::from(if dtype == DType::Bool { (x != 0.0).into() } else { x as i64 }))
                    }
                    _ => Some(Dim::from(x as i64)),
                });
                Value::Ints(whole.collect::<Option<_>>()?)
            });
        }
        if self.fold == Fold::Cast && dtype.is_real() || self.fold == Fold::Sqrt {
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

/// An integer as a type holds it: truth is 0 or 1, and what does not fit is not followed.
fn cast_to(dtype: DType, number: &Dim) -> Option<Dim> {
    match dtype {
        DType::Bool => Some(Dim::from(i64::from(number.known()? != 0))),
        DType::Int64 => Some(number.clone()),
        // Sizes fit.
        DType::Int32 => number.known().is_none_or(|n| i32::try_from(n).is_ok()).then(|| number.clone()),
        _ => number.known().filter(|n| (0..=i64::from(i8::MAX)).contains(n)).map(Dim::from),
    }
}

/// Single precision where the graph computes in it: sizes are rounded from such numbers.
fn rounded(values: Vec<f64>, dtype: DType) -> Vec<f64> {
    match dtype {
        DType::Float => values.into_iter().map(|x| f64::from(x as f32)).collect(),
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
