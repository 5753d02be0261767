//! Weights that are graph inputs, too.

use onnx_prune::analysis::Analysis;
use onnx_prune::onnx::Model;
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::prune::PruneRequest;

use super::{pruned, request};
use crate::common::builder::{Builder, same};

fn listed(ir: i64) -> ModelProto {
    let mut b = Builder::new(13);
    let x = b.input("x", "batch 3 8 8");
    let a = b.conv("conv1", &x, 3, 8, same(3));
    let a = b.relu(&a);
    let y = b.conv("conv2", &a, 8, 4, same(3));
    b.output(&y, "batch 4 8 8");
    let mut m = b.model();
    m.ir_version = Some(ir);
    let g = m.graph.as_mut().unwrap();
    for t in &g.initializer {
        let dims: Vec<String> = t.dims.iter().map(i64::to_string).collect();
        let dtype = onnx_prune::onnx::DType::try_from(t.data_type()).unwrap();
        g.input.push(crate::common::builder::declared(t.name(), dtype, &dims.join(" ")));
    }
    m
}

fn inputs(bytes: &[u8]) -> (i64, Vec<String>) {
    let m = Model::from_bytes(bytes.to_vec().into()).unwrap().proto;
    (m.ir_version(), m.graph.unwrap().input.iter().map(|v| v.name().to_owned()).collect())
}

#[test]
fn they_are_told_and_dropped_on_request() {
    for ir in [3, 4, 8] {
        let m = listed(ir);
        let (outcome, bytes) = pruned(&m, &request()).unwrap();
        let told = outcome.report.warnings.iter().any(|w| w.contains("`drop_initializer_inputs`"));
        assert_eq!(told, ir >= 4, "onnxruntime takes none of them for inputs before IR 4");
        assert_eq!(inputs(&bytes).1.len(), 5);
        let drop = PruneRequest { drop_initializer_inputs: true, ..request() };
        let (outcome, small) = pruned(&m, &drop).unwrap();
        assert_eq!(inputs(&small), (ir.max(4), vec!["x".to_owned()]));
        assert!(outcome.report.verification.is_some() && outcome.report.settings.drop_initializer_inputs);
        let without = |bytes: &[u8]| {
            let mut m = Model::from_bytes(bytes.to_vec().into()).unwrap().proto;
            onnx_prune::rewriting::drop_initializer_inputs(&mut m);
            m
        };
        assert_eq!(without(&bytes), without(&small), "nothing else changes");
    }
}

#[test]
fn both_are_counted() {
    let m = listed(4);
    assert_eq!(onnx_prune::rewriting::initializer_inputs(&m), 4);
    let model = Model::new(m);
    assert_eq!(Analysis::new(&model, &Vec::new()).unwrap().graph.free_inputs().len(), 1);
}
