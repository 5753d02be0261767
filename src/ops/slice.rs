//! Slice: a contiguous part of a sum, or every so many positions: one column of a product.

use crate::algebra::{Dim, Symbols, Term};

use super::context::{InferCx, Inferred, NodeView, RelateCx, Related, Rewrite, RewriteCx};
use super::fact::{axis, known};
use super::{Numbers, Operator};

/// `Slice`.
pub struct Slice;

/// What is cut on one axis.
struct Cut {
    axis: usize,
    start: Dim,
    end: Dim,
    step: i64,
}

/// The axis stays whole, becomes a contiguous range of known bounds, keeps one position of each block of a step's
/// length, or something else.
enum Range {
    Whole,
    Part(i64, i64),
    Column,
    Other,
}

/// Bounds beyond this mean "to the end".
const FAR: i64 = i32::MAX as i64;

impl Cut {
    fn range(&self, size: &Dim) -> Range {
        if self.step != 1 {
            return if self.is_column(size) { Range::Column } else { Range::Other };
        }
        let to_end = self.end == *size || self.end.known().is_some_and(|e| e >= FAR);
        if self.start.is(0) && to_end {
            return Range::Whole;
        }
        let (Some(n), Some(s)) = (size.known(), self.start.known()) else { return Range::Other };
        let e = if to_end {
            n
        } else {
            match self.end.known() {
                Some(e) => e,
                None => return Range::Other,
            }
        };
        let n = n.max(0);
        let clamp = |p: i64| (if p < 0 { p.saturating_add(n) } else { p }).clamp(0, n);
        match (clamp(s), clamp(e)) {
            (0, e) if e == n => Range::Whole,
            (s, e) => Range::Part(s, e.max(s)),
        }
    }

    fn is_column(&self, size: &Dim) -> bool {
        let (Some(n), Some(s)) = (size.known(), self.start.known()) else { return false };
        let end = if self.end == *size { Some(n) } else { self.end.known() };
        let whole_blocks = self.step > 1 && n % self.step == 0 && (0..self.step).contains(&s);
        whole_blocks && end.is_some_and(|e| self.count(n, s, e) == n / self.step)
    }

    /// Number of positions that stay of `size`; `None` where only a run can tell.
    fn len(&self, symbols: &mut Symbols, size: &Dim) -> Option<Dim> {
        match self.range(size) {
            Range::Whole => return Some(size.clone()),
            Range::Part(s, e) => return Some(Dim::from(e - s)),
            Range::Column | Range::Other => {}
        }
        if let (Some(n), Some(s), Some(e)) = (size.known(), self.start.known(), self.end.known()) {
            return Some(Dim::from(self.count(n, s, e)));
        }
        let from_end = |d: &Dim| if d.known().is_some_and(|n| n < 0) { size.plus(d) } else { d.clone() };
        let to_end = self.end.known().is_some_and(|e| e >= FAR);
        let end = if to_end { size.clone() } else { from_end(&self.end) };
        // A bound that may or may not lie within the axis is not guessed.
        let relative = to_end || end == *size || self.end.known().is_none_or(|e| e < 0);
        if self.step < 1 || !relative {
            return None;
        }
        let span = end.minus(&from_end(&self.start));
        Some(symbols.floor_div(&span.plus(&Dim::from(self.step - 1)), &Dim::from(self.step)))
    }

    /// First position and one beyond the last, in the direction of the step.
    fn bounds(&self, n: i64, s: i64, e: i64) -> (i64, i64) {
        let wrap = |p: i64| if p < 0 { p.saturating_add(n) } else { p };
        match self.step > 0 {
            true => (wrap(s).clamp(0, n), wrap(e).clamp(0, n)),
            false => (wrap(s).clamp(-1, n - 1), wrap(e).clamp(-1, n - 1)),
        }
    }

    fn count(&self, n: i64, s: i64, e: i64) -> i64 {
        let (from, to) = self.bounds(n.max(0), s, e);
        let span = if self.step > 0 { to - from } else { from - to };
        if span <= 0 { 0 } else { (span - 1) / self.step.saturating_abs() + 1 }
    }

    fn indices(&self, n: i64, s: i64, e: i64) -> Vec<usize> {
        let (from, _) = self.bounds(n, s, e);
        (0..self.count(n, s, e)).map(|k| (from + k * self.step) as usize).collect()
    }
}

/// Reads starts, ends, axes and steps from inputs or (before opset 10) attributes.
macro_rules! cuts {
    ($cx:expr) => {{
        let cx = &*$cx;
        let rank = cx.rank(0)?;
        let operand = |i: usize, name: &str| -> Option<Option<Vec<Dim>>> {
            if cx.has(i) {
                return cx.dims(i).map(|d| Some(d.to_vec()));
            }
            Some(cx.ints(name).map(|v| v.into_iter().map(Dim::from).collect()))
        };
        read(rank, operand(1, "starts")??, operand(2, "ends")??, operand(3, "axes")?, operand(4, "steps")?)
    }};
}

fn read(
    rank: usize,
    starts: Vec<Dim>,
    ends: Vec<Dim>,
    axes: Option<Vec<Dim>>,
    steps: Option<Vec<Dim>>,
) -> Option<Vec<Cut>> {
    let mut out = Vec::new();
    for (j, (start, end)) in starts.into_iter().zip(ends).enumerate() {
        let a = match &axes {
            Some(a) => axis(a.get(j)?.known()?, rank)?,
            None => j,
        };
        let step = match &steps {
            Some(s) => s.get(j)?.known()?,
            None => 1,
        };
        if a >= rank || step == 0 {
            return None;
        }
        out.push(Cut { axis: a, start, end, step });
    }
    Some(out)
}

