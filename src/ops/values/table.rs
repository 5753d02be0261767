//! The one table of operators that weights are computed with.

use super::Nature::{Contracts, Mixes, Moves, Picks, Pointwise};
use super::pointwise::{all, binary, unary};
use super::reduce::reduce;
use super::{Rule, contract, normalize, pointwise, reduce as reductions, shaping};

macro_rules! rules {
    ($($name:literal $nature:ident $apply:expr;)+) => {
        static TABLE: &[(&str, Rule)] = &[$(($name, Rule { nature: $nature, apply: $apply }),)+];
    };
}

rules! {
    "Abs" Pointwise |cx| unary(cx, f64::abs);
    "Add" Pointwise |cx| binary(cx, |a, b| a + b);
    "BatchNormalization" Mixes normalize::batch;
    "Cast" Moves shaping::cast;
    "Ceil" Pointwise |cx| unary(cx, f64::ceil);
    "Clip" Pointwise pointwise::clip;
    "Concat" Moves shaping::concatenated;
    "Cos" Pointwise |cx| unary(cx, f64::cos);
    "Div" Pointwise |cx| binary(cx, |a, b| a / b);
    "Exp" Pointwise |cx| unary(cx, f64::exp);
    "Expand" Moves shaping::expanded;
    "Flatten" Moves shaping::reshaped;
    "Floor" Pointwise |cx| unary(cx, f64::floor);
    "Gather" Picks shaping::gathered;
    "Gemm" Contracts contract::gemm;
    "Identity" Moves shaping::reshaped;
    "InstanceNormalization" Mixes normalize::instance;
    "LayerNormalization" Mixes normalize::layer;
    "LeakyRelu" Pointwise pointwise::leaky;
    "Log" Pointwise |cx| unary(cx, f64::ln);
    "LpNormalization" Mixes normalize::lp;
    "MatMul" Contracts contract::matmul;
    "Max" Pointwise |cx| all(cx, |a, b| if a.is_nan() || a > b { a } else { b });
    "Mean" Pointwise pointwise::mean;
    "Min" Pointwise |cx| all(cx, |a, b| if a.is_nan() || a < b { a } else { b });
    "Mul" Pointwise |cx| binary(cx, |a, b| a * b);
    "Neg" Pointwise |cx| unary(cx, |x| -x);
    "PRelu" Pointwise pointwise::prelu;
    "Pow" Pointwise |cx| binary(cx, f64::powf);
    "Reciprocal" Pointwise |cx| unary(cx, f64::recip);
    "ReduceL1" Mixes |cx| reduce(cx, 0.0, |s, x| s + x.abs(), |s, _| s);
    "ReduceL2" Mixes |cx| reduce(cx, 0.0, |s, x| s + x * x, |s, _| s.sqrt());
    "ReduceLogSum" Mixes |cx| reduce(cx, 0.0, |s, x| s + x, |s, _| s.ln());
    "ReduceMax" Mixes |cx| reduce(cx, f64::NEG_INFINITY, f64::max, |s, _| s);
    "ReduceMean" Mixes |cx| reduce(cx, 0.0, |s, x| s + x, |s, n| s / n);
    "ReduceMin" Mixes |cx| reduce(cx, f64::INFINITY, f64::min, |s, _| s);
    "ReduceProd" Mixes |cx| reduce(cx, 1.0, |s, x| s * x, |s, _| s);
    "ReduceSum" Mixes |cx| reduce(cx, 0.0, |s, x| s + x, |s, _| s);
    "ReduceSumSquare" Mixes |cx| reduce(cx, 0.0, |s, x| s + x * x, |s, _| s);
    "Relu" Pointwise |cx| unary(cx, |x| if x < 0.0 { 0.0 } else { x });
    "Reshape" Moves shaping::reshaped;
    "Round" Pointwise |cx| unary(cx, f64::round_ties_even);
    "Sigmoid" Pointwise |cx| unary(cx, |x| 1.0 / (1.0 + (-x).exp()));
    "Sign" Pointwise |cx| unary(cx, |x| if x == 0.0 { 0.0 } else { x.signum() });
    "Sin" Pointwise |cx| unary(cx, f64::sin);
    "Slice" Moves shaping::sliced;
    "Softmax" Mixes reductions::softmax;
    "Softplus" Pointwise |cx| unary(cx, |x| x.max(0.0) + (-x.abs()).exp().ln_1p());
    "Split" Moves shaping::split;
    "Sqrt" Pointwise |cx| unary(cx, f64::sqrt);
    "Squeeze" Moves shaping::reshaped;
    "Sub" Pointwise |cx| binary(cx, |a, b| a - b);
    "Sum" Pointwise |cx| all(cx, |a, b| a + b);
    "Tanh" Pointwise |cx| unary(cx, f64::tanh);
    "Transpose" Moves shaping::transposed;
    "Unsqueeze" Moves shaping::reshaped;
}

/// How an operator of the default domain computes; `None` where that is not known.
pub fn find(domain: &str, op_type: &str) -> Option<&'static Rule> {
    if !matches!(domain, "" | "ai.onnx") {
        return None;
    }
    TABLE.binary_search_by(|(name, _)| (*name).cmp(op_type)).ok().map(|i| &TABLE[i].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_all_of_it_has_a_rule() {
        assert!(TABLE.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(TABLE.iter().all(|(name, _)| crate::ops::find("", name).is_some()));
        assert!(find("", "Conv").is_none() && find("com.example", "Mul").is_none());
    }
}
