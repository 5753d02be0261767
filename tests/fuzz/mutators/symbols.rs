//! Sizes that the file leaves open.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::tensor_shape_proto::dimension::Value as Size;
use onnx_prune::onnx::proto::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::sizes::declared;
use super::{fresh, graph, insert_behind, new_node, pick, pick_mut};
use crate::common::builder;
use crate::corpus::Corpus;

const NAMES: &[&str] = &["batch", "N", "K", "T", "height"];

pub fn mutate(m: &mut ModelProto, _: &Corpus, rng: &mut ChaCha8Rng) -> Option<()> {
    if rng.random_ratio(2, 3) {
        let g = graph(m, rng)?;
        let values = if rng.random_ratio(1, 4) { &mut g.value_info } else { &mut g.input };
        let size = pick_mut(declared(pick_mut(values, rng)?)?, rng)?;
        size.value = match rng.random_range(0..3) {
            0 => None,
            _ => Some(Size::DimParam((*pick(NAMES, rng)?).to_owned())),
        };
        return Some(());
    }
    // Some tensor meets a new input of open sizes.
    let g = m.graph.as_mut()?;
    let i = rng.random_range(0..g.node.len().max(1));
    let out = g.node.get(i)?.output.first()?.clone();
    let (input, new) = (fresh("open", rng), fresh("met", rng));
    let sizes: Vec<&str> =
        (0..rng.random_range(0..4)).map(|_| *pick(&["K", "N", "1", "8", "12"], rng).unwrap()).collect();
    let op =
        *pick(&["Mul", "Add", "Expand", "Reshape", "MatMul", "Concat", "Where", "Tile", "Gather", "Compress"], rng)?;
    let whole = matches!(op, "Expand" | "Reshape" | "Tile" | "Gather");
    let dtype = if whole { DType::Int64 } else { DType::Float };
    g.input.push(builder::declared(&input, dtype, &sizes.join(" ")));
    let mut n = new_node(op, &[&out, &input], &new);
    n.attribute.push(builder::attr("axis", builder::A::I(rng.random_range(-2..3))));
    insert_behind(g, i, vec![n], &out, &new);
    Some(())
}
