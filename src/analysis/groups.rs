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
    ViewId
}

/// The views of a model.
pub type Views = IdVec<ViewId, WeightView>;

/// A constant together with the axes it has at some of its uses. Uses whose axes agree share one view.
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
    pub view: ViewId,
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

/// Reads the views, groups and frozen axes off the relations.
pub fn collect(graph: &Graph, facts: &Facts, relations: &Relations) -> Result<(Views, Vec<Group>, Vec<Frozen>)> {
    let views = views(graph, facts, relations);
    let terms = &relations.terms;
    let mut atoms: BTreeMap<Atom, Vec<(ViewId, usize)>> = BTreeMap::new();
    for (v, view) in views.enumerate() {
        for (axis, &t) in view.axes.iter().enumerate() {
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
    let budget = views.iter().map(elements).fold(MAX_SPELLED, usize::saturating_add);
    let mut spelled = 0usize;
    let (mut groups, mut frozen) = (Vec::new(), Vec::new());
    let mut names: HashMap<String, usize> = HashMap::new();
    for (atom, places) in atoms {
        let Some(size) = terms.size(atom).known().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 1) else {
            continue;
        };
        let flags = terms.flags(atom);
        let place = |(v, axis): &(ViewId, usize)| (graph.weight_name(views[*v].tensor).to_owned(), *axis);
        let mut stays = |kind: &'static str, at: String| {
            let scored = places.iter().any(|(v, a)| views[*v].roles[*a].is_scored());
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
        spelled = places.iter().fold(spelled, |n, (v, a)| n.saturating_add(positions(&views[*v].axes[*a])));
        if spelled > budget {
            stays("axis of too many parts", String::new());
            continue;
        }
        let items: Option<Vec<Item>> = places
            .iter()
            .map(|&(view, axis)| {
                let role = views[view].roles[axis];
                let channel = terms.channel_map(views[view].axes[axis], atom)?;
                Some(Item { view, axis, role, channel })
            })
            .collect();
        let Some(items) = items else {
            stays("twice on one axis", String::new());
            continue;
        };
        let base = name(graph, &views, &items);
        let n = names.entry(base.clone()).or_insert(0);
        *n += 1;
        let name = if *n == 1 { base } else { format!("{base}#{n}") };
        let structure = structure(&views, &items, facts);
        groups.push(Group { atom, name, size, kind: AxisKind::Conv, flags, items, structure });
    }
    kinds::assign(&mut groups, &views, relations);
    // The order of the file, so that lists and ties read naturally.
    groups.sort_by_key(|g| g.items.iter().map(|i| views[i.view].uses[0]).min());
    Ok((views, groups, frozen))
}

fn views(graph: &Graph, facts: &Facts, relations: &Relations) -> Views {
    let terms = &relations.terms;
    // A table that is looked up and one that is multiplied with say different things of a channel.
    type Signature = (TensorId, Vec<Vec<Term>>, Option<Quantization>, bool);
    let mut index: HashMap<Signature, ViewId> = HashMap::new();
    let mut views = Views::new();
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
                views.push(WeightView { tensor, axes, uses: Vec::new(), roles, quantized })
            });
            views[v].uses.push(at);
            for axis in 0..views[v].roles.len() {
                if let Some(role) = role(axis) {
                    views[v].roles[axis] = views[v].roles[axis].min(role);
                }
            }
        }
    }
    views
}

/// The first weight that writes the channels, with the axis where that is not the first.
fn name(graph: &Graph, views: &Views, items: &[Item]) -> String {
    let first = items.iter().min_by_key(|i| {
        let rank = if matches!(i.role, Role::Out | Role::Embedding) { 0 } else { 1 };
        (rank, views[i.view].uses[0])
    });
    first.map_or_else(String::new, |i| graph.weight_name(views[i.view].tensor).to_owned())
}

/// Roles, ranks and kernel sizes of the items, sorted: equal for groups that sit in the network alike.
fn structure(views: &Views, items: &[Item], facts: &Facts) -> String {
    let mut parts: Vec<String> = items
        .iter()
        .filter(|i| i.role.is_scored())
        .map(|i| {
            let shape = facts.tensors[views[i.view].tensor].known_shape().unwrap_or_default();
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
