//! Which channels go together, and what stays: the groups of small networks.

mod attention;
mod branches;
mod channels;
mod computed;
mod control;
mod fused;
mod kinds;
mod obstacles;
mod open;
mod quantized;
mod recurrent;
mod sequences;
mod shared;
mod storage;

use crate::common;
use onnx_prune::analysis::{Analysis, AxisKind, Sharing};
use onnx_prune::onnx::Model;
use onnx_prune::onnx::proto::ModelProto;

fn load(m: ModelProto) -> Model {
    Model::from_bytes(common::bytes(&m)).unwrap()
}

/// One line for each group: name, kind, size, whether it is mixed across; its places, with the positions of each
/// channel where there are several.
fn groups(m: ModelProto) -> Vec<String> {
    groups_of(m, Sharing::Tied)
}

fn groups_of(m: ModelProto, sharing: Sharing) -> Vec<String> {
    let model = load(m);
    let a = Analysis::with(&model, &Vec::new(), sharing).unwrap();
    a.groups
        .iter()
        .map(|g| {
            let kind = if g.kind == AxisKind::Conv { String::new() } else { format!(" {}", g.kind) };
            let mixed = if g.flags.mixed { " mixed" } else { "" };
            let places = g.items.iter().map(|i| {
                let name = a.graph.weight_name(a.views[i.view].tensor);
                let each = i.positions() / g.size;
                let times = if each == 1 { String::new() } else { format!("x{each}") };
                format!(" {name}@{}{times}", i.axis)
            });
            format!("{}{kind} {}{mixed}:{}", g.name, g.size, places.collect::<String>())
        })
        .collect()
}

/// Size, reason, place of each frozen weight axis.
fn frozen(m: ModelProto) -> Vec<String> {
    let model = load(m);
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let line = |f: &onnx_prune::analysis::Frozen| {
        let places: String = f.places.iter().map(|(n, k)| format!(" {n}@{k}")).collect();
        format!("{} {}:{places}", f.size, f.kind)
    };
    a.frozen.iter().map(line).collect()
}
