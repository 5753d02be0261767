//! Split: the parts of a sum.

use crate::algebra::Dim;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx};

/// `Split`.
pub struct Split;

impl Operator for Split {
    fn about(&self) -> &'static str {
        "the axis is the sum of its parts; sizes are derived"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let x = cx.shape(0)?.to_vec();
        let a = cx.axis(0, 0)?;
        let n = cx.written;
        let sizes = match cx
            .dims(1)
            .map(<[Dim]>::to_vec)
            .or_else(|| Some(cx.ints("split")?.into_iter().map(Dim::from).collect()))
        {
            Some(s) => s,
            // Only a run tells.
            None if cx.has(1) => (0..n).map(|o| cx.unknown(o, a)).collect(),
            None => {
                let part = cx.symbols.floor_div(&x[a].plus(&Dim::from(n as i64 - 1)), &Dim::from(n));
                let last = x[a].minus(&part.times(&Dim::from(n as i64 - 1)));
                (0..n).map(|k| if k + 1 < n { part.clone() } else { last.clone() }).collect()
            }
        };
        let dtype = cx.dtype(0);
        let mut offset = 0usize;
        for (o, size) in sizes.iter().take(n).enumerate() {
            let mut shape = x.clone();
            shape[a] = size.clone();
            told.set(o, dtype, shape);
            if let (1, Some(len)) = (x.len(), size.known()) {
                let len = usize::try_from(len).ok()?;
                let end = offset.checked_add(len)?;
                if let Some(v) = cx.value(0).and_then(|v| v.pick(offset..end)) {
                    told.set_value(o, v);
                }
                offset = end;
            }
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        let a = cx.axis(0, 0)?;
        let mut rest = x[a];
        for o in 0..cx.outputs.len() {
            let size = cx.out_shape(o)?.get(a)?.clone();
            let whole = cx.terms.size(rest) == size;
            let part = if whole {
                rest
            } else {
                match size.known().and_then(|n| cx.terms.split_sum(rest, n)) {
                    Some((first, second)) => {
                        rest = second;
                        first
                    }
                    None => {
                        cx.freeze(rest, "split across its parts");
                        rest = cx.frozen(&cx.terms.size(rest).minus(&size), "split across its parts");
                        cx.frozen(&size, "split across its parts")
                    }
                }
            };
            let mut axes = x.clone();
            axes[a] = part;
            related.set(o, axes);
        }
        Some(related)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let a = cx.axis(0, 0)?;
        if cx.shrinking(0, a).is_none() {
            return Some(Rewrite::default());
        }
        let sizes: Option<Vec<i64>> = (0..cx.axes_out.len()).map(|o| cx.required(o)?.get(a)?.known()).collect();
        let sizes = sizes?;
        // Without sizes the operator makes equal parts.
        let given = cx.has(1) || cx.ints("split").is_some();
        if !given && sizes.windows(2).all(|w| w[0] == w[1]) {
            return Some(Rewrite::default());
        }
        let rewrite = match cx.opset {
            13.. => cx.constant(1, "split", &[sizes.len()], &sizes)?,
            _ => Rewrite::default().ints("split", &sizes),
        };
        Some(rewrite.without("num_outputs"))
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[1]
    }
}
