//! Initializers that are graph inputs as well.

use std::collections::HashSet;

use crate::onnx::proto::ModelProto;

/// From here on initializers need not be listed among the inputs.
const APART: i64 = 4;

/// How many initializers a caller could give another value.
pub fn initializer_inputs(model: &ModelProto) -> usize {
    let Some(graph) = &model.graph else { return 0 };
    let held: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
    graph.input.iter().filter(|v| held.contains(v.name())).count()
}

/// Makes initializers initializers only; how many were more. The IR version becomes one that allows that.
pub fn drop_initializer_inputs(model: &mut ModelProto) -> usize {
    let n = initializer_inputs(model);
    if let Some(graph) = model.graph.as_mut().filter(|_| n > 0) {
        let held: HashSet<String> = graph.initializer.iter().map(|t| t.name().to_owned()).collect();
        graph.input.retain(|v| !held.contains(v.name()));
        model.ir_version = Some(model.ir_version.unwrap_or(APART).max(APART));
    }
    n
}
