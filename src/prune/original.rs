//! What is done to a model before anything is removed.

use std::sync::Arc;

use super::PruneRequest;
use crate::hint::Hint;
use crate::onnx::{self, Model};
use crate::rewriting;

/// The model without what the request wants gone besides channels. It is copied only where something goes.
pub(super) fn prepared(mut model: Arc<Model>, request: &PruneRequest, warnings: &mut Vec<String>) -> Arc<Model> {
    if request.strip_debug {
        onnx::strip_debug(&mut Arc::make_mut(&mut model).proto);
    } else {
        warnings.extend(debug_metadata(&model));
    }
    // Before IR 4 every initializer is listed among the inputs, and none can be replaced.
    let old = model.proto.ir_version() < 4;
    let listed = rewriting::initializer_inputs(&model.proto);
    if request.drop_initializer_inputs {
        if listed > 0 && rewriting::drop_initializer_inputs(&mut Arc::make_mut(&mut model).proto) > 0 && !old {
            warnings
                .push("initializers are no inputs any more; what was measured before is without them, too".to_owned());
        }
    } else if listed > 0 && !old {
        // Weights that a caller may replace are taken for inputs by onnxruntime: nothing of them is prepared ahead.
        warnings.push(format!(
            "{listed} initializers are also graph inputs, which makes onnxruntime 5 to 15 times slower \
             ({} makes them initializers only)",
            Hint::DropInitializerInputs
        ));
    }
    model
}

fn debug_metadata(model: &Model) -> Option<String> {
    let info = onnx::debug_info(&model.proto);
    let (example, n) = (info.example?, info.nodes);
    Some(format!("{n} nodes carry paths of the exporting machine, as {example} ({} removes them)", Hint::StripDebug))
}
