//! Contents of weights for scoring.

use crate::analysis::{Analysis, Variant};
use crate::criteria::{GroupItems, Item, Role as Scored, Weight, WeightData};
use crate::onnx;
use crate::onnx::proto::TensorProto;
use crate::ops::{Role, dtype};
use crate::statistics::GroupStatistics;

/// The weights and groups of a model as criteria see them, with what data says of each group, where there is data.
///
/// # Errors
/// When a weight's contents do not fit its shape.
pub fn inputs(a: &Analysis, statistics: &[GroupStatistics]) -> Result<(Vec<Weight>, Vec<GroupItems>), onnx::Error> {
    let mut weights = Vec::with_capacity(a.variants.len());
    for v in &a.variants {
        let name = a.graph.names[v.tensor].to_owned();
        let Some(c) = &a.graph.constants[v.tensor] else {
            // Indices must stay those of the variants.
            weights.push(Weight { name, shape: vec![0], data: WeightData::Floats(Vec::new()) });
            continue;
        };
        let t = c.tensor.as_ref();
        let data = match &t.raw_data {
            Some(raw) if t.data_type() == dtype::FLOAT && !raw.is_empty() => WeightData::Bytes(raw.clone()),
            _ => WeightData::Floats(numbers(a, v, t)?),
        };
        weights.push(Weight { name, shape: onnx::shape(t)?, data });
    }
    let groups = a.groups.iter().enumerate().map(|(k, g)| GroupItems {
        name: g.name.clone(),
        channels: g.size,
        items: g
            .items
            .iter()
            .map(|i| Item { weight: i.variant, axis: i.axis, role: scored(i.role), channel: i.channel.clone() })
            .collect(),
        statistics: statistics.get(k).cloned().unwrap_or_default(),
    });
    Ok((weights, groups.collect()))
}

/// The real numbers that a weight holds or stands for.
fn numbers(a: &Analysis, v: &Variant, t: &TensorProto) -> Result<Vec<f32>, onnx::Error> {
    match v.quantized {
        Some(q) => onnx::dequantize(t, &a.graph.affine(&q)),
        None => Ok(onnx::to_f32(t)?.into_owned()),
    }
}

fn scored(role: Role) -> Scored {
    match role {
        Role::Out | Role::Embedding => Scored::Out,
        Role::In => Scored::In,
        Role::BatchNorm => Scored::BatchNorm,
        Role::Norm => Scored::Norm,
        Role::Divisor | Role::Carried | Role::Quantization => Scored::Carried,
    }
}
