//! What is said of models of which nothing can shrink.

use onnx_prune::analysis::Analysis;
use onnx_prune::job::Job;
use onnx_prune::onnx::DType;
use onnx_prune::onnx::edit::NewNode;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::planning::targets::{Speedup, Targets};
use onnx_prune::planning::{self, Options};

use super::load;
use crate::common::builder::*;

/// Why no plan can be made.
fn why(m: ModelProto) -> String {
    let model = load(m);
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let targets = Targets::one(&Speedup, 2.0);
    let options = Options::default();
    let aim = planning::PlanRequest::new(
        onnx_prune::criteria::find("l2").unwrap(),
        planning::find_scheme("protected-global").unwrap(),
        &targets,
        &options,
    );
    let Err(e) = planning::plan(&a, &aim, Job::default()) else { panic!("a plan without groups") };
    e.to_string()
}

/// Two layers behind an operator of another domain; its output is declared or not.
fn behind_custom(declares: bool) -> ModelProto {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 20");
    let y = b.op("lab.Twist", &[&x], vec![]);
    let h = b.relu(&y);
    let h = b.gemm("small", &h, 20, 4);
    let h = b.op("lab.Twist", &[&h], vec![]);
    if declares {
        b.value_info(&y, "batch 20");
        b.value_info(&h, "batch 4");
    }
    let h = b.gemm("large", &h, 4, 600);
    let h = b.op("lab.Twist", &[&h], vec![]);
    if declares {
        b.value_info(&h, "batch 600");
    }
    let y = b.gemm("head", &h, 600, 10);
    b.output(&y, "batch 10");
    b.model()
}

#[test]
fn the_first_operator_without_a_shape_is_named() {
    let why = why(behind_custom(false));
    assert!(why.contains("shapes are unknown behind node Twist_1 (lab.Twist)") && why.contains("`shapes`"), "{why}");
}

#[test]
fn the_obstacle_with_most_of_the_macs_is_named() {
    let why = why(behind_custom(true));
    // 4·600 + 600·10 of 20·4 + 4·600 + 600·10 MACs.
    assert!(why.contains("most of the MACs (99 %) because of: operator without a rule (Twist Twist_"), "{why}");
    assert!(!why.contains("graph input") && !why.contains("unknown behind"), "{why}");
}

#[test]
fn an_input_without_a_shape_is_named() {
    let mut m = behind_custom(true);
    let g = m.graph.as_mut().unwrap();
    g.node.remove(0);
    g.node[0].input[0] = "x".into();
    g.value_info.clear();
    let mut bare = declared("x", DType::Float, "");
    if let Some(onnx_prune::onnx::proto::type_proto::Value::TensorType(t)) = &mut bare.r#type.as_mut().unwrap().value {
        t.shape = None;
    }
    g.input[0] = bare;
    let why = why(m);
    assert!(why.contains("input 'x' has no declared shape"), "{why}");
}

#[test]
fn trees_have_no_channels() {
    let mut b = Builder::new(17);
    let x = b.input("x", "batch 20");
    let y = b.op("ai.onnx.ml.TreeEnsembleRegressor", &[&x], vec![("n_targets", A::I(1))]);
    b.output(&y, "batch 1");
    let why = why(b.model());
    let expected = "its work is in ai.onnx.ml.TreeEnsembleRegressor (1 node, decision trees), which has no channels";
    assert!(why.contains(expected), "{why}");
}

fn analysed(m: ModelProto, look: impl FnOnce(&Analysis)) {
    let model = load(m);
    look(&Analysis::new(&model, &Vec::new()).unwrap());
}

/// Operators whose axes are frozen cost what they cost.
#[test]
fn frozen_operators_are_counted() {
    let mut b = Builder::new(17);
    let x = b.input_of("x", DType::Uint8, "1 6 16");
    let w = b.codes("qkv", &[16, 48], DType::Int8, &[1; 16 * 48]);
    let (c, one) = (b.weight("bias", &[48]), b.scalar(0.1));
    let y = b.op("com.microsoft.QAttention", &[&x, &w, &c, &one, &one], vec![("num_heads", A::I(4))]);
    let codes = b.codes("codes", &[16 * 24 / 2], DType::Uint8, &[7; 16 * 24 / 2]);
    let sizes = b.weight("largest", &[24]);
    let attrs = [("K", 16), ("N", 24), ("block_size", 16), ("quant_type", 1)].map(|(n, v)| (n, A::I(v)));
    let y = b.op("com.microsoft.MatMulBnb4", &[&y, &codes, &sizes], attrs.into());
    b.output(&y, "1 6 24");
    analysed(b.model(), |a| {
        // Projections, queries with keys and weights with values; then a product.
        let by_hand = 6 * 16 * 48 + 2 * 6 * 6 * 16 + 6 * 16 * 24;
        assert_eq!(a.costs.macs.eval(&a.full_counts()), f64::from(by_hand));
        assert!(a.costs.uncounted.is_empty(), "{:?}", a.costs.uncounted);
    });
}

#[test]
fn what_is_not_counted_is_named() {
    let mut m = behind_custom(true);
    let g = m.graph.as_mut().unwrap();
    g.node.push(NewNode::new("DFT").input("x").output("spectrum").build());
    analysed(m, |a| {
        let named: Vec<(&str, usize)> = a.costs.uncounted.iter().map(|(op, n)| (op.as_str(), *n)).collect();
        assert_eq!(named, [("DFT", 1), ("lab.Twist", 3)]);
        let text = onnx_prune::report::text::uncounted(&a.costs.uncounted);
        assert_eq!(text.unwrap(), "not counted in MACs: DFT (1 node), lab.Twist (3 nodes)");
        assert_eq!(a.costs.macs.eval(&a.full_counts()), f64::from(20 * 4 + 4 * 600 + 600 * 10));
    });
    // A contraction whose sizes are unknown is none that is counted.
    analysed(behind_custom(false), |a| assert_eq!(a.costs.uncounted.get("Gemm"), Some(&3)));
}
