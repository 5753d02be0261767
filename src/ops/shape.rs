//! Operators that turn sizes into values and back: `Shape`, `Size`, `ConstantOfShape`, `Range`.

use crate::algebra::Dim;
use crate::onnx;
use crate::tensor::DType;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx};
use super::fact::{Fact, MAX_VALUE, Value, known};

/// `Shape`.
pub struct Shape;
/// `Size`.
pub struct Size;
/// `ConstantOfShape`.
pub struct ConstantOfShape;
/// `Range`.
pub struct Range;

impl Operator for Shape {
    fn about(&self) -> &'static str {
        "asking for a size couples nothing"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let shape = cx.shape(0)?.to_vec();
        let n = shape.len() as i64;
        let place = |a: i64| (if a < 0 { a.saturating_add(n) } else { a }).clamp(0, n) as usize;
        let (start, end) = (place(cx.int("start").unwrap_or(0)), place(cx.int("end").unwrap_or(n)));
        let part = shape.get(start..end.max(start))?.to_vec();
        Some(Inferred::fact(Fact::ints(vec![Dim::from(part.len())], part)))
    }

    // Asking for a size couples nothing.
    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let axes = cx.frozen_tail(0, 0, "sizes as values")?;
        Some(Related::one(axes))
    }
}

impl Operator for Size {
    fn about(&self) -> &'static str {
        "asking for a size couples nothing"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        Some(Inferred::fact(Fact::ints(Vec::new(), vec![Dim::product(cx.shape(0)?)])))
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<Related> {
        Some(Related::one(Vec::new()))
    }
}

impl Operator for ConstantOfShape {
    fn about(&self) -> &'static str {
        "equal elements, any number will do; the shape operand is derived"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let shape = match cx.dims(0) {
            Some(d) => d.to_vec(),
            None => {
                let rank = usize::try_from(cx.shape(0)?.first()?.known()?).ok().filter(|r| *r <= 64)?;
                (0..rank).map(|k| cx.unknown(0, k)).collect()
            }
        };
        let fill = onnx::attr_t(cx.node, "value");
        let dt = fill.map_or(DType::Float, onnx::dtype_of);
        let len = known(&shape).and_then(|s| s.iter().try_fold(1usize, |a, b| a.checked_mul(*b)));
        let value = len.filter(|n| *n <= MAX_VALUE).and_then(|n| {
            if dt.is_real() {
                let x = match fill {
                    Some(t) => f64::from(*onnx::to_f32(t).ok()?.first()?),
                    None => 0.0,
                };
                return Some(Value::Floats(vec![x; n]));
            }
            let x = *onnx::to_i64(fill?).ok()?.first()?;
            Some(Value::Ints(vec![Dim::from(x); n]))
        });
        told.set(0, dt, shape);
        if let Some(v) = value {
            told.set_value(0, v);
        }
        Some(told)
    }

    // All elements are equal: any number of them will do.
    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let shape = cx.out_shape(0)?.to_vec();
        let axes = shape.into_iter().map(|d| cx.terms.atom(d)).collect();
        Some(Related::one(axes))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let wanted = cx.required(0)?;
        if cx.dims(0) == Some(&wanted[..]) {
            return Some(Rewrite::default());
        }
        cx.operand(0, "shape", &wanted)
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[0]
    }
}

/// The real numbers that a `Range` counts, where all bounds are known and they are not too many.
fn counted(cx: &InferCx) -> Option<Vec<f64>> {
    let one = |i: usize| match cx.value(i)? {
        Value::Floats(v) => v.first().copied(),
        Value::Ints(v) => v.first()?.known().map(|n| n as f64),
    };
    let (start, limit, step) = (one(0)?, one(1)?, one(2)?);
    let n = ((limit - start) / step).ceil().max(0.0);
    (n <= MAX_VALUE as f64).then(|| (0..n as usize).map(|k| start + k as f64 * step).collect())
}

impl Operator for Range {
    fn about(&self) -> &'static str {
        "positions as values freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let dt = cx.dtype(0);
        let one = |cx: &InferCx, i: usize| cx.dims(i).and_then(|d| d.first().cloned());
        let (start, limit, step) = (one(cx, 0), one(cx, 1), one(cx, 2));
        let (Some(start), Some(limit), Some(step)) = (start, limit, step) else {
            if let Some(v) = counted(cx) {
                told.set(0, dt, vec![Dim::from(v.len())]);
                told.set_value(0, Value::Floats(v));
                return Some(told);
            }
            let n = cx.unknown(0, 0);
            told.set(0, dt, vec![n]);
            return Some(told);
        };
        let step = step.known().filter(|s| *s != 0)?;
        let n = if step == 1 {
            limit.minus(&start)
        } else {
            let span = limit.minus(&start).plus(&Dim::from(step - step.signum()));
            cx.symbols.floor_div(&span, &Dim::from(step))
        };
        let n = n.known().map_or(n.clone(), |k| Dim::from(k.max(0)));
        told.set(0, dt, vec![n.clone()]);
        if start.is(0) {
            told.output(0).steps = Some(vec![Dim::from(step)]);
        }
        if let (Some(len), Some(s)) = (n.known(), start.known())
            && len as usize <= MAX_VALUE
        {
            let at = |k: i64| s.saturating_add(k.saturating_mul(step));
            told.set_value(0, Value::Ints((0..len).map(|k| Dim::from(at(k))).collect()));
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let axes = cx.frozen_tail(0, 0, "positions as values")?;
        Some(Related::one(axes))
    }

    // As many are counted as before, even where a bound is a size that shrank.
    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let mut rewrite = Rewrite::default();
        for i in self.shape_operands() {
            let before = cx.before.get(*i).copied().flatten()?;
            if cx.fact(*i)?.value == before.value {
                continue;
            }
            let bound = before.numbers().filter(|_| before.dtype == DType::Int64)?;
            let shape = before.known_shape()?;
            rewrite = rewrite.and(cx.constant(*i, "bound", &shape, &bound)?);
        }
        Some(rewrite)
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[0, 1, 2]
    }
}
