//! Transpose: a permutation of the axes.

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related};
use super::fact::{axis, known};
use super::{Numbers, Operator};

/// `Transpose`.
pub struct Transpose;

/// The permutation of a node; the reverse order by default.
pub fn permutation(perm: Option<Vec<i64>>, rank: usize) -> Option<Vec<usize>> {
    let perm: Vec<usize> = match perm {
        Some(p) => p.into_iter().map(|a| axis(a, rank)).collect::<Option<_>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    sorted.iter().copied().eq(0..rank).then_some(perm)
}

impl Operator for Transpose {
    fn numbers(&self, _: &NodeView, input: usize) -> Option<Numbers> {
        (input == 0).then_some(Numbers::Same)
    }

    fn about(&self) -> &'static str {
        "axes change places"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let x = cx.shape(0)?.to_vec();
        let perm = permutation(cx.ints("perm"), x.len())?;
        let dtype = cx.dtype(0);
        let value = match (cx.value(0).filter(|v| !v.is_empty()), known(&x)) {
            (Some(v), Some(sizes)) => {
                let mut strides = vec![1usize; sizes.len()];
                for k in (1..sizes.len()).rev() {
                    strides[k - 1] = strides[k].saturating_mul(sizes[k]);
                }
                let order = perm.iter().fold(vec![0usize], |outer, &p| {
                    outer
                        .iter()
                        .flat_map(|o| (0..sizes[p]).map(move |i| (o, i)))
                        .map(|(o, i)| o + i * strides[p])
                        .collect()
                });
                v.pick(order.into_iter())
            }
            _ => None,
        };
        told.set(0, dtype, perm.iter().map(|p| x[*p].clone()).collect());
        if let Some(v) = value {
            told.set_value(0, v);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let perm = permutation(cx.ints("perm"), x.len())?;
        Some(Related::one(perm.iter().map(|p| x[*p]).collect()))
    }
}
