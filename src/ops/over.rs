//! Operators that compute with quantized numbers: what others do with the real numbers that they stand for.

use crate::algebra::{Monomial, Term};
use crate::onnx::{self, proto::NodeProto};
use crate::tensor::DType;

use super::concat::Concat;
use super::context::{CostCx, InferCx, Inferred, NodeView, Quantized, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::conv::{Conv, ConvLayout};
use super::elementwise::{Elementwise, Fold, folding, opaque};
use super::fact::axis;
use super::gemm::Gemm;
use super::matmul::MatMul;
use super::quantize::follow;
use super::{Operator, Work};

/// Numbers that an operator computes with, and where their scale and zero point stand.
pub struct Operand {
    /// The input that holds them.
    at: usize,
    scale: Option<usize>,
    zero_point: Option<usize>,
    /// The axis that a vector of scales follows.
    axis: fn(&NodeProto) -> i64,
}

impl Operand {
    /// Numbers with scale and zero point right behind them; vectors of these follow the first axis.
    pub const fn new(at: usize) -> Operand {
        Operand::at(at, Some(at + 1), Some(at + 2))
    }

    /// Numbers with scale and zero point elsewhere, or none.
    pub const fn at(at: usize, scale: Option<usize>, zero_point: Option<usize>) -> Operand {
        Operand { at, scale, zero_point, axis: |_| 0 }
    }

    /// Numbers as they are.
    pub const fn plain(at: usize) -> Operand {
        Operand::at(at, None, None)
    }

    /// Vectors of scales follow another axis.
    pub const fn along(self, axis: fn(&NodeProto) -> i64) -> Operand {
        Operand { axis, ..self }
    }
}

/// An operator over quantized numbers: what another does with the numbers that they stand for.
pub struct Over {
    /// The other operator.
    pub inner: &'static dyn Operator,
    /// Its inputs, among those of the node.
    pub operands: &'static [Operand],
    /// A bias beside them, for each position of the last output axis.
    pub bias: Option<usize>,
    /// The element type of the output.
    pub gives: Gives,
}

/// An element type.
pub enum Gives {
    /// That of an input.
    Like(usize),
    /// 32-bit sums.
    Sums,
}

static CONV_INNER: Conv = Conv { transposed: false, layout: ConvLayout::ChannelsFirst };
static UNARY: Elementwise = opaque(1);
static BINARY: Elementwise = opaque(2);
static THREE: Elementwise = folding(Fold::Where, 3);

const LAST: fn(&NodeProto) -> i64 = |_| -1;

/// `QLinearConv`.
pub static CONV: Over = Over {
    inner: &CONV_INNER,
    operands: &[Operand::new(0), Operand::new(3), Operand::plain(8)],
    bias: None,
    gives: Gives::Like(0),
};

/// `ConvInteger`.
pub static CONV_SUMS: Over = Over {
    inner: &CONV_INNER,
    operands: &[Operand::at(0, None, Some(2)), Operand::at(1, None, Some(3))],
    bias: None,
    gives: Gives::Sums,
};

/// `QLinearMatMul`.
pub static MATMUL: Over = Over {
    inner: &MatMul { fused: true },
    operands: &[Operand::new(0), Operand::new(3).along(LAST)],
    bias: None,
    gives: Gives::Like(0),
};

/// `MatMulInteger`.
pub static MATMUL_SUMS: Over = Over {
    inner: &MatMul { fused: true },
    operands: &[Operand::at(0, None, Some(2)).along(|_| -2), Operand::at(1, None, Some(3)).along(LAST)],
    bias: None,
    gives: Gives::Sums,
};

/// `MatMulIntegerToFloat`.
pub static MATMUL_TO_FLOAT: Over = Over {
    inner: &MatMul { fused: true },
    operands: &[Operand::at(0, Some(2), Some(4)).along(|_| -2), Operand::at(1, Some(3), Some(5)).along(LAST)],
    bias: Some(6),
    gives: Gives::Like(2),
};

/// `DynamicQuantizeMatMul`: only the weight is quantized in the file.
pub static MATMUL_DYNAMIC: Over = Over {
    inner: &MatMul { fused: true },
    operands: &[Operand::plain(0), Operand::at(1, Some(2), Some(3)).along(LAST)],
    bias: Some(4),
    gives: Gives::Like(0),
};

/// `QGemm`.
pub static GEMM: Over = Over {
    inner: &Gemm,
    operands: &[
        Operand::new(0),
        Operand::new(3).along(|n| if onnx::attr_i(n, "transB") == Some(1) { 0 } else { 1 }),
        Operand::plain(6),
    ],
    bias: None,
    gives: Gives::Like(0),
};

/// `QLinearAdd`, `QLinearMul`.
pub static TWO: Over =
    Over { inner: &BINARY, operands: &[Operand::new(0), Operand::new(3)], bias: None, gives: Gives::Like(0) };

/// `QLinearSigmoid`, `QLinearLeakyRelu`.
pub static ONE: Over = Over::one(&UNARY);

/// `QLinearWhere`: a choice between two.
pub static CHOICE: Over = Over {
    inner: &THREE,
    operands: &[Operand::plain(0), Operand::new(1), Operand::new(4)],
    bias: None,
    gives: Gives::Like(1),
};

/// `QLinearConcat`: scale and zero point of the output, then each part with its own.
pub struct Joined;

impl Over {
    /// An operator of one input whose other inputs are single numbers.
    pub const fn one(inner: &'static dyn Operator) -> Over {
        const FIRST: &[Operand] = &[Operand::new(0)];
        Over { inner, operands: FIRST, bias: None, gives: Gives::Like(0) }
    }

    fn inputs(&self) -> Vec<usize> {
        self.operands.iter().map(|o| o.at).collect()
    }
}

impl Operator for Over {
    fn about(&self) -> &'static str {
        self.inner.about()
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        plain_form(cx.node)?;
        cx.view.opset = cx.int("opset").unwrap_or(cx.opset);
        let mut told = cx.through(&self.inputs(), |cx| self.inner.infer(cx))?;
        let dt = match self.gives {
            Gives::Like(i) => cx.dtype(i),
            Gives::Sums => DType::Int32,
        };
        let out = told.output(0);
        (out.dtype, out.value) = (dt, None);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        cx.view.opset = cx.int("opset").unwrap_or(cx.opset);
        let mut known: Vec<usize> = self.bias.into_iter().collect();
        for o in self.operands {
            known.extend([Some(o.at), o.scale, o.zero_point].into_iter().flatten());
            let Some(x) = cx.input(o.at) else { continue };
            let along = axis((o.axis)(cx.node), x.len()).unwrap_or(0);
            cx.quantized(o.at, Quantized { scale: o.scale, zero_point: o.zero_point, axis: along, packed: None });
            for i in [o.scale, o.zero_point].into_iter().flatten() {
                follow(cx, &x, i, along)?;
            }
        }
        for i in (0..cx.inputs.len()).filter(|i| !known.contains(i)) {
            // Scale and zero point of the output: one for all of it.
            single(cx, i)?;
        }
        let related = cx.through(&self.inputs(), |cx| self.inner.relate(cx))?;
        if let Some(b) = self.bias
            && let Some(t) = cx.input(b).and_then(|a| a.first().copied())
        {
            let last = *related.axes.first()?.as_ref()?.last()?;
            cx.quantized(b, Quantized { scale: None, zero_point: None, axis: 0, packed: None });
            cx.unify(last, t);
            cx.role(b, 0, Role::Carried);
        }
        Some(related)
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        self.inner.rewrite(cx)
    }

    fn work(&self) -> Work {
        self.inner.work()
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let axes: Vec<Option<Vec<Term>>> =
            self.operands.iter().map(|o| cx.axes_in.get(o.at).cloned().flatten()).collect();
        let inputs = self.operands.iter().map(|o| cx.inputs.get(o.at).copied().flatten()).collect();
        let view = NodeView { inputs, ..cx.view.clone() };
        self.inner.macs(&CostCx { view, axes_in: &axes, axes_out: cx.axes_out.clone(), terms: cx.terms })
    }
}

/// Channels last is another layout, which no rule here follows.
fn plain_form(node: &NodeProto) -> Option<()> {
    (onnx::attr_i(node, "channels_last").unwrap_or(0) == 0).then_some(())
}

/// Input `i` is one number, or not there.
fn single(cx: &RelateCx, i: usize) -> Option<()> {
    cx.input(i).is_none_or(|p| p.iter().all(|t| cx.terms.size(*t).is(1))).then_some(())
}

impl Joined {
    fn parts(inputs: usize) -> Vec<usize> {
        (2..inputs).step_by(3).collect()
    }
}

impl Operator for Joined {
    fn about(&self) -> &'static str {
        Concat.about()
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let dt = cx.dtype(2);
        let mut told = cx.through(&Self::parts(cx.inputs.len()), |cx| Concat.infer(cx))?;
        told.output(0).dtype = dt;
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let parts = Self::parts(cx.inputs.len());
        for i in (0..cx.inputs.len()).filter(|i| !parts.contains(i)) {
            single(cx, i)?;
        }
        cx.through(&parts, |cx| Concat.relate(cx))
    }
}
