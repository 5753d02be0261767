//! Shared and computed weights in the file that is written.

use std::sync::Arc;

use onnx_prune::criteria;
use onnx_prune::data::BatchSource;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::planning::targets::{Params, Targets};
use onnx_prune::prune::PruneRequest;
use onnx_prune::recovery::Means;
use onnx_prune::report;
use onnx_prune::runtime::Tensor;

use super::{RUNTIME, common, elements, half, inputs, pruned, try_prune, untied};
use crate::zoo::{computed, settled, shared};

fn initializers(m: &ModelProto) -> Vec<&str> {
    m.graph.as_ref().unwrap().initializer.iter().map(|t| t.name()).collect()
}

/// Outputs of a model for inputs that are given by name.
fn run(m: &ModelProto, inputs: &[(String, Tensor)]) -> Vec<Tensor> {
    let mut session = RUNTIME.runtime.open_bytes(&common::bytes(m), None, &Default::default()).unwrap();
    session.run(inputs).unwrap().into_iter().map(|(_, t)| t).collect()
}

#[test]
fn towers_stay_alike() {
    let before = shared::siamese();
    let (outcome, after) = pruned("siamese", &before, &half());
    assert_eq!(initializers(&after), initializers(&before), "one tensor for each of before");
    let given = inputs(&before, 3);
    let (x, other) = (given[0].1.clone(), given[1].1.clone());
    let ask = |x: &Tensor, y: &Tensor| run(&after, &[("x".into(), x.clone()), ("other".into(), y.clone())]).remove(0);
    let (there, back) = (ask(&x, &other), ask(&other, &x));
    assert!(there.max_abs_diff(&back).unwrap() <= 1e-6 * there.max_abs(), "f(a, b) = f(b, a)");
    let (same, equal) = (ask(&x, &x), ask(&other, &other));
    assert!(same.max_abs_diff(&equal).unwrap() <= 1e-6 * same.max_abs(), "no distance to itself");
    assert_eq!(outcome.report.after.params as i64, elements(&after));
}

#[test]
fn a_share_of_the_parameters_is_a_share_of_the_file() {
    for (name, m) in [("siamese", shared::siamese()), ("recursive", shared::recursive())] {
        let request = PruneRequest { targets: Targets::one(&Params, 0.5), ..half() };
        let (outcome, after) = pruned(name, &m, &request);
        assert!(outcome.report.missed.is_none());
        assert!(2 * elements(&after) <= elements(&m), "{name}: {} of {}", elements(&after), elements(&m));
    }
}

#[test]
fn untied_towers_are_counted_with_all_their_copies() {
    for (name, m) in [("siamese", shared::siamese()), ("pyramid_head", shared::pyramid_head())] {
        // Random numbers depend on the name of the group.
        let request = PruneRequest { criterion: criteria::find("random").unwrap(), ..untied() };
        let (outcome, after) = pruned(name, &m, &request);
        assert_eq!(outcome.report.after.params as i64, elements(&after), "{name}");
        assert!(initializers(&after).len() > initializers(&m).len(), "{name}: copies of their own");
    }
}

#[test]
fn a_report_replays_what_was_untied() {
    let m = shared::siamese();
    let (outcome, bytes) = try_prune(&m, &untied()).unwrap();
    let json = serde_json::to_string(&outcome.report).unwrap();
    assert!(json.contains("\"untie\":true"));
    let again = PruneRequest { recipe: Some(report::recipe(&json).unwrap()), ..half() };
    assert!(bytes == try_prune(&m, &again).unwrap().1);
}

#[test]
fn what_is_computed_goes_with_the_nodes_that_compute_it() {
    for (name, m) in [("weight_normed", computed::weight_normed()), ("spectral_normed", computed::spectral_normed())] {
        let (outcome, after) = pruned(name, &m, &half());
        let nodes =
            |m: &ModelProto, op: &str| m.graph.as_ref().unwrap().node.iter().filter(|n| n.op_type() == op).count();
        assert!(nodes(&m, "Div") > 1 && nodes(&after, "Div") == 0, "{name}");
        assert_eq!(outcome.report.verification.unwrap().mixed, 0, "{name}");
        assert!(outcome.report.after.bytes < outcome.report.before.bytes / 2 + 1500, "{name}");
    }
}

/// Where nothing is cut the nodes stay, and no constant is stored beside them.
#[test]
fn what_is_not_cut_stays_computed() {
    let m = computed::weight_normed();
    let base = half();
    let options = onnx_prune::planning::Options { only: vec!["head.weight".into()], ..base.options.clone() };
    let request = PruneRequest { options, ..base };
    let (_, after) = pruned("weight_normed", &m, &request);
    let names = initializers(&after);
    assert!(names.contains(&"pre.weight_v") && names.contains(&"up.weight_g") && !names.contains(&"fc.weight_v"));
    let old: Vec<_> = m.graph.as_ref().unwrap().node.iter().filter(|n| n.op_type() == "ReduceL2").collect();
    let new: Vec<_> = after.graph.as_ref().unwrap().node.iter().filter(|n| n.op_type() == "ReduceL2").collect();
    assert_eq!(new, old[..2]);
}

/// Halves of one tensor are stored both as soon as one is cut: the tensor need not stay beside it.
#[test]
fn a_tensor_does_not_stay_for_a_part_of_it() {
    let m = computed::normed_halves();
    let base = half();
    let options = onnx_prune::planning::Options { only: vec!["left.weight".into()], ..base.options.clone() };
    let (outcome, after) = pruned("normed_halves", &m, &PruneRequest { options, ..base });
    assert!(!initializers(&after).contains(&"packed"));
    // 16 · 27 of the packed one become 4 · 27 and 8 · 27; the layer behind, 6 · 8 before, becomes 3 · 4.
    let head = 10 * 3;
    assert_eq!(elements(&m) - elements(&after), 4 * 27 + (6 * 8 - 3 * 4) + 3 + head);
    assert_eq!(outcome.report.after.params as i64, elements(&after));
}

/// Neither least squares nor statistics from data part the uses of a layer.
#[test]
fn recovery_keeps_a_layer_one() {
    for (name, m) in
        [("siamese", shared::siamese()), ("recursive", shared::recursive()), ("pyramid_head", shared::pyramid_head())]
    {
        let data: Option<Arc<dyn BatchSource>> = Some(Arc::new(common::noise::Noise(8)));
        let recover = Means { refit: true, recalibrate: true };
        let (outcome, bytes) = try_prune(&m, &PruneRequest { data, recover, ..half() }).unwrap();
        let (_, plain) = try_prune(&m, &half()).unwrap();
        let (after, plain) = (super::load(&bytes).proto, super::load(&plain).proto);
        assert_eq!(initializers(&after), initializers(&plain), "{name}");
        // No use of a weight is solved apart from the others.
        assert!(outcome.report.recovery.unwrap().layers_left > 1, "{name}");
        assert_eq!(outcome.report.after.params as i64, elements(&after), "{name}");
    }
}

#[test]
fn what_two_layers_pick_is_picked_once() {
    let (_, after) = pruned("computed_weight", &settled::computed_weight(), &half());
    let picks = after.graph.unwrap().node.into_iter().filter(|n| n.op_type() == "Gather").count();
    assert_eq!(picks, 1, "both read the same rows");
}
