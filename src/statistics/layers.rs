//! Layers that mix channels, and what becomes of their outputs before anything else mixes them.

use std::collections::HashMap;

use super::consumers::{Consumer, consumer};
use crate::analysis::{Analysis, NodeId, PerTensor, TensorId, ViewId};
use crate::onnx;
use crate::ops::{Bound, Pointwise};

/// A node that is a product of a constant weight with patches, and what follows it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The node and its weight.
    pub consumer: Consumer,
    /// What it gives.
    pub output: TensorId,
    /// What follows.
    pub after: After,
}

/// What follows a layer as long as each value stays by itself and nothing else reads it:
/// clamp(scale·y + shift + sum).
#[derive(Clone, Debug)]
pub struct After {
    /// Factor of each output.
    pub scale: Vec<f32>,
    /// Added to each output.
    pub shift: Vec<f32>,
    /// An activation of the same shape that is added.
    pub sum: Option<TensorId>,
    /// The range that the result is cut to.
    pub clamp: Option<(f32, f32)>,
    /// Where something can be added to each output.
    pub intercept: Intercept,
}

/// Where a layer has, or can be given, an addend for each of its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intercept {
    /// An input of the layer itself that holds it.
    Bias(usize),
    /// An input of the layer itself that is left out.
    NewBias(usize),
    /// The mean, with a minus, that the normalisation after it takes away.
    Mean {
        /// The normalisation.
        node: NodeId,
        /// Its input that holds the mean.
        input: usize,
    },
    /// A constant that is added after it.
    Addend {
        /// The addition.
        node: NodeId,
        /// Its input that holds the constant.
        input: usize,
    },
    /// Nowhere.
    Nowhere,
}

/// All layers of the main graph, in the order of the nodes; depthwise convolutions count.
pub fn layers(a: &Analysis) -> Vec<Layer> {
    let mut views: HashMap<(NodeId, usize), ViewId> = HashMap::new();
    for (v, view) in a.views.enumerate() {
        views.extend(view.uses.iter().map(|u| ((u.node, u.input), v)));
    }
    let readers = Readers::of(a);
    let layer = |node: NodeId| {
        // With an activation inside, what comes out is no such product.
        if onnx::attr_s(a.graph.node(node), "activation").is_some_and(|name| !name.is_empty()) {
            return None;
        }
        let contraction = a.contraction(node)?;
        let view = *views.get(&(node, contraction.weight))?;
        let consumer = consumer(a, node, contraction.weight, view)?;
        let contraction = &consumer.contraction;
        let output = a.graph.outputs[node].first().copied().flatten()?;
        // What else it reads is added in some other way.
        let read = |k: usize| [Some(contraction.data), Some(contraction.weight), contraction.bias].contains(&Some(k));
        if a.graph.inputs[node].iter().enumerate().any(|(k, id)| id.is_some() && !read(k)) {
            return None;
        }
        let weight = a.graph.constants[a.views[view].tensor].as_ref()?;
        if !onnx::dtype_of(a.graph.contents(weight)).is_real() || consumer.contraction.scale == 0.0 {
            return None;
        }
        Some(Layer { after: After::of(a, &readers, &consumer, output), consumer, output })
    };
    a.graph.node_ids().filter_map(layer).collect()
}

/// Nodes that read each tensor, once for each time, those with subgraphs included.
struct Readers {
    by: PerTensor<Vec<NodeId>>,
    given_back: PerTensor<bool>,
}

impl Readers {
    fn of(a: &Analysis) -> Readers {
        let g = &a.graph;
        let mut by = g.per_tensor(Vec::new());
        for (i, inputs) in g.inputs.enumerate() {
            inputs.iter().flatten().chain(&g.captured[i]).for_each(|id| by[*id].push(i));
        }
        let mut given_back = g.per_tensor(false);
        for scope in 0..g.scopes.len() {
            g.graph_of(scope).output.iter().filter_map(|v| g.id(v.name())).for_each(|id| given_back[id] = true);
        }
        Readers { by, given_back }
    }

    /// The only node that reads a tensor.
    fn only(&self, id: TensorId) -> Option<NodeId> {
        match self.by[id][..] {
            [reader] if !self.given_back[id] => Some(reader),
            _ => None,
        }
    }
}

impl After {
    fn of(a: &Analysis, readers: &Readers, c: &Consumer, output: TensorId) -> After {
        let g = &a.graph;
        let mut after = After {
            scale: vec![1.0; c.outputs],
            shift: vec![0.0; c.outputs],
            sum: None,
            clamp: None,
            intercept: Intercept::Nowhere,
        };
        let given = |k: &usize| g.inputs[c.node].get(*k).copied().flatten();
        if let Some(k) = c.contraction.bias {
            match given(&k) {
                None => after.intercept = Intercept::NewBias(k),
                Some(id) if vector(a, id).is_some_and(|v| v.len() == c.outputs) => {
                    after.intercept = Intercept::Bias(k);
                }
                // An activation as bias: nothing is known of it.
                Some(_) => return after,
            }
        }
        let mut tensor = output;
        let mut first = true;
        while let Some(node) = readers.only(tensor)
            && let Some(does) = a.pointwise(node)
        {
            let plain = !matches!(after.intercept, Intercept::Bias(_)) && first;
            if !after.takes_in(a, c, Step { node, tensor, plain }, does) {
                break;
            }
            first = false;
            let Some(next) = g.outputs[node].first().copied().flatten() else { break };
            tensor = next;
        }
        after
    }

