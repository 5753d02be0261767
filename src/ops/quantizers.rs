//! Operators that round as a quantized network would and stay in floats: `qonnx.custom_op.general`.

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related, Role};
use super::description::row;
use super::elementwise::{Elementwise, opaque};
use super::opaque::Frozen;
use super::table::Domain;

/// `qonnx.custom_op.general`.
pub static TABLE: &Domain = &[
    row("BipolarQuant", &Rounded),
    row("IntQuant", &Rounded),
    row("MultiThreshold", &Frozen("thresholds of each channel")),
    row("Quant", &Rounded),
    row("Trunc", &Rounded),
];

/// Numbers, then scale, zero point and number of bits, which broadcast to them. Zero stays zero.
struct Rounded;

static EACH: Elementwise = opaque(usize::MAX);

impl Operator for Rounded {
    fn about(&self) -> &'static str {
        "each position by itself; scales and zero points follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let rank = cx.input(0)?.len();
        // What is broadcast to more axes than the numbers have is no parameter of theirs.
        (1..cx.inputs.len()).all(|i| cx.rank(i).is_none_or(|r| r <= rank)).then_some(())?;
        let related = EACH.relate(cx)?;
        for i in 1..cx.inputs.len() {
            (0..cx.rank(i).unwrap_or(0)).for_each(|k| cx.role(i, k, Role::Divisor));
        }
        Some(related)
    }
}
