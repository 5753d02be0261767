//! Shapes and values that are worked out are those of a run: a sample of the onnx package's node tests.
//! `tools/export_node_sample.py` made it, and onnxruntime the shapes.

use std::collections::BTreeMap;
use std::io::Read;

use onnx_prune::analysis::Sharing;
use onnx_prune::onnx::Model;
use onnx_prune::report::{DimSize, inspect};
use onnx_prune::rewriting;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    question: String,
    /// Hexadecimal.
    model: String,
    shapes: Vec<Vec<u64>>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/node_tests.jsonl.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// How much is worked out of the outputs' shapes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Told {
    All,
    Some,
}

/// Whether all sizes are told, or what is wrong.
fn asked(case: &Case) -> Result<Told, String> {
    let model = Model::from_bytes(bytes(&case.model).into()).map_err(|e| e.to_string())?;
    let analysis = rewriting::analyse(&model, &Vec::new(), Sharing::Tied).map_err(|e| e.to_string())?;
    let found = inspect(&analysis).model.outputs;
    assert_eq!(found.len(), case.shapes.len(), "{}", case.name);
    let mut told = Told::All;
    for (port, wanted) in found.iter().zip(&case.shapes) {
        let Some(shape) = &port.shape else {
            told = Told::Some;
            continue;
        };
        let same = shape.len() == wanted.len()
            && shape.iter().zip(wanted).all(|(a, b)| match a {
                DimSize::Known(n) => *n as u64 == *b,
                _ => {
                    told = Told::Some;
                    true
                }
            });
        if !same {
            return Err(format!("{} {}: {shape:?}, and a run gives {wanted:?}", case.question, case.name));
        }
    }
    Ok(told)
}

#[test]
fn shapes_are_those_of_onnxruntime() {
    let mut counts: BTreeMap<(&str, Told), usize> = BTreeMap::new();
    let (cases, mut wrong) = (cases(), Vec::new());
    for case in &cases {
        match asked(case) {
            Ok(told) => *counts.entry((&case.question, told)).or_default() += 1,
            Err(why) => wrong.push(why),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    // What is left open is never wrong, but it should not become more.
    let all = |question| counts.get(&(question, Told::All)).copied().unwrap_or(0);
    assert!(all("infer") >= 506 && all("fold") >= 110, "{counts:?}");
}