    /// Takes in what a node does to the outputs; answers whether the node behind it may be taken in, too.
    fn takes_in(&mut self, a: &Analysis, c: &Consumer, at: Step, does: Pointwise) -> bool {
        let input = |k: usize| a.graph.inputs[at.node].get(k).copied().flatten();
        match does {
            Pointwise::Normalization { parameters, epsilon } if self.sum.is_none() => {
                let along = c.contraction.window.is_some() || rank(a, at.tensor) == Some(2);
                let values = parameters.map(|k| vector(a, input(k)?).filter(|v| v.len() == c.outputs));
                let ([Some(scale), Some(shift), Some(mean), Some(variance)], true) = (values, along) else {
                    return false;
                };
                for o in 0..c.outputs {
                    let factor = scale[o] / (variance[o] + epsilon).sqrt();
                    self.scale[o] *= factor;
                    self.shift[o] = (self.shift[o] - mean[o]) * factor + shift[o];
                }
                if at.plain {
                    self.intercept = Intercept::Mean { node: at.node, input: parameters[2] };
                }
                true
            }
            Pointwise::Normalization { .. } => false,
            Pointwise::Sum => self.takes_in_another(a, c, at, true),
            Pointwise::Product => self.takes_in_another(a, c, at, false),
            Pointwise::Clamp { low, high } => {
                let number = |b: Bound| match b {
                    Bound::Number(n) => Some(n),
                    Bound::Input(k) => vector(a, input(k)?).filter(|v| v.len() == 1).map(|v| v[0]),
                };
                self.clamp = number(low).zip(number(high)).filter(|(l, h)| l < h);
                false
            }
        }
    }

    /// Takes in what is added to the outputs, or multiplied by them.
    fn takes_in_another(&mut self, a: &Analysis, c: &Consumer, at: Step, is_sum: bool) -> bool {
        let input = |k: usize| a.graph.inputs[at.node].get(k).copied().flatten();
        let Some(own) = (0..2).find(|k| input(*k) == Some(at.tensor)) else { return false };
        let Some(other) = input(1 - own).filter(|_| self.sum.is_none()) else { return false };
        match along_outputs(a, c, at.tensor, other) {
            Some(values) if is_sum => {
                self.shift.iter_mut().enumerate().for_each(|(o, s)| *s += values[o % values.len()]);
                if at.plain && values.len() == c.outputs {
                    self.intercept = Intercept::Addend { node: at.node, input: 1 - own };
                }
            }
            Some(values) => {
                for o in 0..c.outputs {
                    let factor = values[o % values.len()];
                    self.scale[o] *= factor;
                    self.shift[o] *= factor;
                }
            }
            None if is_sum && is_like(a, at.tensor, other) => self.sum = Some(other),
            None => return false,
        }
        true
    }
}

/// A node behind a layer.
#[derive(Clone, Copy)]
struct Step {
    node: NodeId,
    /// What it is given of the layer.
    tensor: TensorId,
    /// Whether it comes first, and nothing was added before it.
    plain: bool,
}

fn rank(a: &Analysis, id: TensorId) -> Option<usize> {
    Some(a.facts.tensors[id].shape.as_ref()?.len())
}

/// The floats of a constant.
fn vector(a: &Analysis, id: TensorId) -> Option<Vec<f32>> {
    let t = a.graph.tensor(id)?;
    onnx::dtype_of(t).is_real().then(|| onnx::to_f32(t).ok().map(|v| v.into_owned())).flatten()
}

/// The values of a constant that holds one number, or one for each output of a layer along their axis.
fn along_outputs(a: &Analysis, c: &Consumer, tensor: TensorId, constant: TensorId) -> Option<Vec<f32>> {
    let values = vector(a, constant)?;
    let shape = a.facts.tensors[constant].known_shape()?;
    let rank = rank(a, tensor)?;
    let axis = if c.contraction.window.is_some() { 1 } else { rank.checked_sub(1)? };
    let offset = rank.checked_sub(shape.len())?;
    let fits = |(k, d): (usize, &usize)| *d == 1 || k + offset == axis && *d == c.outputs;
    (!values.is_empty() && shape.iter().enumerate().all(fits)).then_some(values)
}

/// Whether two activations have the same shape.
fn is_like(a: &Analysis, x: TensorId, y: TensorId) -> bool {
    let shape = |id: TensorId| a.facts.tensors[id].shape.as_ref();
    a.graph.constants[y].is_none() && shape(x).is_some() && shape(x) == shape(y)
}
