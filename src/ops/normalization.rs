//! Normalisations: per channel (BatchNormalization, InstanceNormalization) and across channels.

use crate::algebra::{Dim, Term};
use crate::onnx::{self, proto::NodeProto};
use crate::tensor::DType;

use super::Operator;
use super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Role};
use super::conv::ConvLayout;
use super::pointwise::Pointwise;

/// `BatchNormalization` and `InstanceNormalization`: each channel by itself.
pub struct PerChannel {
    /// The role of the scale.
    pub role: Role,
}

/// `LayerNormalization`, `RMSNormalization`: statistics over the axes from `axis` on.
pub struct LayerNorm;

/// `GroupNormalization`: statistics over each group of channels.
pub struct GroupNorm {
    /// Whether this is onnxruntime's `GroupNorm` or `SkipGroupNorm`: channels last, and a skip and a bias added before.
    pub fused: bool,
}

/// `LRN`, `LpNormalization`, `MeanVarianceNormalization`: statistics over channels, no parameters.
pub struct AcrossChannels {
    /// Whether each channel is divided by what its neighbours have.
    pub neighbours: bool,
}

/// Attributes of a batch normalisation.
struct Batch {
    training: bool,
    /// Whether there is one scale for each channel, not one for each position.
    spatial: bool,
    epsilon: f32,
}

impl Attributes for Batch {
    fn parse(node: &NodeProto, _opset: i64) -> Batch {
        Batch {
            training: onnx::attr_i(node, "training_mode").unwrap_or(0) != 0,
            spatial: onnx::attr_i(node, "spatial").unwrap_or(1) == 1,
            epsilon: onnx::attr_f(node, "epsilon").unwrap_or(1e-5),
        }
    }
}

impl Operator for PerChannel {
    fn about(&self) -> &'static str {
        "scale, bias and statistics follow the channels"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = cx.same_as_input()?;
        if self.role == Role::BatchNorm {
            // Training mode also gives statistics.
            for o in 1..cx.written {
                let (dtype, shape) = (cx.dtype(0), vec![cx.shape(0)?.get(1)?.clone()]);
                told.set(o, dtype, shape);
            }
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        let channel = *x.get(1)?;
        for i in 1..cx.inputs.len() {
            if let Some(p) = cx.input(i) {
                cx.unify(channel, *p.first()?);
                cx.role(i, 0, if i == 1 { self.role } else { Role::Carried });
            }
        }
        // Statistics over what may be channels: a group normalisation spelled by a reshape, or weights that are
        // standardised as if they were a batch.
        let training = cx.attributes::<Batch>().training;
        if self.role != Role::BatchNorm || training {
            x.get(2..)?.iter().for_each(|t| cx.mark(*t, |f| f.mixed = true));
        }
        if training {
            cx.mark(x[0], |f| f.mixed = true);
        }
        for o in 1..cx.outputs.len() {
            related.set(o, vec![channel]);
        }
        related.set(0, x);
        Some(related)
    }

    fn pointwise(&self, cx: &CostCx) -> Option<Pointwise> {
        let given = cx.attributes::<Batch>();
        let constant = self.role == Role::BatchNorm
            && !given.training
            && given.spatial
            && cx.node.output.iter().filter(|o| !o.is_empty()).count() == 1;
        let epsilon = given.epsilon;
        constant.then_some(Pointwise::Normalization { parameters: [1, 2, 3, 4], epsilon })
    }
}

impl Operator for LayerNorm {
    fn about(&self) -> &'static str {
        "mixes across the normalised axes; scale and bias follow"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = cx.same_as_input()?;
        let (axis, shape) = (cx.axis(0, -1)?, cx.shape(0)?.to_vec());
        for o in 1..cx.written {
            let reduced =
                shape.iter().enumerate().map(|(k, d)| if k < axis { d.clone() } else { 1i64.into() }).collect();
            told.set(o, DType::Float, reduced);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        let axis = cx.axis(0, -1)?;
        for i in 1..cx.inputs.len() {
            let Some(p) = cx.input(i) else { continue };
            let offset = x.len().checked_sub(p.len())?;
            for (k, &t) in p.iter().enumerate() {
                if cx.broadcast(x[offset + k], t) {
                    cx.role(i, k, if i == 1 { Role::Norm } else { Role::Carried });
                }
            }
        }
        for &t in &x[axis..] {
            cx.mark(t, |f| {
                f.mixed = true;
                f.normalized = true;
            });
        }
        for o in 1..cx.outputs.len() {
            let mut axes = x[..axis].to_vec();
            axes.extend(cx.frozen_tail(o, axis, "statistics of a normalisation").unwrap_or_default());
            related.set(o, axes);
        }
        related.set(0, x);
        Some(related)
    }
}

impl GroupNorm {
    fn layout(&self, node: &NodeProto) -> ConvLayout {
        let last = self.fused && onnx::attr_i(node, "channels_last") != Some(0);
        if last { ConvLayout::ChannelsLast } else { ConvLayout::ChannelsFirst }
    }

    /// Ties what is added before the normalisation: a tensor like the input, or one with a value for each channel.
    fn skip(cx: &mut RelateCx, x: &[Term], channel: Term) {
        let Some(skip) = cx.input(3) else { return };
        match &skip[..] {
            [_, each] => cx.unify(channel, *each),
            all => {
                for (&a, &t) in x.iter().zip(all) {
                    cx.broadcast(a, t);
                }
            }
        }
    }
}

impl Operator for GroupNorm {
    fn about(&self) -> &'static str {
        "channels are a product with the groups, whose number stays"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = cx.same_as_input()?;
        let (dtype, shape) = (cx.dtype(0), cx.shape(0)?.to_vec());
        told.set(1, dtype, shape);
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let x = cx.input(0)?;
        let groups = Dim::from(cx.int(if self.fused { "groups" } else { "num_groups" })?);
        let channel = *x.get(self.layout(cx.node).axes(x.len()).0)?;
        let reason = cx.reason("groups of a normalisation");
        related.set(0, x.clone());
        related.set(1, x.clone());
        if self.fused {
            Self::skip(cx, &x, channel);
        }
        let Some((g, _)) = cx.terms.split_product(channel, &groups) else {
            cx.freeze(channel, "groups of a normalisation");
            return Some(related);
        };
        cx.terms.freeze(g, &reason);
        for (i, role) in [(1, Role::Norm), (2, Role::Carried), (4, Role::Carried)] {
            if let Some(p) = cx.input(i) {
                // Scale and bias have one element per channel, or (before opset 21) one per group.
                let t = *p.first()?;
                let target = if cx.terms.size(t) == cx.terms.size(channel) { channel } else { g };
                cx.unify(target, t);
                cx.role(i, 0, role);
            }
        }
        cx.mark(channel, |f| f.mixed = true);
        Some(related)
    }
}

impl Operator for AcrossChannels {
    fn about(&self) -> &'static str {
        "mixes across the axes; the neighbours of LRN freeze"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        cx.same_as_input()
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let x = cx.input(0)?;
        for (k, &t) in x.iter().enumerate() {
            cx.mark(t, |f| f.mixed = true);
            // LRN normalises over a window of neighbouring channels: taking one away changes its neighbours.
            if self.neighbours && k == 1 {
                cx.freeze(t, "window over channels");
            }
        }
        Some(Related::one(x))
    }
}
