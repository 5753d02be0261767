//! The groups of a model as a Graphviz digraph.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use super::data::{Recipe, overview};
use super::text::percent;
use crate::algebra::Atom;
use crate::analysis::{Analysis, AxisKind, NodeId};
use crate::escape;
use crate::ops::Role;

/// How the diagram looks: from the top down, so that a page holds its width.
const LOOK: &str = "\
digraph groups {
  graph [rankdir=TB, ranksep=0.45, nodesep=0.25];
  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=12, margin=\"0.12,0.05\", height=0.4];
  edge [fontname=\"sans-serif\", fontsize=10, arrowsize=0.7];
";

/// A report that is of another model.
#[derive(Debug, thiserror::Error)]
#[error("the report is not of this model: {0}")]
pub struct OtherModel(String);

/// A digraph: a node per group, coloured by kind; an edge A → B for each weight that reads group A and writes group
/// B, with its share of the MACs (the weight that gives B its name is not named again); grey boxes for frozen ends.
/// With a report each group shows its channels before and after.
///
/// # Errors
/// When the report is of a model with other groups.
pub fn dot(a: &Analysis, report: Option<&Recipe>) -> Result<String, OtherModel> {
    let mut out = LOOK.to_owned();
    // Writing to a string cannot fail.
    for (i, (g, change)) in a.groups.iter().zip(overview(a, None).groups).enumerate() {
        let size = match report {
            None => g.size.to_string(),
            Some(report) => {
                let found = report.groups.iter().find(|r| r.name == g.name && r.before == g.size);
                let found = found.ok_or_else(|| {
                    OtherModel(format!("it has no group '{}' of {} channels", escape::line(&g.name), g.size))
                })?;
                match found.kept.len() {
                    n if n == g.size => n.to_string(),
                    n => format!("{} → {n}", g.size),
                }
            }
        };
        let label = label(&[short(&g.name), &format!("{size} {}", change.kind)]);
        let dashed = if g.flags.mixed { ", style=\"filled,rounded,dashed\"" } else { "" };
        let _ = writeln!(out, "  g{i} [label={label}, fillcolor=\"{}\"{dashed}];", colour(g.kind));
    }
    let edges = edges(a);
    let ends: BTreeSet<&str> = edges
        .iter()
        .flat_map(|e| [&e.from, &e.to])
        .filter_map(|end| match end {
            End::Frozen(reason) => Some(*reason),
            End::Group(_) => None,
        })
        .collect();
    for reason in &ends {
        let (id, shown) = (frozen_id(reason), label(&[reason.trim_start_matches("graph ")]));
        let _ = writeln!(out, "  {id} [label={shown}, fillcolor=grey85];");
    }
    for e in &edges {
        let named = match e.to {
            End::Group(i) => a.groups[i].name == e.weight,
            End::Frozen(_) => false,
        };
        let share = percent(e.share);
        let label = if named { label(&[&share]) } else { label(&[short(e.weight), &share]) };
        let _ = writeln!(out, "  {} -> {} [label={label}];", e.from.id(), e.to.id());
    }
    out.push_str("}\n");
    Ok(out)
}

/// What exporters put behind the name of a layer says nothing here.
fn short(weight: &str) -> &str {
    weight.strip_suffix(".weight").filter(|name| !name.is_empty()).unwrap_or(weight)
}

fn colour(kind: AxisKind) -> &'static str {
    match kind {
        AxisKind::Conv => "lightblue",
        AxisKind::Ffn => "lightcyan",
        AxisKind::HeadDim => "palegreen",
        AxisKind::Heads => "gold",
        AxisKind::QueryHeads => "khaki",
        AxisKind::Residual => "lightpink",
        AxisKind::Experts => "sandybrown",
        AxisKind::Distribution => "plum",
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End<'a> {
    Group(usize),
    Frozen(&'a str),
}

impl End<'_> {
    fn id(&self) -> String {
        match self {
            End::Group(i) => format!("g{i}"),
            End::Frozen(reason) => frozen_id(reason),
        }
    }
}

struct Edge<'a> {
    from: End<'a>,
    to: End<'a>,
    weight: &'a str,
    share: f64,
}

fn edges<'a>(a: &'a Analysis) -> Vec<Edge<'a>> {
    let full = a.full_counts();
    let total = a.costs.macs.eval(&full).max(1.0);
    let mut macs: BTreeMap<NodeId, f64> = BTreeMap::new();
    for (i, node) in a.costs.mac_nodes.iter().enumerate() {
        *macs.entry(*node).or_default() += a.costs.macs.eval_product(i, &full);
    }
    let groups: HashMap<Atom, usize> = a.groups.iter().enumerate().map(|(i, g)| (g.atom, i)).collect();
    let mut edges = Vec::new();
    for v in &a.views {
        let ends = |wanted: &[Role]| -> BTreeSet<End<'a>> {
            let axes = v.axes.iter().zip(&v.roles).filter(|(_, r)| wanted.contains(r));
            axes.flat_map(|(t, _)| a.relations.terms.leaves(*t)).filter_map(|atom| end(a, &groups, atom)).collect()
        };
        let share = v.uses.iter().filter_map(|u| macs.get(&u.node)).sum::<f64>() / total;
        let weight = a.graph.weight_name(v.tensor);
        for from in ends(&[Role::In]) {
            for to in ends(&[Role::Out, Role::Embedding]) {
                edges.push(Edge { from: from.clone(), to, weight, share });
            }
        }
    }
    edges
}

/// The group or obstacle of an atom; of axes of size 1 only the model's own ends are worth a box.
fn end<'a>(a: &'a Analysis, groups: &HashMap<Atom, usize>, atom: Atom) -> Option<End<'a>> {
    if let Some(i) = groups.get(&atom) {
        return Some(End::Group(*i));
    }
    let terms = &a.relations.terms;
    let reason = terms.frozen(atom).map_or("frozen", |r| r.kind);
    (terms.size(atom).known() != Some(1) || reason.starts_with("graph ")).then_some(End::Frozen(reason))
}

fn frozen_id(reason: &str) -> String {
    label(&[&format!("frozen {reason}")])
}

/// A quoted text of these lines.
fn label(lines: &[&str]) -> String {
    let line = |text: &&str| escape::line(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", lines.iter().map(line).collect::<Vec<_>>().join("\\n"))
}
