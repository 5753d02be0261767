//! Memory of live activations.

use super::facts::Facts;
use super::graph::{Graph, NodeId, TensorId};
use super::relations::Relations;
use crate::algebra::{Cost, Monomial};
use crate::index::Id;

/// Exponent of [`ActivationCost::soft_peak`]: as large as keeps a second peak 10 % below the first at a fifth of its
/// weight.
const SHARPNESS: i32 = 16;

/// Bytes of activations that are alive at once when the nodes run in the order of the file, at the bound shapes, as a
/// function of channel counts. Tensors of unknown size count as nothing.
#[derive(Clone, Debug, Default)]
pub struct ActivationCost {
    tensors: Vec<Live>,
    moments: usize,
}

/// One tensor.
#[derive(Clone, Debug)]
struct Live {
    bytes: Cost,
    /// The first and the last moment: 0 is before all nodes, i + 1 is while node i runs.
    from: usize,
    to: usize,
}

impl ActivationCost {
    /// Finds when each tensor is alive. `compile` makes a cost of a product of axes.
    pub fn build(
        graph: &Graph,
        facts: &Facts,
        relations: &Relations,
        compile: &dyn Fn(&[Monomial]) -> Option<Cost>,
    ) -> Self {
        let nodes = graph.count();
        let during = |i: NodeId| i.place() + 1;
        // What nothing reads, and what the graph gives back, stays to the end.
        let mut last = graph.per_tensor(nodes);
        for (i, inputs) in graph.inputs.enumerate() {
            inputs.iter().flatten().chain(&graph.captured[i]).for_each(|id| last[*id] = during(i));
        }
        for id in graph.proto().output.iter().filter_map(|v| graph.id(v.name())) {
            last[id] = nodes;
        }
        let inputs = graph.free_inputs().into_iter().filter_map(|v| Some((graph.id(v.name())?, 0)));
        let made =
            |(i, ids): (NodeId, &Vec<Option<TensorId>>)| ids.iter().flatten().map(move |id| (*id, during(i))).collect();
        let outputs: Vec<Vec<(TensorId, usize)>> = graph.outputs.enumerate().map(made).collect();
        let live = |(id, from): (TensorId, usize)| {
            let axes = relations.tensors[id].clone().filter(|_| graph.constants[id].is_none())?;
            let unit = facts.tensors[id].dtype.bits() as f64 / 8.0;
            let bytes = compile(&[Monomial { coefficient: unit, axes }])?;
            Some(Live { bytes, from, to: last[id].max(from) })
        };
        let tensors = inputs.chain(outputs.into_iter().flatten()).filter_map(live).collect();
        ActivationCost { tensors, moments: nodes + 1 }
    }

    /// Bytes alive before the first node, and while each node runs.
    fn live(&self, counts: &[usize]) -> Vec<f64> {
        let mut change = vec![0.0; self.moments + 1];
        for t in &self.tensors {
            let bytes = t.bytes.eval(counts);
            change[t.from] += bytes;
            change[t.to + 1] -= bytes;
        }
        change.truncate(self.moments);
        change.iter_mut().fold(0.0, |sum, c| {
            *c += sum;
            *c
        });
        change
    }

    /// The most bytes that are alive at once.
    pub fn peak(&self, counts: &[usize]) -> f64 {
        self.live(counts).into_iter().fold(0.0, f64::max)
    }

    /// The peak, raised by every other moment that comes near it: falls when one of several equal peaks falls.
    pub fn soft_peak(&self, counts: &[usize]) -> f64 {
        let live = self.live(counts);
        let peak = live.iter().copied().fold(0.0, f64::max);
        if peak <= 0.0 {
            return 0.0;
        }
        peak * live.iter().map(|x| (x / peak).powi(SHARPNESS)).sum::<f64>().powf(1.0 / f64::from(SHARPNESS))
    }
}
