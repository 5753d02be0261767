//! Groups: the solution of the relations, read off the terms.

use std::collections::{BTreeMap, HashMap};

use super::error::Result;
use super::facts::Facts;
use super::graph::{Graph, TensorId};
use super::kinds::{self, AxisKind};
use super::relations::{Quantization, Relations, Use};
use crate::algebra::{Atom, Flags, NOT_HERE, Term};
use crate::index::{IdVec, id};
use crate::ops::Role;

id! {
    /// A constant with axes that some of its uses share.
    VariantId
}

/// The variants of a model.
pub type Variants = IdVec<VariantId, WeightView>;

/// A constant together with the axes it has at some of its uses. Uses whose axes agree share one variant.
#[derive(Clone, Debug)]
pub struct WeightView {
    /// The constant.
    pub tensor: TensorId,
    /// Its axis terms.
    pub axes: Vec<Term>,
    /// Where it is read with these axes.
    pub uses: Vec<Use>,
    /// Roles of the axes, [`Role::Carried`] where no use says more.
    pub roles: Vec<Role>,
    /// How its numbers stand for real ones, where they are no floats.
    pub quantized: Option<Quantization>,
}

impl WeightView {
    /// Whether it is a scale or a zero point.
    pub fn is_parameter(&self) -> bool {
        self.roles.contains(&Role::Quantization)
    }
}

/// A place that carries a group's channels.
#[derive(Clone, Debug)]
pub struct Item {
    /// The constant, with its axes here.
    pub variant: VariantId,
    /// Axis.
    pub axis: usize,
    /// What the axis does there.
    pub role: Role,
    /// Position along the axis → channel, [`NOT_HERE`] where it carries none of this group.
    pub channel: Vec<u32>,
}

/// Channels that can only go together.
#[derive(Clone, Debug)]
pub struct Group {
    /// The atom.
    pub atom: Atom,
    /// The name: the weight that produces it.
    pub name: String,
    /// Number of channels.
    pub size: usize,
    /// What it is for.
    pub kind: AxisKind,
    /// What is known of the atom.
    pub flags: Flags,
    /// All the places that carry it.
    pub items: Vec<Item>,
    /// A description that groups of equal structure share.
    pub structure: String,
}

/// A weight axis that cannot shrink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Number of positions.
    pub size: usize,
    /// Places: weight and axis.
    pub places: Vec<(String, usize)>,
    /// The kind of obstacle.
    pub kind: &'static str,
    /// The node or tensor that brought it up.
    pub at: String,
}

/// Positions of axes that groups may spell out, beside as many as there are elements of weights.
const MAX_SPELLED: usize = 8 << 20;

/// Reads the variants, groups and frozen axes off the relations.
pub fn collect(graph: &Graph, facts: &Facts, relations: &Relations) -> Result<(Variants, Vec<Group>, Vec<Frozen>)> {
    let variants = variants(graph, facts, relations);
    let terms = &relations.terms;
    let mut atoms: BTreeMap<Atom, Vec<(VariantId, usize)>> = BTreeMap::new();
    for (v, variant) in variants.enumerate() {
        for (axis, &t) in variant.axes.iter().enumerate() {
            let mut leaves = terms.leaves(t);
            leaves.sort_unstable();
            leaves.dedup();
            for leaf in leaves {
                atoms.entry(leaf).or_default().push((v, axis));
            }
        }
    }
    // A map from positions to channels is as long as its axis, for each of the groups on it.
    let positions = |t: &Term| terms.size(*t).known().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let elements = |v: &WeightView| v.axes.iter().map(positions).fold(1usize, usize::saturating_mul);
    let budget = variants.iter().map(elements).fold(MAX_SPELLED, usize::saturating_add);
    let mut spelled = 0usize;
    let (mut groups, mut frozen) = (Vec::new(), Vec::new());
    let mut names: HashMap<String, usize> = HashMap::new();
    for (atom, places) in atoms {
        let Some(size) = terms.size(atom).known().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 1) else {
            continue;
        };
        let flags = terms.flags(atom);
        let place = |(v, axis): &(VariantId, usize)| (graph.weight_name(variants[*v].tensor).to_owned(), *axis);
        let mut stays = |kind: &'static str, at: String| {
            let scored = places.iter().any(|(v, a)| variants[*v].roles[*a].is_scored());
            if scored {
                frozen.push(Frozen { size, places: places.iter().map(place).collect(), kind, at });
            }
        };
        if let Some(reason) = terms.frozen(atom) {
            stays(reason.kind, reason.at.to_string());
            continue;
        }
        if !flags.produced {
            stays("no weight produces it", String::new());
            continue;
        }
        spelled = places.iter().fold(spelled, |n, (v, a)| n.saturating_add(positions(&variants[*v].axes[*a])));
        if spelled > budget {
            stays("axis of too many parts", String::new());
            continue;
        }
        let items: Option<Vec<Item>> = places
            .iter()
            .map(|&(variant, axis)| {
                let role = variants[variant].roles[axis];
                let channel = terms.channel_map(variants[variant].axes[axis], atom)?;
                Some(Item { variant, axis, role, channel })
            })
            .collect();
        let Some(items) = items else {
            stays("twice on one axis", String::new());
            continue;
        };
        let base = name(graph, &variants, &items);
        let n = names.entry(base.clone()).or_insert(0);
        *n += 1;
        let name = if *n == 1 { base } else { format!("{base}#{n}") };
        let structure = structure(&variants, &items, facts);
        groups.push(Group { atom, name, size, kind: AxisKind::Conv, flags, items, structure });
    }
    kinds::assign(&mut groups, &variants, relations);
    // The order of the file, so that lists and ties read naturally.
    groups.sort_by_key(|g| g.items.iter().map(|i| variants[i.variant].uses[0]).min());
    Ok((variants, groups, frozen))
}

