//! LSTM, GRU and RNN: every gate has the hidden units, so gates are an outer factor of the hidden axis. Both
//! directions keep the same units, because one tensor holds the weights of both.

use crate::algebra::{Dim, Monomial, Term};

use super::context::{CostCx, InferCx, Inferred, Quantized, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::{Operator, Work};

/// A recurrent operator.
pub struct Recurrent {
    /// Gates that a cell computes.
    pub gates: i64,
    /// Whether a cell state goes from step to step beside the output.
    pub cell: bool,
    /// Whether this is onnxruntime's `DynamicQuantizeLSTM`: weights are numbers, with what they read before the gates.
    pub quantized: bool,
}

/// What each input holds. States and peepholes are optional.
const X: usize = 0;
const WEIGHTS: usize = 1;
const RECURRENCE: usize = 2;
const BIAS: usize = 3;
const LENGTHS: usize = 4;
const HIDDEN_STATE: usize = 5;
const CELL_STATE: usize = 6;
const PEEPHOLES: usize = 7;

/// Scale and zero point of quantized weights.
const PARAMETERS: [(usize, usize, usize); 2] = [(WEIGHTS, 8, 9), (RECURRENCE, 10, 11)];

/// Peepholes of input, output and forget gate.
const PEEPHOLE_GATES: i64 = 3;

/// Time first, or (layout 1) batch first, in which case directions come after the batch too.
fn batch_first(layout: Option<i64>) -> bool {
    layout == Some(1)
}

impl Recurrent {
    /// Axes of the weights: gates, what they read.
    fn layout(&self) -> (usize, usize) {
        if self.quantized { (2, 1) } else { (1, 2) }
    }

    /// Scales and zero points of quantized weights: for each direction, or for each of its columns.
    fn parameters(&self, cx: &mut RelateCx, gates: impl Fn(&mut RelateCx, i64, Term)) -> Option<()> {
        for (weights, scale, zero_point) in PARAMETERS.into_iter().filter(|_| self.quantized) {
            let columns = cx.rank(scale)? == 2;
            if columns && !cx.shape(weights)?.first()?.is(1) {
                return None;
            }
            let axis = if columns { self.layout().0 } else { 0 };
            cx.quantized(weights, Quantized { scale: Some(scale), zero_point: Some(zero_point), axis, packed: None });
            for i in [scale, zero_point] {
                let Some(p) = cx.input(i) else { continue };
                cx.parameter(i);
                cx.freeze(*p.first()?, "directions");
                if let Some(each) = p.get(1) {
                    gates(cx, self.gates, *each);
                }
            }
        }
        Some(())
    }
}

impl Operator for Recurrent {
    fn about(&self) -> &'static str {
        "hidden units are a factor of every gate, of the states and of the output; `hidden_size` follows"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let (x, r) = (cx.shape(X)?.to_vec(), cx.shape(RECURRENCE)?.to_vec());
        let ([first, second, _], [directions, _, _]) = (&x[..], &r[..]) else { return None };
        let hidden = &r[self.layout().1];
        let (dtype, d, h) = (cx.dtype(X), directions.clone(), hidden.clone());
        let (all, state) = if batch_first(cx.int("layout")) {
            (vec![first.clone(), second.clone(), d.clone(), h.clone()], vec![first.clone(), d, h])
        } else {
            (vec![first.clone(), d.clone(), second.clone(), h.clone()], vec![d, second.clone(), h])
        };
        told.set(0, dtype, all);
        told.set(1, dtype, state.clone());
        if self.cell {
            told.set(2, dtype, state);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let (x, w, r) = (cx.input(X)?, cx.input(WEIGHTS)?, cx.input(RECURRENCE)?);
        let (gates, read) = self.layout();
        let ([first, second, features], [directions, _, _], [_, _, _]) = (&x[..], &w[..], &r[..]) else { return None };
        let hidden = r[read];
        let of_gates = |cx: &mut RelateCx, n: i64, t: Term| {
            let gates = cx.frozen(&Dim::from(n), "gates of a cell");
            let product = cx.terms.product(&[gates, hidden]);
            cx.unify(t, product);
        };
        self.parameters(cx, of_gates)?;
        cx.unify(*features, w[read]);
        of_gates(cx, self.gates, w[gates]);
        of_gates(cx, self.gates, r[gates]);
        for (input, n) in [(BIAS, 2 * self.gates), (PEEPHOLES, PEEPHOLE_GATES)] {
            if let Some(p) = cx.input(input) {
                of_gates(cx, n, *p.get(1)?);
                cx.role(input, 1, Role::Carried);
            }
        }
        for input in [WEIGHTS, RECURRENCE] {
            cx.role(input, gates, Role::Out);
            cx.role(input, read, Role::In);
        }
        for input in [WEIGHTS, RECURRENCE, BIAS, PEEPHOLES] {
            if let Some(t) = cx.input(input).and_then(|a| a.first().copied()) {
                cx.freeze(t, "directions");
            }
        }

        let batch_first = batch_first(cx.int("layout"));
        let (time, batch) = if batch_first { (*second, *first) } else { (*first, *second) };
        // What a cell has seen depends on all steps before it.
        cx.freeze(time, "steps in time");
        let (all, state) = if batch_first {
            (vec![batch, time, *directions, hidden], vec![batch, *directions, hidden])
        } else {
            (vec![time, *directions, batch, hidden], vec![*directions, batch, hidden])
        };
        if let Some(t) = cx.input(LENGTHS).and_then(|a| a.first().copied()) {
            cx.unify(batch, t);
        }
        for input in [HIDDEN_STATE, CELL_STATE] {
            for (k, (&t, &s)) in cx.input(input).unwrap_or_default().iter().zip(&state).enumerate() {
                cx.unify(s, t);
                cx.role(input, k, Role::Carried);
            }
        }
        related.set(0, all);
        related.set(1, state.clone());
        related.set(2, state);
        Some(related)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let hidden = cx.shape(RECURRENCE)?.get(self.layout().1)?.known()?;
        Some(Rewrite::default().int("hidden_size", hidden))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = |weights: usize| {
            let (x, w) = (cx.axes_in.get(X)?.as_ref()?, cx.axes_in.get(weights)?.as_ref()?);
            // Every weight multiplies once for each step of each sample.
            Some(Monomial { coefficient: 1.0, axes: [&x[..2], w].concat() })
        };
        [WEIGHTS, RECURRENCE].into_iter().filter_map(count).collect()
    }
}