impl Operator for Slice {
    fn numbers(&self, view: &NodeView, input: usize) -> Option<Numbers> {
        let data = view.shape(0)?;
        let axes = match view.inputs.get(3).copied().flatten() {
            Some(axes) => axes.numbers()?,
            None => view.ints("axes").unwrap_or_else(|| vec![0]),
        };
        let size = data[axis(*axes.first()?, data.len())?].clone();
        match input {
            1 => Some(Numbers::Below(size)),
            2 => Some(Numbers::UpTo(size)),
            _ => None,
        }
    }

    fn about(&self) -> &'static str {
        "a contiguous range is a part of a sum; every so many positions are a column of a product; bounds are derived"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let x = cx.shape(0)?.to_vec();
        let dtype = cx.dtype(0);
        let cuts: Option<Vec<Cut>> = (|| cuts!(cx))();
        let Some(cuts) = cuts else {
            // Which axes are cut, or how far, only a run can tell; the rank is the same.
            let shape = (0..x.len()).map(|k| cx.unknown(0, k)).collect();
            told.set(0, dtype, shape);
            return Some(told);
        };
        let mut shape = x.clone();
        for cut in &cuts {
            shape[cut.axis] = match cut.len(cx.symbols, &x[cut.axis]) {
                Some(n) => n,
                None => cx.unknown(0, cut.axis),
            };
        }
        let mut value = None;
        if let (Some(v), Some(sizes)) = (cx.value(0).filter(|v| !v.is_empty()), known(&x)) {
            let mut picks: Vec<Vec<usize>> = sizes.iter().map(|n| (0..*n).collect()).collect();
            let all_known = cuts.iter().all(|c| {
                let bounds = c.start.known().zip(c.end.known());
                bounds.map(|(s, e)| picks[c.axis] = c.indices(sizes[c.axis] as i64, s, e)).is_some()
            });
            if all_known {
                let order = picks.iter().zip(&sizes).fold(vec![0usize], |outer, (p, n)| {
                    outer.iter().flat_map(|o| p.iter().map(move |i| o * n + i)).collect()
                });
                value = v.pick(order.into_iter());
            }
        }
        told.set(0, dtype, shape);
        if let Some(v) = value {
            told.set_value(0, v);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let cuts: Vec<Cut> = cuts!(cx)?;
        let mut axes = cx.input(0)?;
        let shape = cx.out_shape(0)?.to_vec();
        for cut in cuts {
            let t = axes[cut.axis];
            let size = cx.terms.size(t);
            let part: Option<Term> = match cut.range(&size) {
                Range::Whole => Some(t),
                Range::Part(s, e) => (|| {
                    let (_, rest) = cx.terms.split_sum(t, s)?;
                    Some(cx.terms.split_sum(rest, e - s)?.0)
                })(),
                Range::Column => size.div_exact(&Dim::from(cut.step)).and_then(|blocks| {
                    let (blocks, within) = cx.terms.split_product(t, &blocks)?;
                    cx.freeze(within, "sliced with a stride");
                    Some(blocks)
                }),
                Range::Other => None,
            };
            axes[cut.axis] = match part {
                Some(p) => p,
                None => {
                    cx.freeze(t, "sliced with a stride or at run time");
                    cx.frozen(&shape[cut.axis], "sliced with a stride or at run time")
                }
            };
        }
        Some(Related::one(axes))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let cuts: Vec<Cut> = cuts!(cx)?;
        let (mut starts, mut ends): (Vec<Dim>, Vec<Dim>) =
            cuts.iter().map(|c| (c.start.clone(), c.end.clone())).unzip();
        let (old_starts, old_ends) = (starts.clone(), ends.clone());
        let before = cx.before.first().copied().flatten()?.shape.clone()?;
        let originals: Vec<Cut> = {
            let dims = |i: usize, name: &str| -> Option<Vec<Dim>> {
                match cx.before.get(i).copied().flatten() {
                    Some(f) => f.dims().map(<[Dim]>::to_vec),
                    None => cx.ints(name).map(|v| v.into_iter().map(Dim::from).collect()),
                }
            };
            read(before.len(), dims(1, "starts")?, dims(2, "ends")?, dims(3, "axes"), dims(4, "steps"))?
        };
        for (j, cut) in originals.iter().enumerate() {
            let Some(t) = cx.shrinking(0, cut.axis) else { continue };
            if let Range::Part(s, e) = cut.range(&before[cut.axis]) {
                (starts[j], ends[j]) = (cx.below(t, s)?, cx.below(t, e)?);
            } else if ends[j].known().is_some_and(|e| e < FAR) {
                // To the end of the axis, spelled with its old size.
                ends[j] = cx.terms.kept_size(t, cx.kept);
            }
        }
        if starts == old_starts && ends == old_ends {
            return Some(Rewrite::default());
        }
        if cx.has(1) {
            return Some(cx.operand(1, "starts", &starts)?.and(cx.operand(2, "ends", &ends)?));
        }
        let numbers = |v: &[Dim]| v.iter().map(Dim::known).collect::<Option<Vec<i64>>>();
        let (s, e) = (numbers(&starts)?, numbers(&ends)?);
        Some(Rewrite::default().ints("starts", &s).ints("ends", &e))
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[1, 2]
    }
}