fn variants(graph: &Graph, facts: &Facts, relations: &Relations) -> Variants {
    let terms = &relations.terms;
    // A table that is looked up and one that is multiplied with say different things of a channel.
    type Signature = (TensorId, Vec<Vec<Term>>, Option<Quantization>, bool);
    let mut index: HashMap<Signature, VariantId> = HashMap::new();
    let mut variants = Variants::new();
    for (node, inputs) in graph.inputs.enumerate() {
        for (input, id) in inputs.iter().enumerate() {
            let (Some(id), Some(axes)) = (*id, relations.uses[node].get(input).cloned().flatten()) else { continue };
            let at = Use { node, input };
            let quantized = relations.quantized.get(&at).copied();
            let number = facts.tensors[id].dtype.is_real() || quantized.is_some();
            if graph.constants[id].is_none() || !number {
                continue;
            }
            let tensor = graph.holder(id).unwrap_or(id);
            let signature = axes.iter().map(|t| terms.leaves(*t)).collect();
            let role = |axis: usize| relations.roles.get(&(at, axis)).copied();
            let looked_up = (0..axes.len()).any(|axis| role(axis) == Some(Role::Embedding));
            let v = *index.entry((tensor, signature, quantized, looked_up)).or_insert_with(|| {
                let roles = vec![Role::Carried; axes.len()];
                variants.push(WeightView { tensor, axes, uses: Vec::new(), roles, quantized })
            });
            variants[v].uses.push(at);
            for axis in 0..variants[v].roles.len() {
                if let Some(role) = role(axis) {
                    variants[v].roles[axis] = variants[v].roles[axis].min(role);
                }
            }
        }
    }
    variants
}

/// The first weight that writes the channels, with the axis where that is not the first.
fn name(graph: &Graph, variants: &Variants, items: &[Item]) -> String {
    let first = items.iter().min_by_key(|i| {
        let rank = if matches!(i.role, Role::Out | Role::Embedding) { 0 } else { 1 };
        (rank, variants[i.variant].uses[0])
    });
    first.map_or_else(String::new, |i| graph.weight_name(variants[i.variant].tensor).to_owned())
}

/// Roles, ranks and kernel sizes of the items, sorted: equal for groups that sit in the network alike.
fn structure(variants: &Variants, items: &[Item], facts: &Facts) -> String {
    let mut parts: Vec<String> = items
        .iter()
        .filter(|i| i.role.is_scored())
        .map(|i| {
            let shape = facts.tensors[variants[i.variant].tensor].known_shape().unwrap_or_default();
            let kernel: Vec<String> = shape.iter().skip(2).map(usize::to_string).collect();
            format!("{:?}@{}of{}[{}]", i.role, i.axis, shape.len(), kernel.join("x"))
        })
        .collect();
    parts.sort();
    parts.join(" ")
}

impl Item {
    /// Number of positions of the group on this axis.
    pub fn positions(&self) -> usize {
        self.channel.iter().filter(|c| **c != NOT_HERE).count()
    }
}
