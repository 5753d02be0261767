//! Numbers of a tensor, and a node that is given them.

use crate::tensor::DType;
use half::{bf16, f16};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::onnx;
use crate::onnx::proto::NodeProto;
use crate::ops::fact::{Fact, axis};

/// Contents of a tensor.
pub type Numbers = ArrayD<f64>;

/// A node with the numbers that it is given.
pub struct ValueCx<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// Facts of the inputs; `None` where an optional input is absent.
    pub inputs: Vec<Option<&'a Fact>>,
    /// Contents of the inputs that hold floats.
    pub numbers: Vec<Option<&'a Numbers>>,
    /// Facts of the outputs: their shapes are known.
    pub outputs: Vec<&'a Fact>,
}

impl ValueCx<'_> {
    /// Contents of input `i`, which holds floats.
    pub fn floats(&self, i: usize) -> Option<&Numbers> {
        self.numbers.get(i).copied().flatten()
    }

    /// Integers that input `i` holds.
    pub fn whole(&self, i: usize) -> Option<Vec<i64>> {
        self.inputs.get(i).copied().flatten()?.numbers()
    }

    /// Whether input `i` is given.
    pub fn has(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Option::is_some)
    }

    /// An integer attribute.
    pub fn int(&self, name: &str) -> Option<i64> {
        onnx::attr_i(self.node, name)
    }

    /// A float attribute.
    pub fn float(&self, name: &str) -> Option<f64> {
        onnx::attr_f(self.node, name).map(f64::from)
    }

    /// The shape of output `o`.
    pub fn shape_out(&self, o: usize) -> Option<Vec<usize>> {
        self.outputs.get(o)?.known_shape()
    }

    /// The attribute `axis` (or its default) as an index below `rank`.
    pub fn axis(&self, default: i64, rank: usize) -> Option<usize> {
        axis(self.int("axis").unwrap_or(default), rank)
    }

    /// Axes given as input `input` or as attribute `axes`; empty where neither is given.
    pub fn axes(&self, input: usize, rank: usize) -> Option<Vec<usize>> {
        let given = match self.has(input) {
            true => self.whole(input)?,
            false => onnx::attr_ints(self.node, "axes").unwrap_or_default().to_vec(),
        };
        given.into_iter().map(|a| axis(a, rank)).collect()
    }

    /// Input `i` as numbers, whole ones too.
    pub fn any(&self, i: usize) -> Option<Numbers> {
        if let Some(x) = self.floats(i) {
            return Some(x.clone());
        }
        let shape = self.inputs.get(i).copied().flatten()?.known_shape()?;
        let data = self.whole(i)?.into_iter().map(|n| n as f64).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), data).ok()
    }
}

/// Input broadcast to a shape.
pub fn spread<'a>(x: &'a Numbers, shape: &[usize]) -> Option<ArrayViewD<'a, f64>> {
    x.broadcast(IxDyn(shape))
}

/// What the element type can hold of the numbers.
pub fn round(x: &mut Numbers, dt: DType) {
    match dt {
        DType::Float => x.mapv_inplace(|v| f64::from(v as f32)),
        DType::Float16 => x.mapv_inplace(|v| f16::from_f64(v).to_f64()),
        DType::Bfloat16 => x.mapv_inplace(|v| bf16::from_f64(v).to_f64()),
        _ => {}
    }
}
