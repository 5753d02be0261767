//! Memory of live activations.

use super::Analysis;
use crate::algebra::Kept;
use crate::onnx::DType;

/// Peak bytes of activations that are alive at once when the nodes run in the order of the file, with only
/// `kept` channels, at the bound shapes. Tensors of unknown size count as nothing.
pub fn peak_activation_bytes(a: &Analysis, kept: &Kept) -> f64 {
    let graph = &a.graph;
    let mut last = vec![usize::MAX; graph.names.len()];
    for (i, inputs) in graph.inputs.iter().enumerate() {
        inputs.iter().flatten().chain(&graph.captured[i]).for_each(|id| last[*id] = i);
    }
    for v in &graph.proto.output {
        if let Some(id) = graph.id(v.name()) {
            last[id] = usize::MAX;
        }
    }
    let bytes = |id: usize| -> f64 {
        if graph.constants[id].is_some() {
            return 0.0;
        }
        let Some(axes) = &a.relations.tensors[id] else { return 0.0 };
        let unit = DType::try_from(a.facts.tensors[id].dtype).map_or(4.0, |d| d.bits() as f64 / 8.0);
        axes.iter().fold(unit, |n, t| {
            let size = a.relations.terms.kept_size(*t, kept);
            n * a.facts.symbols.eval(&size, &a.facts.bindings).unwrap_or(0) as f64
        })
    };
    let mut live: f64 = graph.free_inputs().iter().filter_map(|v| graph.id(v.name())).map(bytes).sum();
    let mut peak = live;
    for i in 0..graph.nodes().len() {
        live += graph.outputs[i].iter().flatten().map(|id| bytes(*id)).sum::<f64>();
        peak = peak.max(live);
        let mut gone: Vec<usize> = graph.inputs[i].iter().flatten().copied().filter(|id| last[*id] == i).collect();
        gone.sort_unstable();
        gone.dedup();
        live -= gone.into_iter().map(bytes).sum::<f64>();
    }
    peak
}
