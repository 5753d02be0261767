//! The original with channels at zero.

use crate::algebra::Kept;
use crate::analysis::{Analysis, NodeId, Use};
use crate::onnx::edit::{Editor, Emit, Names, NewNode};
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto};
use crate::rewriting::assembly::Assembly;
use crate::rewriting::clean;
use crate::rewriting::error::Result;
use crate::rewriting::weights::{Mode, cut};

/// The original with the channels that are not in `kept` set to zero in every weight, and in whatever else stands in
/// for one.
///
/// # Errors
/// When a weight cannot be masked.
pub fn masked(a: &Analysis, kept: &Kept) -> Result<ModelProto> {
    let mut names = Names::of_model(&a.graph.model.proto).tagged("pruned");
    let weights = cut(a, kept, Mode::Silence, &mut names)?;
    let mut proto = clean::copy_without_weights(a, &weights.replaced);
    let Some(graph) = &mut proto.graph else { return Ok(proto) };
    let mut assembly = Assembly::new(&a.graph, names);
    graph.initializer.extend(weights.added);
    for (i, node) in a.graph.numbered() {
        let mut node = (*node).clone();
        assembly.redirect(&a.graph, i, &mut node, &weights.reads);
        mask(a, kept, i, &mut node, &mut assembly.edit)?;
        assembly.push(&a.graph, i, node);
    }
    let GraphProto { node, initializer, .. } = assembly.edit.finish();
    graph.node = node;
    graph.initializer.extend(initializer);
    clean::drop_dead(graph, proto.ir_version.unwrap_or(0));
    Ok(proto)
}

/// Where a node reads some positions of what no input decides, the others are multiplied by zero before it.
fn mask(a: &Analysis, kept: &Kept, i: NodeId, node: &mut NodeProto, edit: &mut Editor) -> Result<()> {
    for k in 0..node.input.len() {
        // What divides stays, as stored divisors do.
        if node.op_type() == "Div" && k == 1 {
            continue;
        }
        for (axis, t) in a.relations.picked(&a.graph, Use { node: i, input: k }) {
            let Some(positions) = a.relations.terms.kept_positions(t, kept) else { continue };
            let fact = a.graph.inputs[i][k].map(|id| &a.facts.tensors[id]);
            let (Some(fact), Some(n)) = (fact, a.relations.terms.size(t).known()) else { continue };
            if !fact.dtype.is_real() {
                continue;
            }
            let mut shape = vec![1; fact.shape.as_ref().map_or(0, Vec::len)];
            let Some(slot) = shape.get_mut(axis) else { continue };
            *slot = n as usize;
            let mask: Vec<f32> = (0..n as usize).map(|p| f32::from(u8::from(positions.contains(&p)))).collect();
            let stays = edit.floats("stays", &shape, &mask, fact.dtype)?;
            let out = edit.fresh(&node.input[k]);
            node.input[k] = edit.op(NewNode::new("Mul").inputs([&node.input[k], &stays]).output(out));
        }
    }
    Ok(())
}
