//! What a model is and what of it could shrink, before anything is removed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::data::{FrozenAxes, GroupChange, overview, whole};
use crate::algebra::Dim;
use crate::analysis::{Analysis, AxisKind, Group, NodeId};
use crate::hint::Hint;
use crate::onnx::proto::ValueInfoProto;
use crate::onnx::{self};
use crate::ops::Role;
use crate::planning::Axes;

/// An input or output of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Element type.
    pub dtype: String,
    /// Sizes as the file gives them. `None` where the rank is unknown.
    pub shape: Option<Vec<DimSize>>,
}

/// A size as the file gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DimSize {
    /// A number.
    Known(i64),
    /// The name of an open dimension, or what it is computed from.
    Open(String),
}

impl fmt::Display for DimSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DimSize::Known(n) => n.fmt(f),
            DimSize::Open(name) => f.write_str(name),
        }
    }
}

/// Facts about the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelFacts {
    /// File name.
    pub file: String,
    /// IR version.
    pub ir_version: i64,
    /// Version of each operator set; the default one has an empty name.
    pub opsets: BTreeMap<String, i64>,
    /// The exporter and its version.
    pub producer: String,
    /// Inputs that a caller gives.
    pub inputs: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Port>,
    /// Nodes of the main graph.
    pub nodes: usize,
    /// Operators without a rule, with how often they occur.
    pub without_rule: BTreeMap<String, usize>,
    /// Initializers of the main graph.
    pub initializers: usize,
    /// Bytes of their contents.
    pub initializer_bytes: u64,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Multiply-accumulates at the bound input shapes.
    #[serde(serialize_with = "whole")]
    pub macs: f64,
    /// Operators whose work is not in the MACs, with how many nodes.
    pub uncounted: BTreeMap<String, usize>,
    /// Elements of weights.
    #[serde(serialize_with = "whole")]
    pub params: f64,
    /// Peak bytes of live activations.
    #[serde(serialize_with = "whole")]
    pub activation_bytes: f64,
    /// Sizes of open dimensions that these figures are for.
    pub shapes: BTreeMap<String, i64>,
}

/// A group of channels that can only go together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InspectedGroup {
    /// Name of the weight that produces the channels.
    pub name: String,
    /// The node that writes the channels with it.
    pub node: String,
    /// What the channels are for.
    pub kind: AxisKind,
    /// Whether groups of this kind shrink unless told otherwise.
    pub by_default: bool,
    /// Number of channels.
    pub size: usize,
    /// Share of the model's MACs that depend on the group.
    pub macs_share: f64,
    /// Whether an operator mixes across the channels.
    pub mixed: bool,
    /// Every use of an initializer that carries the channels.
    pub members: Vec<Member>,
}

/// An initializer that carries channels of a group, as one node uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The node: its name, or its operator, place and output.
    pub node: String,
    /// The initializer, or the output of a Constant node.
    pub initializer: String,
    /// The axis that carries the channels.
    pub axis: usize,
    /// What the axis does there.
    pub role: Role,
}

/// Weight axes that share an obstacle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenReason {
    /// The obstacle.
    pub reason: String,
    /// Number of axes.
    pub axes: usize,
    /// The first few: weight, axis, size, and where the obstacle came up.
    pub examples: Vec<String>,
}

/// Everything that `inspect` shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inspection {
    /// The file.
    pub model: ModelFacts,
    /// What can shrink.
    pub groups: Vec<InspectedGroup>,
    /// What cannot, by obstacle, the most frequent first.
    pub frozen: Vec<FrozenReason>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Describes a model.
pub fn inspect(a: &Analysis) -> Inspection {
    let all = overview(a, None);
    let model = &a.graph.model;
    let mut warnings = model.warnings.clone();
    warnings.extend(a.warnings.iter().cloned());
    if let Some(example) = onnx::debug_info(&model.proto).example {
        warnings.push(format!(
            "metadata names files of the exporting machine, as {example} ({} removes it)",
            Hint::StripDebug
        ));
    }
    Inspection {
        model: facts(a),
        groups: all.groups.into_iter().zip(&a.groups).map(|(change, g)| group(a, g, change)).collect(),
        frozen: by_reason(&all.frozen),
        warnings,
    }
}

