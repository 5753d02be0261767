//! Expand and Tile: repeating along axes.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, Inferred, OPEN, RelateCx, Related, Rewrite, RewriteCx};
use super::elementwise::broadcast;
use super::fact::{MAX_VALUE, known};

/// `Expand`.
pub struct Expand;
/// `Tile`.
pub struct Tile;

impl Operator for Expand {
    fn about(&self) -> &'static str {
        "copies of one element follow; the shape operand is derived"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let x = cx.shape(0)?.to_vec();
        let operand = match cx.dims(1) {
            Some(d) => d.to_vec(),
            None => {
                let rank = usize::try_from(cx.shape(1)?.first()?.known()?).ok().filter(|r| *r <= 64)?;
                (0..rank).map(|k| cx.unknown(0, k)).collect()
            }
        };
        let shape = broadcast(cx.symbols, &x, &operand)?;
        // Repeating one element gives a value that shapes may depend on.
        let value = match (cx.value(0), known(&shape)) {
            (Some(v), Some(s)) if v.len() == 1 => {
                let n = s.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= MAX_VALUE);
                n.and_then(|n| v.pick(std::iter::repeat_n(0, n)))
            }
            (Some(v), Some(_)) if x == shape => Some(v.clone()),
            _ => None,
        };
        let offset = shape.len().checked_sub(x.len())?;
        let along = match cx.fact(0)?.counted().as_deref() {
            Some([Some(axis)]) if x.get(*axis) == shape.get(axis + offset) => Some(axis + offset),
            _ => None,
        };
        let dtype = cx.dtype(0);
        told.set(0, dtype, shape);
        told.output(0).counts = along.map(|axis| vec![Some(axis)]);
        if let Some(v) = value {
            told.set_value(0, v);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let shape = cx.out_shape(0)?.to_vec();
        let offset = shape.len().checked_sub(x.len())?;
        let operand = cx.dims(1).map(<[Dim]>::to_vec);
        // What the operand says of an axis, where it says anything.
        let asked = |k: usize| match &operand {
            Some(d) => (k + d.len()).checked_sub(shape.len()).map_or(Some(Dim::from(1i64)), |i| d.get(i).cloned()),
            None => None,
        };
        let mut axes = Vec::new();
        for (k, size) in shape.iter().enumerate() {
            let own = k.checked_sub(offset).map(|i| x[i]);
            axes.push(match own {
                Some(t) if cx.terms.size(t) == *size => {
                    // A number follows, and a size of this axis does; another run-time size may turn out to be its own.
                    if !asked(k).is_some_and(|d| d.known().is_some() || d == *size) {
                        cx.freeze(t, OPEN);
                    }
                    t
                }
                // Copies of one element: any number of them will do.
                None => cx.terms.atom(size.clone()),
                Some(t) if cx.terms.size(t).is(1) => cx.terms.atom(size.clone()),
                Some(t) => {
                    cx.freeze(t, OPEN);
                    cx.frozen(size, OPEN)
                }
            });
        }
        Some(Related::one(axes))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let wanted = cx.required(0)?;
        let x = cx.shape(0)?.to_vec();
        if cx.dims(1).is_some_and(|d| {
            let rank = x.len().max(d.len());
            let size = |s: &[Dim], k: usize| (k + s.len()).checked_sub(rank).map_or(Dim::from(1i64), |i| s[i].clone());
            (0..rank).all(|k| {
                let (a, b) = (size(&x, k), size(d, k));
                wanted.get(k) == Some(if b.is(1) { &a } else { &b }) && (a.is(1) || b.is(1) || a == b)
            })
        }) {
            return Some(Rewrite::default());
        }
        // Where the input has the wanted size already, 1 says "as it is" without a run-time size.
        let offset = wanted.len().checked_sub(x.len())?;
        let same = |k: usize, d: &Dim| k >= offset && x.get(k - offset) == Some(d);
        let spelled = |(k, d): (usize, &Dim)| if same(k, d) { Dim::from(1i64) } else { d.clone() };
        let spelled: Vec<Dim> = wanted.iter().enumerate().map(spelled).collect();
        if spelled.iter().all(|d| d.known().is_some()) {
            return cx.operand(1, "shape", &spelled);
        }
        // What the operand says of run-time sizes stays.
        let own = cx.dims(1)?.to_vec();
        let missing = wanted.len().checked_sub(own.len())?;
        let kept = own.iter().zip(wanted.iter().enumerate().skip(missing));
        let kept = kept.map(|(own, (k, d))| if d.known().is_none() && same(k, d) { own.clone() } else { d.clone() });
        cx.operand(1, "shape", &kept.collect::<Vec<_>>())
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[1]
    }
}

impl Operator for Tile {
    fn about(&self) -> &'static str {
        "a repeated axis is a product with the number of copies"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let shape = match cx.dims(1) {
            Some(r) if r.len() == x.len() => x.iter().zip(r).map(|(d, r)| d.times(r)).collect(),
            _ => (0..x.len()).map(|k| cx.unknown(0, k)).collect(),
        };
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let repeats = cx.dims(1)?.to_vec();
        let mut axes = Vec::new();
        for (&t, r) in x.iter().zip(&repeats) {
            let copies = cx.frozen(r, "number of copies");
            axes.push(if r.is(1) { t } else { cx.terms.product(&[copies, t]) });
        }
        Some(Related::one(axes))
    }
}
