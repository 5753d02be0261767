//! Shapes and multiply-accumulates of operators whose axes are frozen.

use crate::algebra::{Dim, Monomial, Term};
use crate::tensor::DType;

use super::Operator;
use super::context::{CostCx, InferCx, Inferred};
use super::conv::{Conv, ConvLayout};
use super::matmul::MatMul;

static CONV: Conv = Conv { transposed: false, layout: ConvLayout::ChannelsFirst };
static TRANSPOSED: Conv = Conv { transposed: true, layout: ConvLayout::ChannelsFirst };

/// `coefficient` for each position of these axes.
fn times(coefficient: f64, axes: Vec<Term>) -> Monomial {
    Monomial { coefficient, axes }
}

/// A convolution, whatever the layout of its weight.
pub fn convolved(cx: &CostCx) -> Option<Vec<Monomial>> {
    Some(CONV.macs(cx))
}

/// A transposed convolution.
pub fn transposed(cx: &CostCx) -> Option<Vec<Monomial>> {
    Some(TRANSPOSED.macs(cx))
}

/// A product of 16-bit numbers.
pub fn product(cx: &mut InferCx) -> Option<Inferred> {
    let mut told = MatMul::PLAIN.infer(cx)?;
    told.output(0).dtype = DType::Int32;
    Some(told)
}

/// What [`product`] costs.
pub fn products(cx: &CostCx) -> Option<Vec<Monomial>> {
    Some(MatMul::PLAIN.macs(cx))
}

/// A distance for each pair of rows.
pub fn pairs(cx: &mut InferCx) -> Option<Inferred> {
    let (dt, rows) = (cx.dtype(0), vec![cx.shape(0)?.first()?.clone(), cx.shape(1)?.first()?.clone()]);
    Some(Inferred::one(dt, rows))
}

/// What [`pairs`] costs.
pub fn distances(cx: &CostCx) -> Option<Vec<Monomial>> {
    Some(vec![times(1.0, [cx.input(0)?, &[*cx.input(1)?.first()?]].concat())])
}

/// Elimination: as many steps as rows, each over the whole matrix.
pub fn inverse(cx: &CostCx) -> Option<Vec<Monomial>> {
    let x = cx.input(0)?;
    Some(vec![times(1.0, [x, &[*x.last()?]].concat())])
}

/// Width of queries, keys and values of `QAttention` together, by its weight.
fn thirds(weight: &Dim) -> Option<Dim> {
    weight.div_exact(&Dim::from(3i64))
}

/// Values of all heads for each token; then keys and values, those of earlier tokens too.
pub fn attended(cx: &mut InferCx) -> Option<Inferred> {
    let mut told = Inferred::default();
    let [batch, tokens, _] = cx.shape(0)? else { return None };
    let shape = vec![batch.clone(), tokens.clone(), thirds(cx.shape(1)?.get(1)?)?];
    told.set(0, DType::Float, shape);
    if cx.written > 1 {
        let width = thirds(cx.shape(1)?.get(1)?)?;
        let heads = Dim::from(cx.int("num_heads")?);
        let (batch, tokens) = (cx.shape(0)?[0].clone(), cx.shape(0)?[1].clone());
        let past = cx.shape(8).and_then(|p| p.get(3).cloned()).unwrap_or(Dim::from(0i64));
        let channels = width.div_exact(&heads)?;
        told.set(1, DType::Float, vec![Dim::from(2i64), batch, heads, past.plus(&tokens), channels]);
    }
    Some(told)
}

/// The projections of every token, then queries with keys and weights with values.
pub fn attention(cx: &CostCx) -> Option<Vec<Monomial>> {
    let [batch, tokens, width] = *cx.input(0)? else { return None };
    let columns = *cx.input(1)?.get(1)?;
    let keys = std::iter::once(tokens).chain(cx.input(8).and_then(|p| p.get(3).copied()));
    let products = keys.map(|k| times(2.0 / 3.0, vec![batch, tokens, k, columns]));
    Some(products.chain([times(1.0, vec![batch, tokens, width, columns])]).collect())
}

/// Weights of both layers, and of the gate, for as many experts as are picked for a token.
pub fn experts(cx: &CostCx) -> Option<Vec<Monomial>> {
    let picked = cx.int("k").unwrap_or(1) as f64;
    let (_, tokens) = cx.input(0)?.split_last()?;
    let bits = |name: &str| cx.int(name).or_else(|| cx.int("expert_weight_bits")).unwrap_or(4);
    let layers = [(2, "fc1_expert_weight_bits"), (5, "fc2_expert_weight_bits"), (8, "fc3_expert_weight_bits")];
    let layer = |(input, name): (usize, &str)| {
        let w = cx.input(input)?;
        let in_byte = 8 / bits(name).clamp(1, 8);
        Some(times(picked * in_byte as f64, [tokens, &[*w.get(1)?, *w.get(2)?]].concat()))
    };
    Some(layers.into_iter().filter_map(layer).collect())
}
