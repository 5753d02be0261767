//! Kinds of groups: what an axis is for, as far as its term and the operators that touch it say.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::groups::{Group, Views};
use super::relations::Relations;
use crate::algebra::{Atom, Flags, Term, Terms};
use crate::ops::Role;

/// What a group's channels are for, as far as axis terms and operators tell; no definition asks what network it is.
///
/// Where several fit, the first of these counts: experts, distribution, heads, head-dim, residual, conv; ffn is the
/// rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AxisKind {
    /// Channels that a convolution writes or reads, residual ones too. A depthwise convolution does neither: it
    /// follows.
    Conv,
    /// Neurons that only linear layers write and read.
    Ffn,
    /// Channels within each head: what shares a product of axes (or, on separate axes, a role in one weight) with
    /// heads, and what two activations are contracted over.
    HeadDim,
    /// Heads: a product of two activations is taken separately for each. Where queries share keys and values, the
    /// key/value heads, each with its queries.
    Heads,
    /// Query heads that share a key/value head: the factor beside the key/value heads that keys do not carry. The same
    /// ones go from every key/value head.
    QueryHeads,
    /// The width of embeddings, and of sums of several layers' outputs that a normalisation takes its statistics over
    /// or that only linear layers write.
    Residual,
    /// Experts of a mixture: a weight holds a matrix of its own for each.
    Experts,
    /// Bins of a distribution: a Softmax normalises over them.
    Distribution,
}

impl AxisKind {
    /// All kinds, those that shrink by default first.
    pub const ALL: [AxisKind; 8] = [
        AxisKind::Conv,
        AxisKind::Ffn,
        AxisKind::HeadDim,
        AxisKind::Heads,
        AxisKind::QueryHeads,
        AxisKind::Residual,
        AxisKind::Experts,
        AxisKind::Distribution,
    ];

    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            AxisKind::Conv => "conv",
            AxisKind::Ffn => "ffn",
            AxisKind::HeadDim => "head-dim",
            AxisKind::Heads => "heads",
            AxisKind::QueryHeads => "query-heads",
            AxisKind::Residual => "residual",
            AxisKind::Experts => "experts",
            AxisKind::Distribution => "distribution",
        }
    }

    /// One line for lists.
    pub fn summary(self) -> &'static str {
        match self {
            AxisKind::Conv => "channels of convolutions, residual ones too",
            AxisKind::Ffn => "neurons between linear layers",
            AxisKind::HeadDim => "channels within attention heads, the same in every head",
            AxisKind::Heads => "whole attention heads; key/value heads with their queries where queries share them",
            AxisKind::QueryHeads => "query heads that share a key/value head, the same of each",
            AxisKind::Residual => "width of embeddings and of the residual stream that layers read and add to",
            AxisKind::Experts => "whole experts of a mixture",
            AxisKind::Distribution => "bins that a Softmax normalises",
        }
    }
}

impl fmt::Display for AxisKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no kind has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of axis is named '{name}'; known are {known}", known = AxisKind::ALL.map(AxisKind::name).join(", "))]
pub struct UnknownKind {
    name: String,
}

impl FromStr for AxisKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<AxisKind, UnknownKind> {
        AxisKind::ALL.into_iter().find(|k| k.name() == name).ok_or_else(|| UnknownKind { name: name.to_owned() })
    }
}

/// Gives each group its kind.
pub(super) fn assign(groups: &mut [Group], views: &Views, relations: &Relations) {
    let terms = &relations.terms;
    let beside = Beside::heads(views, terms);
    for g in groups.iter_mut() {
        let Flags { distribution, batched, compared, separate, convolved, added, normalized, .. } = g.flags;
        g.kind = if separate && !batched {
            AxisKind::Experts
        } else if distribution {
            AxisKind::Distribution
        } else if batched {
            AxisKind::Heads
        } else if compared || beside.inside.contains(&g.atom) {
            AxisKind::HeadDim
        } else if is_embedding(g) || added && (normalized || !convolved) {
            AxisKind::Residual
        } else if convolved {
            AxisKind::Conv
        } else {
            AxisKind::Ffn
        };
    }
    query_heads(groups, &beside.pairs);
}

fn is_embedding(g: &Group) -> bool {
    g.items.iter().any(|i| i.role == Role::Embedding)
}

/// Atoms found beside heads in weights.
#[derive(Default)]
struct Beside {
    /// Those that are no heads themselves.
    inside: HashSet<Atom>,
    /// Two kinds of heads on one axis.
    pairs: HashSet<(Atom, Atom)>,
}

impl Beside {
    fn heads(views: &Views, terms: &Terms) -> Beside {
        let mut out = Beside::default();
        for v in views {
            for t in &v.axes {
                for part in terms.segments(*t) {
                    out.look_at(&terms.factors(part), terms);
                }
            }
            // Heads and their insides may also have an axis each.
            for role in [Role::Out, Role::In] {
                let axes: Vec<Term> =
                    v.axes.iter().zip(&v.roles).filter(|(_, r)| **r == role).map(|(t, _)| *t).collect();
                out.look_at(&axes, terms);
            }
        }
        out
    }

    fn look_at(&mut self, factors: &[Term], terms: &Terms) {
        if factors.len() < 2 {
            return;
        }
        let mut leaves: Vec<Atom> = factors.iter().flat_map(|f| terms.leaves(*f)).collect();
        let mut seen = HashSet::new();
        leaves.retain(|l| terms.frozen(*l).is_none() && seen.insert(*l));
        let (heads, others): (Vec<Atom>, Vec<Atom>) = leaves.into_iter().partition(|l| terms.flags(*l).batched);
        if !heads.is_empty() {
            self.inside.extend(others);
        }
        for (i, a) in heads.iter().enumerate() {
            self.pairs.extend(heads[i + 1..].iter().filter(|b| *b != a).map(|b| (*a, *b)));
        }
    }
}

/// Of two kinds of heads on one axis, those that fewer positions carry are query heads within the others: keys and
/// values have none of them.
fn query_heads(groups: &mut [Group], pairs: &HashSet<(Atom, Atom)>) {
    let written = |g: &Group| g.items.iter().filter(|i| i.role == Role::Out).map(|i| i.positions()).sum::<usize>();
    let at = |atom: Atom| groups.iter().position(|g| g.atom == atom && g.kind == AxisKind::Heads);
    let mut inner = Vec::new();
    for &(a, b) in pairs {
        let (Some(a), Some(b)) = (at(a), at(b)) else { continue };
        match written(&groups[a]).cmp(&written(&groups[b])) {
            std::cmp::Ordering::Less => inner.push(a),
            std::cmp::Ordering::Greater => inner.push(b),
            std::cmp::Ordering::Equal => {}
        }
    }
    inner.into_iter().for_each(|i| groups[i].kind = AxisKind::QueryHeads);
}