fn group(a: &Analysis, g: &Group, change: GroupChange) -> InspectedGroup {
    let GroupChange { name, kind, before: size, macs_share, mixed, .. } = change;
    let mut members: Vec<(NodeId, Member)> = Vec::new();
    for item in &g.items {
        let v = &a.views[item.view];
        for at in &v.uses {
            let initializer = a.graph.name(v.tensor).to_owned();
            let (node, role) = (a.graph.label(at.node), item.role);
            members.push((at.node, Member { node, initializer, axis: item.axis, role }));
        }
    }
    // The order of the model; initializers of a node stay in theirs.
    members.sort_by_key(|(node, _)| *node);
    let members: Vec<Member> = members.into_iter().map(|(_, member)| member).collect();
    let writes =
        |m: &&Member| name.strip_prefix(m.initializer.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('#'));
    let node = members.iter().filter(writes).min_by_key(|m| !matches!(m.role, Role::Out | Role::Embedding));
    let node = node.map_or_else(String::new, |m| m.node.clone());
    let by_default = Axes::default().contains(kind);
    InspectedGroup { name, node, kind, by_default, size, macs_share, mixed, members }
}

fn facts(a: &Analysis) -> ModelFacts {
    let (model, graph, full) = (&a.graph.model, a.graph.proto(), a.full_counts());
    let file = model.path.as_ref().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
    let proto = &model.proto;
    let of_tensor = |t: &onnx::proto::TensorProto| {
        let n = onnx::len(t).unwrap_or(0);
        onnx::dtype_of(t).bytes_for(n).unwrap_or(0) as u64
    };
    ModelFacts {
        file: file.unwrap_or_else(|| "-".to_owned()),
        ir_version: proto.ir_version(),
        opsets: proto.opset_import.iter().map(|o| (o.domain().to_owned(), o.version())).collect(),
        producer: format!("{} {}", proto.producer_name(), proto.producer_version()).trim().to_owned(),
        inputs: a.graph.free_inputs().into_iter().map(|v| port(a, v)).collect(),
        outputs: graph.output.iter().map(|v| port(a, v)).collect(),
        nodes: graph.node.len(),
        without_rule: a.relations.without_rule.clone(),
        initializers: graph.initializer.len() + graph.sparse_initializer.len(),
        initializer_bytes: graph.initializer.iter().map(of_tensor).sum(),
        file_bytes: model.file_bytes,
        macs: a.costs.macs.eval(&full),
        uncounted: a.costs.uncounted.clone(),
        params: a.costs.params(&full),
        activation_bytes: a.costs.activations.peak(&full),
        shapes: a.facts.bindings.iter().map(|(k, v)| (k.clone(), *v)).collect(),
    }
}

fn port(a: &Analysis, v: &ValueInfoProto) -> Port {
    let fact = a.graph.id(v.name()).map(|id| &a.facts.tensors[id]);
    let dtype = fact.map(|f| f.dtype).unwrap_or_default();
    let dims = fact.and_then(|f| f.shape.as_ref());
    let size = |d: &Dim| d.known().map_or_else(|| DimSize::Open(a.facts.symbols.show(d)), DimSize::Known);
    let shape = dims.map(|dims| dims.iter().map(size).collect());
    Port { name: v.name().to_owned(), dtype: dtype.name().to_owned(), shape }
}

const EXAMPLES: usize = 3;

fn by_reason(frozen: &[FrozenAxes]) -> Vec<FrozenReason> {
    let mut reasons: Vec<FrozenReason> = Vec::new();
    for f in frozen {
        let known = reasons.iter().position(|r| r.reason == f.reason);
        let at = known.unwrap_or_else(|| {
            reasons.push(FrozenReason { reason: f.reason.clone(), axes: 0, examples: Vec::new() });
            reasons.len() - 1
        });
        let r = &mut reasons[at];
        r.axes += f.members.len();
        if let (Some((weight, axis)), true) = (f.members.first(), r.examples.len() < EXAMPLES) {
            let by = if f.at.is_empty() { String::new() } else { format!(", by {}", f.at) };
            r.examples.push(format!("{weight} axis {axis} of size {}{by}", f.size));
        }
    }
    reasons.sort_by_key(|r| std::cmp::Reverse(r.axes));
    reasons
}
