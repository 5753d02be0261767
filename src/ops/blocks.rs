//! `MatMulNBits`: a product with a weight of few bits, packed in blocks along the contracted axis.

use crate::algebra::{Dim, Monomial, Term};
use crate::onnx::{self, proto::NodeProto};

use super::context::{
    Attributes, CostCx, InferCx, Inferred, Packed, Quantized, RelateCx, Related, Rewrite, RewriteCx, Role,
};
use super::{Operator, Work, fitting};

/// `MatMulNBits`. The weight is a row of blocks for each output; a block is bytes that hold `block_size` numbers.
pub struct BlockMatMul;

const DATA: usize = 0;
const NUMBERS: usize = 1;
const SCALES: usize = 2;
const ZERO_POINTS: usize = 3;
/// Which block each input belongs to, where that is not the next in order.
const ORDER: usize = 4;
const BIAS: usize = 5;

/// Why part of the weight stays as it is.
const BLOCK: &str = "block of a packed weight";

impl BlockMatMul {
    /// Ties what holds a number for each block: one axis of rows and blocks, or one each.
    fn each_block(cx: &mut RelateCx, input: usize, rows: Term, blocks: Term) -> Option<()> {
        match cx.input(input)?[..] {
            [all] => {
                let both = cx.terms.product(&[rows, blocks]);
                cx.unify(all, both);
            }
            [n, b] => {
                cx.unify(n, rows);
                cx.unify(b, blocks);
            }
            _ => return None,
        }
        Some(())
    }

    /// Zero points of as few bits share bytes within a row: blocks go as many at a time as a byte holds.
    fn zero_points(cx: &mut RelateCx, bits: i64, rows: Term, blocks: Term) -> Option<()> {
        cx.parameter(ZERO_POINTS);
        let in_byte = 8 / bits;
        if cx.fact(ZERO_POINTS)?.dtype.is_real() || in_byte == 1 {
            return Self::each_block(cx, ZERO_POINTS, rows, blocks);
        }
        let count = cx.terms.size(blocks).known()?;
        let bytes = match cx.terms.split_product(blocks, &Dim::from(count / in_byte)) {
            Some((bytes, within)) if count % in_byte == 0 => {
                cx.freeze(within, BLOCK);
                bytes
            }
            _ => {
                cx.freeze(blocks, BLOCK);
                cx.frozen(&Dim::from((count + in_byte - 1) / in_byte), BLOCK)
            }
        };
        Self::each_block(cx, ZERO_POINTS, rows, bytes)
    }
}

/// Its attributes.
struct Stored {
    outputs: Option<i64>,
    inputs: Option<i64>,
    bits: i64,
    block: Option<i64>,
    /// Whether the numbers are laid out for a device.
    prepacked: bool,
}

impl Attributes for Stored {
    fn parse(node: &NodeProto, _opset: i64) -> Stored {
        Stored {
            outputs: onnx::attr_i(node, "N"),
            inputs: onnx::attr_i(node, "K"),
            bits: onnx::attr_i(node, "bits").unwrap_or(4),
            block: onnx::attr_i(node, "block_size").filter(|s| *s > 0),
            prepacked: onnx::attr_i(node, "weight_prepacked").is_some_and(|p| p != 0),
        }
    }
}

impl Operator for BlockMatMul {
    fn about(&self) -> &'static str {
        "a contraction; outputs go one by one, inputs by whole blocks; `N` and `K` follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (last, before) = cx.shape(DATA)?.split_last()?;
        if !fitting::meet(last, &Dim::from(cx.attributes::<Stored>().inputs?)) {
            return None;
        }
        let shape = [before, &[Dim::from(cx.attributes::<Stored>().outputs?)]].concat();
        let dt = cx.dtype(DATA);
        Some(Inferred::one(dt, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let given = cx.attributes::<Stored>();
        let (bits, size) = (given.bits, given.block?);
        if !matches!(bits, 2 | 4 | 8) || given.prepacked {
            return None;
        }
        let (x, w) = (cx.input(DATA)?, cx.input(NUMBERS)?);
        let [rows, blocks, bytes] = w[..] else { return None };
        let read = *x.last()?;
        if !*cx.constant.get(NUMBERS)? || !cx.terms.size(rows).is(given.outputs?) {
            return None;
        }
        let in_block = Packed { bits: bits as u8 };
        let zero_point = cx.has(ZERO_POINTS).then_some(ZERO_POINTS);
        cx.quantized(NUMBERS, Quantized { scale: Some(SCALES), zero_point, axis: 1, packed: Some(in_block) });
        cx.freeze(bytes, BLOCK);
        let whole = cx.terms.size(blocks).times(&Dim::from(size)) == cx.terms.size(read);
        if whole && !cx.has(ORDER) {
            let block = cx.frozen(&Dim::from(size), BLOCK);
            let all = cx.terms.product(&[blocks, block]);
            cx.unify(read, all);
        } else {
            cx.freeze(read, BLOCK);
            cx.freeze(blocks, BLOCK);
        }
        cx.role(NUMBERS, 0, Role::Out);
        cx.role(NUMBERS, 1, Role::In);
        if cx.has(ZERO_POINTS) {
            Self::zero_points(cx, bits, rows, blocks)?;
        }
        Self::each_block(cx, SCALES, rows, blocks)?;
        (0..cx.rank(SCALES)?).for_each(|k| cx.role(SCALES, k, Role::Carried));
        if let Some(t) = cx.input(ORDER).and_then(|o| o.first().copied()) {
            cx.freeze(t, BLOCK);
        }
        if let Some(t) = cx.input(BIAS).and_then(|b| b.first().copied()) {
            cx.unify(rows, t);
            cx.role(BIAS, 0, Role::Carried);
        }
        Some(Related::one([&x[..x.len() - 1], &[rows]].concat()))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let (rows, read) = (cx.shape(NUMBERS)?.first()?.known()?, cx.shape(DATA)?.last()?.known()?);
        Some(Rewrite::default().int("N", rows).int("K", read))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || Some([cx.input(DATA)?, &[*cx.input(NUMBERS)?.first()?]].concat());
        count().map(CostCx::product).unwrap_or_default()
    }
}

/// `MatMulBnb4`: every input meets as many outputs as the attribute says.
pub fn by_attribute(cx: &CostCx) -> Option<Vec<Monomial>> {
    let outputs = cx.attributes::<Stored>().outputs.filter(|n| *n > 0)?;
    Some(vec![Monomial { coefficient: outputs as f64, axes: cx.input(DATA)?.to_vec() }])
}

/// `MatMulFpQ4`: the shape of the weight is an input.
pub fn by_shape(cx: &CostCx) -> Option<Vec<Monomial>> {
    let outputs = *cx.numbers(2)?.get(1)?;
    Some(vec![Monomial { coefficient: outputs as f64, axes: cx.input(DATA)?.to_vec() }])
}

/// Shape of `MatMulBnb4`'s output.
pub fn columns_by_attribute(cx: &mut InferCx) -> Option<Inferred> {
    BlockMatMul.infer(cx)
}

/// Shape of `MatMulFpQ4`'s output.
pub fn columns_by_shape(cx: &mut InferCx) -> Option<Inferred> {
    let (_, before) = cx.shape(DATA)?.split_last()?;
    let shape = [before, &[Dim::from(*cx.numbers(2)?.get(1)?)]].concat();
    let dt = cx.dtype(DATA);
    Some(Inferred::one(dt, shape))
}
