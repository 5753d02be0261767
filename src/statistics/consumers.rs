//! The nodes that read groups through a weight.

use std::collections::HashMap;

use crate::analysis::{Analysis, NodeId, TensorId, ViewId};
use crate::onnx;
use crate::ops::{Contraction, Role};

/// A node that reads channels through a constant weight.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// The node.
    pub node: NodeId,
    /// Its weight.
    pub view: ViewId,
    /// What its output is.
    pub contraction: Contraction,
    /// The tensor that it takes patches from.
    pub data: TensorId,
    /// Outputs, all groups of a grouped convolution together.
    pub outputs: usize,
    /// Contracted positions of one group.
    pub inputs: usize,
    /// Values under the window.
    pub kernel: usize,
}

impl Consumer {
    /// Numbers in a patch of one group.
    pub fn width(&self) -> usize {
        self.inputs * self.kernel
    }

    /// The weight times its factor, as `outputs` rows of [`width`](Self::width) numbers: contracted position first,
    /// then the place under the window.
    ///
    /// # Errors
    /// When the contents do not fit the shape.
    pub fn weight(&self, a: &Analysis) -> onnx::Result<Vec<f32>> {
        let tensor = a.views[self.view].tensor;
        let Some(constant) = a.graph.tensor(tensor) else { return Ok(Vec::new()) };
        let mut values = canonical(&onnx::to_f32(constant)?, &onnx::shape(constant)?, self);
        if self.contraction.scale != 1.0 {
            values.iter_mut().for_each(|v| *v *= self.contraction.scale);
        }
        Ok(values)
    }
}

/// Values of a weight of that shape with its output axis first, then its contracted one, then the kernel axes.
fn canonical(values: &[f32], shape: &[usize], of: &Consumer) -> Vec<f32> {
    let (o, i) = (of.contraction.out_axis, of.contraction.in_axis);
    if (o, i) == (0, 1) {
        return values.to_vec();
    }
    // Matrices and transposed convolutions come with the axes the other way round.
    let (rows, columns, kernel) = (shape[0], shape[1], of.kernel);
    let entry = |r: usize, c: usize| &values[(r * columns + c) * kernel..][..kernel];
    (0..columns).flat_map(|c| (0..rows).flat_map(move |r| entry(r, c))).copied().collect()
}

/// The consumers of the groups, in the order of the nodes.
pub fn consumers(a: &Analysis) -> Vec<Consumer> {
    let mut read: HashMap<(NodeId, usize), ViewId> = HashMap::new();
    for item in a.groups.iter().flat_map(|g| &g.items).filter(|i| i.role == Role::In) {
        for u in &a.views[item.view].uses {
            read.insert((u.node, u.input), item.view);
        }
    }
    let mut nodes: Vec<(NodeId, usize, ViewId)> = read.into_iter().map(|((n, i), v)| (n, i, v)).collect();
    nodes.sort_unstable();
    nodes.into_iter().filter_map(|(node, input, view)| consumer(a, node, input, view)).collect()
}

pub(super) fn consumer(a: &Analysis, i: NodeId, input: usize, view: ViewId) -> Option<Consumer> {
    let g = &a.graph;
    let contraction = a.contraction(i).filter(|c| c.weight == input)?;
    let data = g.inputs[i].get(contraction.data).copied().flatten()?;
    if g.constants[data].is_some() || !a.facts.tensors[data].dtype.is_real() {
        return None;
    }
    let shape = a.facts.tensors[a.views[view].tensor].known_shape()?;
    let (outputs, inputs) = (*shape.get(contraction.out_axis)?, *shape.get(contraction.in_axis)?);
    let matrix = shape.len() == 2 && contraction.window.is_none();
    let conv = (contraction.out_axis, contraction.in_axis) == (0, 1);
    let transposed = contraction.transposed.is_some() && (contraction.out_axis, contraction.in_axis) == (1, 0);
    let kernel: usize = shape.iter().skip(2).product();
    let whole = contraction.groups > 0 && outputs.is_multiple_of(contraction.groups);
    ((matrix || conv || transposed) && whole).then_some(Consumer {
        node: i,
        view,
        contraction,
        data,
        outputs,
        inputs,
        kernel,
    })
}
