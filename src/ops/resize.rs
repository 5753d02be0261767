//! Resize and Upsample: axes of unchanged size pass through, the others are spatial.

use crate::algebra::Dim;
use crate::onnx::{self, proto::NodeProto};

use super::Operator;
use super::context::{Attributes, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx};
use super::fact::{Value, axis};

/// `Resize`, `Upsample`.
pub struct Resize {
    /// The input that holds scales, from operator set 11 on.
    pub scales: usize,
}

/// The input that holds target sizes, where given (operator set 11 on).
const SIZES: usize = 3;

/// Its attributes.
struct Resizing {
    axes: Option<Vec<i64>>,
    /// Scales, which were an attribute once.
    scales: Option<Vec<f64>>,
    /// Whether sizes are taken as they are, whatever that does to the aspect ratio.
    stretches: bool,
}

impl Attributes for Resizing {
    fn parse(node: &NodeProto, _opset: i64) -> Resizing {
        Resizing {
            axes: onnx::attr_ints(node, "axes").map(<[i64]>::to_vec),
            scales: onnx::attr(node, "scales").map(|a| a.floats.iter().map(|s| f64::from(*s)).collect()),
            stretches: onnx::attr_s(node, "keep_aspect_ratio_policy").is_none_or(|p| p == "stretch"),
        }
    }
}

impl Resize {
    fn scales(&self, cx: &InferCx) -> Option<Vec<f64>> {
        if let Some(scales) = &cx.attributes::<Resizing>().scales {
            return Some(scales.clone());
        }
        let i = if cx.opset >= 11 { self.scales } else { 1 };
        match cx.value(i)? {
            Value::Floats(v) => Some(v.clone()),
            Value::Ints(v) => v.iter().map(|d| d.known().map(|n| n as f64)).collect(),
        }
    }
}

impl Operator for Resize {
    fn about(&self) -> &'static str {
        "axes of unchanged size pass, the others freeze; the size operand is derived"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let x = cx.shape(0)?.to_vec();
        let given = cx.attributes::<Resizing>();
        let axes: Vec<usize> = match &given.axes {
            Some(v) => v.iter().map(|a| axis(*a, x.len())).collect::<Option<_>>()?,
            None => (0..x.len()).collect(),
        };
        let mut shape = x.clone();
        let sizes = cx.dims(SIZES).map(<[Dim]>::to_vec).filter(|s| s.len() == axes.len());
        if let Some(s) = sizes.filter(|_| given.stretches) {
            axes.iter().zip(s).for_each(|(a, d)| shape[*a] = d);
        } else if let Some(s) = self.scales(cx).filter(|s| s.len() == axes.len()) {
            for (&a, scale) in axes.iter().zip(s) {
                shape[a] = match x[a].known() {
                    Some(n) => Dim::from((n as f64 * scale).floor() as i64),
                    None if scale.fract() == 0.0 => x[a].times(&Dim::from(scale as i64)),
                    None if (1.0 / scale).fract() == 0.0 => {
                        cx.symbols.floor_div(&x[a], &Dim::from((1.0 / scale) as i64))
                    }
                    None => cx.unknown(0, a),
                };
            }
        } else {
            for a in axes {
                // Batch and channels are not resized by any exporter, but only a run can tell.
                shape[a] = cx.unknown(0, a);
            }
        }
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, shape))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut axes = cx.input(0)?;
        let shape = cx.out_shape(0)?.to_vec();
        for (k, size) in shape.iter().enumerate() {
            if cx.terms.size(axes[k]) != *size {
                cx.freeze(axes[k], "spatial axis");
                axes[k] = cx.frozen(size, "spatial axis");
            }
        }
        Some(Related::one(axes))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        if !cx.has(SIZES) || cx.attributes::<Resizing>().axes.is_some() {
            return Some(Rewrite::default());
        }
        let wanted = cx.required(0)?;
        if cx.dims(SIZES) == Some(&wanted[..]) {
            return Some(Rewrite::default());
        }
        cx.operand(SIZES, "sizes", &wanted)
    }

    fn shape_operands(&self) -> &'static [usize] {
        &[SIZES]
    }
}
