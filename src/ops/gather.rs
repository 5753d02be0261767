//! Gather: an embedding, or parts of a sum where the indices are constant.

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::fact::{Fact, MAX_VALUE, axis, known};
use super::{Numbers, Operator};
use crate::algebra::{Dim, Term};

/// `Gather`.
pub struct Gather;

/// First index and length, where constant indices are a contiguous ascending range.
fn run(indices: &[i64], size: i64) -> Option<(i64, i64)> {
    let wrap = |i: i64| if i < 0 { i + size } else { i };
    let first = wrap(*indices.first()?);
    let contiguous = indices.iter().enumerate().all(|(k, i)| Some(wrap(*i)) == first.checked_add(k as i64));
    (contiguous && first >= 0).then_some((first, indices.len() as i64))
}

/// Whether all elements of axis `a` are read in their order, which is a reshape: so exporters spell what a framework
/// calls a view with strides. At most one size may be open, as only one can be left to a reshape.
fn is_view(x: &Fact, indices: &Fact, a: usize) -> bool {
    let (Some(shape), Some(by)) = (&x.shape, &indices.shape) else { return false };
    let open = |sizes: &[Dim]| sizes.iter().filter(|d| d.known().is_none()).count();
    by.len() > 1
        && shape.get(a) == Some(&Dim::product(by))
        && open(by) + open(&shape[..a]) + open(&shape[a + 1..]) <= 1
        && indices.in_order()
}

/// Makes the node the reshape that it is.
fn reshape(cx: &mut RewriteCx) -> Option<Rewrite> {
    let sizes: Vec<i64> = cx.required(0)?.iter().map(|d| d.known().unwrap_or(-1)).collect();
    Some(Rewrite::default().becomes("Reshape").and(cx.constant(1, "shape", &[sizes.len()], &sizes)?))
}

/// Says what a table is whose axis `a` is looked up. One of vectors is an embedding. What a matrix is, picked for each
/// token, or a part that is always the same one, whoever uses it says.
pub(super) fn looked_up(cx: &mut RelateCx, table: &[Term], a: usize) {
    if cx.constant.get(1) == Some(&true) && cx.shape(1).is_some_and(<[Dim]>::is_empty) {
        return;
    }
    let others = || (0..table.len()).filter(|k| *k != a);
    let wide = others().filter(|k| !cx.terms.size(table[*k]).is(1)).count();
    cx.notes.picks = wide > 1 && cx.weight.first() == Some(&true) && cx.constant.get(1) == Some(&false);
    for k in others().filter(|_| !cx.notes.picks).collect::<Vec<_>>() {
        cx.role(0, k, Role::Embedding);
    }
}

impl Operator for Gather {
    fn numbers(&self, view: &NodeView, input: usize) -> Option<Numbers> {
        let data = view.shape(0)?;
        let axis = axis(view.int("axis").unwrap_or(0), data.len())?;
        (input == 1).then(|| Numbers::Below(data[axis].clone()))
    }

    fn about(&self) -> &'static str {
        "constant ranges are parts of a sum; all in order is a reshape; a looked-up table is an embedding"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let (x, indices) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let a = cx.axis(0, 0)?;
        let shape = [&x[..a], &indices[..], &x[a + 1..]].concat();
        let mut value = None;
        if let (Some(v), Some(sizes), Some(picks)) = (cx.value(0).filter(|v| !v.is_empty()), known(&x), cx.numbers(1)) {
            let inner: usize = sizes[a + 1..].iter().product();
            let outer: usize = sizes[..a].iter().product();
            let n = sizes[a] as i64;
            let place = |i: &i64| usize::try_from(if *i < 0 { i.checked_add(n)? } else { *i }).ok();
            let picks: Option<Vec<usize>> = picks.iter().map(|i| place(i).filter(|p| *p < sizes[a])).collect();
            let picks = picks?;
            let many = picks.len().checked_mul(inner)?.checked_mul(outer)? > MAX_VALUE;
            let outer = if many { 0 } else { outer };
            let order = (0..outer).flat_map(|o| {
                picks.iter().flat_map(move |p| (0..inner).map(move |i| (o * n as usize + p) * inner + i))
            });
            value = v.pick(order).filter(|_| !many);
        }
        let dtype = cx.dtype(0);
        told.set(0, dtype, shape);
        if let Some(v) = value {
            told.set_value(0, v);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        let a = cx.axis(0, 0)?;
        let indices = cx.shape(1)?.to_vec();
        let part = match (indices.len(), cx.numbers(1), cx.terms.size(x[a]).known()) {
            (1, Some(v), Some(n)) => run(&v, n),
            _ => None,
        };
        let picked = part.and_then(|(first, len)| {
            let (_, rest) = cx.terms.split_sum(x[a], first)?;
            Some(vec![cx.terms.split_sum(rest, len)?.0])
        });
        let middle = match picked {
            Some(m) => m,
            None if is_view(cx.fact(0)?, cx.fact(1)?, a) => {
                let reason = cx.reason("view that does not follow the axes");
                cx.terms.regroup(&[x[a]], &indices, &reason)
            }
            None => {
                cx.freeze(x[a], "picked by index");
                match cx.input(1) {
                    Some(i) if cx.numbers(1).is_none() => i,
                    _ => indices.iter().map(|d| cx.frozen(d, "picked by index")).collect(),
                }
            }
        };
        looked_up(cx, &x, a);
        Some(Related::one([&x[..a], &middle[..], &x[a + 1..]].concat()))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let a = cx.axis(0, 0)?;
        let Some(t) = cx.shrinking(0, a) else { return Some(Rewrite::default()) };
        let (x, indices) = (cx.before.first().copied().flatten()?, cx.before.get(1).copied().flatten()?);
        if is_view(x, indices, a) {
            return reshape(cx);
        }
        let (first, len) = run(&indices.numbers()?, x.shape.as_ref()?.get(a)?.known()?)?;
        let end = first.checked_add(len)?;
        let new: Vec<i64> = (cx.below(t, first)?.known()?..cx.below(t, end)?.known()?).collect();
        cx.constant(1, "indices", &[new.len()], &new)
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[1]
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn only_contiguous_indices_are_a_part() {
        assert_eq!(run(&[2, 3, 4], 8), Some((2, 3)));
        assert_eq!(run(&[-2, -1], 8), Some((6, 2)));
        assert_eq!(run(&[1, 3], 8), None);
        assert_eq!(run(&[], 8), None);
    }
}
