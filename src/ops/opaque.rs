//! Operators that are known and left alone: nothing they touch may shrink, each for a reason.

use crate::algebra::{Dim, Monomial};
use crate::onnx;

use super::context::{CostCx, InferCx, RelateCx};
use super::fact::dtype;
use super::{Operator, Work};

/// Frozen for this reason; what the file declares of its outputs is believed.
pub struct Frozen(pub &'static str);

/// Frozen for this reason, with outputs whose types and shapes follow from the inputs.
pub struct Shaped(pub &'static str, pub fn(&mut InferCx) -> Option<()>);

/// Frozen for this reason, with much to compute that is not counted; what the file declares of its outputs is believed.
pub struct Uncounted(pub &'static str);

/// Frozen for this reason, with the shapes of its outputs (where the rule knows them) and its multiply-accumulates.
pub struct Counted(pub &'static str, pub fn(&mut InferCx) -> Option<()>, pub fn(&CostCx) -> Option<Vec<Monomial>>);

impl Operator for Uncounted {
    fn infer(&self, _cx: &mut InferCx) -> Option<()> {
        None
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<()> {
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
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        self.1(cx)
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<()> {
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
    fn infer(&self, _cx: &mut InferCx) -> Option<()> {
        None
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<()> {
        None
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

impl Operator for Shaped {
    fn infer(&self, cx: &mut InferCx) -> Option<()> {
        self.1(cx)
    }

    // The walker freezes all axes where a rule says nothing of them.
    fn relate(&self, _cx: &mut RelateCx) -> Option<()> {
        None
    }

    fn frozen(&self) -> Option<&'static str> {
        Some(self.0)
    }
}

/// The output is like the input.
pub fn same(cx: &mut InferCx) -> Option<()> {
    cx.same_as_input()
}

/// The element type that an attribute gives, else this one.
fn given(cx: &InferCx, name: &str, default: i32) -> i32 {
    cx.int(name).filter(|t| *t != 0).map_or(default, |t| t as i32)
}

/// The shape of the input, of the type that `dtype` gives.
pub fn typed(cx: &mut InferCx) -> Option<()> {
    let (dt, shape) = (given(cx, "dtype", cx.dtype(0)), cx.shape(0)?.to_vec());
    cx.set(0, dt, shape);
    Some(())
}

/// The shape that the attribute `shape` gives.
pub fn by_attribute(cx: &mut InferCx) -> Option<()> {
    let shape = cx.ints("shape").unwrap_or_default().into_iter().map(Dim::from).collect();
    cx.set(0, given(cx, "dtype", dtype::FLOAT), shape);
    Some(())
}

/// One axis as long as the number in input 0.
pub fn window(cx: &mut InferCx) -> Option<()> {
    let size = match cx.dims(0).and_then(|d| d.first().cloned()) {
        Some(n) => n,
        None => cx.unknown(0, 0),
    };
    cx.set(0, given(cx, "output_datatype", dtype::FLOAT), vec![size]);
    Some(())
}

/// Spectrum bins by mel bins.
pub fn mel_matrix(cx: &mut InferCx) -> Option<()> {
    let number = |cx: &InferCx, i: usize| cx.numbers(i)?.first().copied();
    let (mels, length) = (number(cx, 0)?, number(cx, 1)?);
    let bins = length.checked_div(2)?.checked_add(1)?;
    cx.set(0, given(cx, "output_datatype", dtype::FLOAT), vec![Dim::from(bins), Dim::from(mels)]);
    Some(())
}

/// Samples of each row.
pub fn multinomial(cx: &mut InferCx) -> Option<()> {
    let shape = vec![cx.shape(0)?.first()?.clone(), Dim::from(cx.int("sample_size").unwrap_or(1))];
    cx.set(0, given(cx, "dtype", dtype::INT32), shape);
    Some(())
}

/// A loss: of each position, or one number.
pub fn loss(cx: &mut InferCx) -> Option<()> {
    let each = onnx::attr_s(cx.node, "reduction") == Some("none");
    let (dt, scores, shape) = (cx.dtype(0), cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
    cx.set(0, dt, if each { shape } else { Vec::new() });
    cx.set(1, dt, scores);
    Some(())
}

/// Boxes that stay: batch, class, box of each.
pub fn picked_boxes(cx: &mut InferCx) -> Option<()> {
    let n = cx.unknown(0, 0);
    cx.set(0, dtype::INT64, vec![n, Dim::from(3i64)]);
    Some(())
}

/// Coordinates of the elements that are not zero.
pub fn coordinates(cx: &mut InferCx) -> Option<()> {
    let (rank, n) = (cx.rank(0)?, cx.unknown(0, 1));
    cx.set(0, dtype::INT64, vec![Dim::from(rank), n]);
    Some(())
}

/// A grid of positions: as many axes as the size operand, and the coordinates.
pub fn grid(cx: &mut InferCx) -> Option<()> {
    let size = cx.dims(1)?.to_vec();
    let (batch, space) = (size.first()?.clone(), size.get(2..)?);
    let shape = [&[batch], space, &[Dim::from(space.len())]].concat();
    let dt = cx.dtype(0);
    cx.set(0, dt, shape);
    Some(())
}

/// A picture of unknown size.
pub fn picture(cx: &mut InferCx) -> Option<()> {
    let colors = if onnx::attr_s(cx.node, "pixel_format") == Some("Grayscale") { 1i64 } else { 3 };
    let shape = vec![cx.unknown(0, 0), cx.unknown(0, 1), Dim::from(colors)];
    cx.set(0, dtype::UINT8, shape);
    Some(())
}

/// One truth value of the input's shape, or one for all of it.
pub fn truth(cx: &mut InferCx) -> Option<()> {
    let shape = if cx.node.op_type() == "OptionalHasElement" { Vec::new() } else { cx.shape(0)?.to_vec() };
    cx.set(0, dtype::BOOL, shape);
    Some(())
}

/// One whole number.
pub fn count(cx: &mut InferCx) -> Option<()> {
    cx.set(0, dtype::INT64, Vec::new());
    Some(())
}

/// What the file declares.
pub fn declared(_cx: &mut InferCx) -> Option<()> {
    None
}
