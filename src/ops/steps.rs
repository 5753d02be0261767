//! Integers that grow evenly along each axis: positions in memory, by which exporters spell views with strides.

use crate::algebra::Dim;
use crate::tensor::DType;

use super::context::InferCx;
use super::elementwise::Fold;
use super::fact::Fact;

impl Fact {
    /// See [`steps`](Fact::steps); where the contents are known, they tell.
    pub fn stepped(&self) -> Option<Vec<Dim>> {
        if self.steps.is_some() {
            return self.steps.clone();
        }
        let (shape, numbers) = (self.known_shape()?, self.numbers()?);
        let mut inner = 1usize;
        let mut steps = vec![0; shape.len()];
        for (k, n) in shape.iter().enumerate().rev() {
            steps[k] = if *n > 1 { *numbers.get(inner)? } else { 0 };
            inner = inner.saturating_mul(*n);
        }
        let even = numbers.iter().enumerate().all(|(p, n)| {
            let (mut rest, mut sum) = (p, 0i64);
            for (size, step) in shape.iter().zip(&steps).rev() {
                let size = (*size).max(1);
                sum = sum.saturating_add(step.saturating_mul((rest % size) as i64));
                rest /= size;
            }
            sum == *n
        });
        even.then(|| steps.into_iter().map(Dim::from).collect())
    }

    /// Whether the numbers are 0, 1, 2, … in the order in which they lie in memory.
    pub fn in_order(&self) -> bool {
        let (Some(shape), Some(steps)) = (&self.shape, self.stepped()) else { return false };
        let mut inner = Dim::from(1i64);
        shape.iter().zip(&steps).rev().all(|(size, step)| {
            let fits = size.is(1) || *step == inner;
            inner = inner.times(size);
            fits
        })
    }
}

/// The steps of what an element-wise operator gives.
pub fn of_elementwise(cx: &InferCx, fold: Fold, dtype: DType, shape: &[Dim]) -> Option<Vec<Dim>> {
    let whole = |i: usize| matches!(cx.dtype(i), DType::Int32 | DType::Int64);
    match fold {
        Fold::Same | Fold::Cast if whole(0) && matches!(dtype, DType::Int32 | DType::Int64) => {
            cx.fact(0)?.steps.clone()
        }
        Fold::Add if whole(0) && cx.inputs.len() == 2 => {
            let (a, b) = (seen(cx.fact(0)?, shape)?, seen(cx.fact(1)?, shape)?);
            Some(a.iter().zip(&b).map(|(a, b)| a.plus(b)).collect())
        }
        Fold::Mul if whole(0) => {
            let one = |i: usize| cx.dims(i).filter(|d| d.len() == 1).map(|d| d[0].clone());
            let (steps, factor) = match (one(0), one(1)) {
                (_, Some(f)) => (seen(cx.fact(0)?, shape)?, f),
                (Some(f), _) => (seen(cx.fact(1)?, shape)?, f),
                _ => return None,
            };
            Some(steps.iter().map(|s| s.times(&factor)).collect())
        }
        _ => None,
    }
}

/// The steps of an operand along the axes that it is broadcast to.
fn seen(fact: &Fact, to: &[Dim]) -> Option<Vec<Dim>> {
    let (shape, steps) = (fact.shape.as_deref()?, fact.stepped()?);
    let mut out = vec![Dim::from(0i64); to.len()];
    let offset = to.len().checked_sub(shape.len())?;
    for (k, (size, step)) in shape.iter().zip(steps).enumerate() {
        match size.is(1) {
            true => {}
            false if *size == to[offset + k] => out[offset + k] = step,
            false => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(shape: &[i64], data: &[i64]) -> Fact {
        Fact::ints(shape.iter().map(|n| Dim::from(*n)).collect(), data.iter().map(|n| Dim::from(*n)).collect())
    }

    #[test]
    fn contents_tell_their_steps() {
        let steps = |f: &Fact| f.stepped().map(|s| s.iter().filter_map(Dim::known).collect::<Vec<_>>());
        let even = fact(&[2, 3, 1], &[0, 1, 2, 3, 4, 5]);
        assert_eq!((steps(&even), even.in_order()), (Some(vec![3, 1, 0]), true));
        let turned = fact(&[3, 2], &[0, 3, 1, 4, 2, 5]);
        assert_eq!((steps(&turned), turned.in_order()), (Some(vec![1, 3]), false));
        assert_eq!(steps(&fact(&[4], &[0, 1, 2, 4])), None);
        assert_eq!(steps(&fact(&[2], &[1, 2])), None);
    }
}
