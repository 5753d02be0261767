//! Keeps tract 0.23 from reading a broadcast axis as an axis of one element.
//!
//! Its optimizer takes a broadcast away in front of a contraction, which is right only where the axis is not summed: a
//! matrix product over a channel that was repeated six times gave the product of one. Behind each broadcast an operator
//! that does nothing is put, which the optimizer does not look through.

use tract_onnx::prelude::tract_itertools::Itertools;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{MultiBroadcastTo, Tile};
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::scan::Scan;

/// Gives its input on.
#[derive(Debug, Clone, Hash, PartialEq, Eq)]
struct Hold;

impl Op for Hold {
    fn name(&self) -> StaticName {
        "Hold".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Hold {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(inputs)
    }
}

impl TypedOp for Hold {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(inputs.iter().map(|fact| (*fact).clone()).collect())
    }

    as_op!();
}

/// Puts a [`Hold`] behind every broadcast, in bodies of control flow too.
pub(super) fn hold(model: &mut TypedModel) -> TractResult<()> {
    // Recursion is as deep as the protobuf decoder allowed when it read the model.
    for node in &mut model.nodes {
        if let Some(scan) = node.op_as_mut::<Scan>() {
            hold(&mut scan.body)?;
        } else if let Some(choice) = node.op_as_mut::<IfThenElse>() {
            hold(&mut choice.then_body)?;
            hold(&mut choice.else_body)?;
        }
    }
    let broadcasts = |n: &&TypedNode| n.op_is::<MultiBroadcastTo>() || n.op_is::<Tile>();
    let found = model.nodes.iter().filter(broadcasts).map(|n| (n.id, n.name.clone())).collect_vec();
    for (node, name) in found {
        let fact = model.outlet_fact(node.into())?.clone();
        TypedModelPatch::intercept(model, node.into(), format!("{name}.held"), Hold, fact)?.apply(model)?;
    }
    Ok(())
}
