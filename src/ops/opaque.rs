//! Operators that are known and left alone: nothing they touch may shrink, each for a reason.

use crate::algebra::{Dim, Monomial};
use crate::onnx;
use crate::tensor::DType;

use super::context::{CostCx, InferCx, Inferred, RelateCx, Related};
use super::{Operator, Work};

/// Frozen for this reason; what the file declares of its outputs is believed.
pub struct Frozen(pub &'static str);

/// Frozen for this reason, with outputs whose types and shapes follow from the inputs.
pub struct Shaped(pub &'static str, pub fn(&mut InferCx) -> Option<Inferred>);

/// Frozen for this reason, with much to compute that is not counted; what the file declares of its outputs is believed.
pub struct Uncounted(pub &'static str);

/// Frozen for this reason, with the shapes of its outputs (where the rule knows them) and its multiply-accumulates.
pub struct Counted(
    pub &'static str,
    pub fn(&mut InferCx) -> Option<Inferred>,
    pub fn(&CostCx) -> Option<Vec<Monomial>>,
);

impl Operator for Uncounted {
    fn infer(&self, _cx: &mut InferCx) -> Option<Inferred> {
        None
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<Related> {
        None
    }

    fn work(&self) -> Work {
        Work::Uncounted
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

impl Operator for Counted {
    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        self.1(cx)
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<Related> {
        None
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        self.2(cx).unwrap_or_default()
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

impl Operator for Frozen {
    fn infer(&self, _cx: &mut InferCx) -> Option<Inferred> {
        None
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<Related> {
        None
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

impl Operator for Shaped {
    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        self.1(cx)
    }

    // The walker freezes all axes where a rule says nothing of them.
    fn relate(&self, _cx: &mut RelateCx) -> Option<Related> {
        None
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

/// The output is like the input.
pub fn same(cx: &mut InferCx) -> Option<Inferred> {
    cx.same_as_input()
}

/// The element type that an attribute gives, else this one.
fn given(cx: &InferCx, name: &str, default: DType) -> DType {
    cx.int(name).filter(|t| *t != 0).map_or(default, |t| DType::of(t as i32))
}

/// The shape of the input, of the type that `dtype` gives.
pub fn typed(cx: &mut InferCx) -> Option<Inferred> {
    let (dt, shape) = (given(cx, "dtype", cx.dtype(0)), cx.shape(0)?.to_vec());
    Some(Inferred::one(dt, shape))
}

/// The shape that the attribute `shape` gives.
pub fn by_attribute(cx: &mut InferCx) -> Option<Inferred> {
    let shape = cx.ints("shape").unwrap_or_default().into_iter().map(Dim::from).collect();
    Some(Inferred::one(given(cx, "dtype", DType::Float), shape))
}

/// One axis as long as the number in input 0.
pub fn window(cx: &mut InferCx) -> Option<Inferred> {
    let size = match cx.dims(0).and_then(|d| d.first().cloned()) {
        Some(n) => n,
        None => cx.unknown(0, 0),
    };
    Some(Inferred::one(given(cx, "output_datatype", DType::Float), vec![size]))
}

/// Spectrum bins by mel bins.
pub fn mel_matrix(cx: &mut InferCx) -> Option<Inferred> {
    let number = |cx: &InferCx, i: usize| cx.numbers(i)?.first().copied();
    let (mels, length) = (number(cx, 0)?, number(cx, 1)?);
    let bins = length.checked_div(2)?.checked_add(1)?;
    Some(Inferred::one(given(cx, "output_datatype", DType::Float), vec![Dim::from(bins), Dim::from(mels)]))
}

/// Samples of each row.
pub fn multinomial(cx: &mut InferCx) -> Option<Inferred> {
    let shape = vec![cx.shape(0)?.first()?.clone(), Dim::from(cx.int("sample_size").unwrap_or(1))];
    Some(Inferred::one(given(cx, "dtype", DType::Int32), shape))
}

/// A loss: of each position, or one number.
pub fn loss(cx: &mut InferCx) -> Option<Inferred> {
    let mut told = Inferred::default();
    let each = onnx::attr_s(cx.node, "reduction") == Some("none");
    let (dt, scores, shape) = (cx.dtype(0), cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
    told.set(0, dt, if each { shape } else { Vec::new() });
    told.set(1, dt, scores);
    Some(told)
}

/// Boxes that stay: batch, class, box of each.
pub fn picked_boxes(cx: &mut InferCx) -> Option<Inferred> {
    let n = cx.unknown(0, 0);
    Some(Inferred::one(DType::Int64, vec![n, Dim::from(3i64)]))
}

/// Coordinates of the elements that are not zero.
pub fn coordinates(cx: &mut InferCx) -> Option<Inferred> {
    let (rank, n) = (cx.rank(0)?, cx.unknown(0, 1));
    Some(Inferred::one(DType::Int64, vec![Dim::from(rank), n]))
}

/// A grid of positions: as many axes as the size operand, and the coordinates.
pub fn grid(cx: &mut InferCx) -> Option<Inferred> {
    let size = cx.dims(1)?.to_vec();
    let (batch, space) = (size.first()?.clone(), size.get(2..)?);
    let shape = [&[batch], space, &[Dim::from(space.len())]].concat();
    let dt = cx.dtype(0);
    Some(Inferred::one(dt, shape))
}

/// An image of unknown size.
pub fn image(cx: &mut InferCx) -> Option<Inferred> {
    let colors = if onnx::attr_s(cx.node, "pixel_format") == Some("Grayscale") { 1i64 } else { 3 };
    let shape = vec![cx.unknown(0, 0), cx.unknown(0, 1), Dim::from(colors)];
    Some(Inferred::one(DType::Uint8, shape))
}

/// One truth value.
pub fn truth(_cx: &mut InferCx) -> Option<Inferred> {
    Some(Inferred::one(DType::Bool, Vec::new()))
}

/// A truth value for each element.
pub fn truths(cx: &mut InferCx) -> Option<Inferred> {
    let shape = cx.shape(0)?.to_vec();
    Some(Inferred::one(DType::Bool, shape))
}

/// One integer.
pub fn count(_cx: &mut InferCx) -> Option<Inferred> {
    Some(Inferred::one(DType::Int64, Vec::new()))
}

/// What the file declares.
pub fn declared(_cx: &mut InferCx) -> Option<Inferred> {
    None
}
