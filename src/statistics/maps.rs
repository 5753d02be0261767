//! Ranks of the feature maps of a group's channels.

use rayon::prelude::*;

use super::error::NOT_FINITE;
use super::patches::Lot;
use crate::algebra::NOT_HERE;
use crate::analysis::{Analysis, Group, TensorId};
use crate::matrix::Ranks;
use crate::ops::Role;

/// A tensor that carries a group where a weight reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Maps {
    /// The group.
    pub(super) group: usize,
    /// The tensor.
    pub(super) data: TensorId,
    /// The axis that carries the group.
    axis: usize,
    /// Positions of each channel on that axis.
    positions: Vec<Vec<usize>>,
    /// Sum of ranks by channel.
    pub(super) sums: Vec<u64>,
    /// Maps of each channel.
    pub(super) count: u64,
}

/// The tensors that carry the groups where weights read them.
pub(super) fn maps(a: &Analysis) -> Vec<Maps> {
    a.groups.iter().enumerate().flat_map(|(g, group)| of_group(a, g, group)).collect()
}

fn of_group(a: &Analysis, g: usize, group: &Group) -> Vec<Maps> {
    let mut out: Vec<Maps> = Vec::new();
    let uses = group.items.iter().filter(|i| i.role == Role::In).flat_map(|i| &a.views[i.view].uses);
    // What subgraphs of control flow compute is no tensor that a caller can ask for.
    let uses = uses.filter(|u| a.graph.scope_of(u.node) == 0);
    for id in uses.flat_map(|u| a.graph.inputs[u.node].iter().flatten()) {
        let open = a.graph.constants[*id].is_none() && a.facts.tensors[*id].dtype.is_real();
        let Some(axes) = a.relations.tensors[*id].as_ref().filter(|_| open) else { continue };
        for (axis, t) in axes.iter().enumerate().skip(1) {
            if !a.relations.terms.leaves(*t).contains(&group.atom)
                || out.iter().any(|m| m.data == *id && m.axis == axis)
            {
                continue;
            }
            let Some(channel) = a.relations.terms.channel_map(*t, group.atom) else { continue };
            let mut positions = vec![Vec::new(); group.size];
            for (p, c) in channel.iter().enumerate().filter(|(_, c)| **c != NOT_HERE) {
                positions[*c as usize].push(p);
            }
            out.push(Maps { group: g, data: *id, axis, positions, sums: vec![0; group.size], count: 0 });
        }
    }
    out
}

/// How the maps of a tensor lie in memory.
struct MapLayout {
    /// First value of sample n, position p: n·sample + p·position.
    sample: usize,
    position: usize,
    /// Offset of each row, and of each column of a row.
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Maps {
    /// Adds the ranks of a batch. A tensor whose maps have one row or one column has no rank to speak of.
    pub(super) fn add(&mut self, values: &[f32], shape: &[usize], lot: Lot) -> Result<(), String> {
        if shape.len() <= self.axis || values.len() != shape.iter().product::<usize>() {
            return Err(format!("shape {shape:?} is not what the graph says"));
        }
        let needed = self.positions.iter().flatten().max().map_or(0, |p| p + 1);
        if needed > shape[self.axis] {
            return Err(format!("axis {} of shape {shape:?} has fewer than {needed} positions", self.axis));
        }
        let stride = |k: usize| shape[k + 1..].iter().product::<usize>();
        let others: Vec<usize> = (1..shape.len()).filter(|k| *k != self.axis).collect();
        let offsets = |axes: &[usize]| {
            axes.iter().fold(vec![0], |all: Vec<usize>, k| {
                let (n, step) = (shape[*k], stride(*k));
                all.iter().flat_map(|o| (0..n).map(move |i| o + i * step)).collect()
            })
        };
        let (last, rest) = others.split_last().map_or((&[][..], &[][..]), |(l, r)| (std::slice::from_ref(l), r));
        // Tokens have one axis: a channel's positions are then the other side of its map.
        let tokens = rest.is_empty();
        let layout = MapLayout {
            sample: stride(0),
            position: stride(self.axis),
            rows: offsets(if tokens { last } else { rest }),
            columns: if tokens { Vec::new() } else { offsets(last) },
        };
        let width = if tokens { self.positions.iter().map(Vec::len).max().unwrap_or(0) } else { layout.columns.len() };
        if layout.rows.len().min(width) < 2 {
            return Ok(());
        }
        // What fills a batch up is not looked at.
        let used = if lot.filled > 0 && shape[0].is_multiple_of(lot.filled) {
            shape[0] / lot.filled * lot.samples.min(lot.filled)
        } else {
            shape[0]
        };
        let positions = &self.positions;
        let sums = (0..used)
            .into_par_iter()
            .map_init(Default::default, |(ranks, map): &mut (Ranks, Vec<f32>), n| {
                positions.iter().map(|at| layout.rank(values, n, at, ranks, map)).collect::<Option<Vec<u64>>>()
            })
            .reduce_with(|a, b| Some(a?.into_iter().zip(b?).map(|(a, b)| a + b).collect()))
            .unwrap_or_default();
        let sums = sums.ok_or_else(|| NOT_FINITE.to_owned())?;
        for (sum, new) in self.sums.iter_mut().zip(sums) {
            *sum += new;
        }
        self.count += used as u64;
        Ok(())
    }

    /// Mean rank of each channel's maps; `None` where there was none.
    pub(super) fn means(&self) -> Option<Vec<f64>> {
        (self.count > 0).then(|| self.sums.iter().map(|s| *s as f64 / self.count as f64).collect())
    }
}

impl MapLayout {
    /// Rank of the map of a channel with these positions; the sum over positions where each has a map of its own.
    /// `None` where a value is not finite.
    fn rank(&self, values: &[f32], n: usize, at: &[usize], ranks: &mut Ranks, map: &mut Vec<f32>) -> Option<u64> {
        let start = n * self.sample;
        if self.columns.is_empty() {
            map.clear();
            map.extend(self.rows.iter().flat_map(|r| at.iter().map(move |p| values[start + r + p * self.position])));
            return ranks.rank(map, self.rows.len(), at.len()).map(|r| r as u64);
        }
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let contiguous =
            self.columns.last() == Some(&(columns - 1)) && self.rows.last() == Some(&((rows - 1) * columns));
        let mut sum = 0;
        for p in at {
            let from = start + p * self.position;
            sum += if contiguous {
                ranks.rank(&values[from..from + rows * columns], rows, columns)
            } else {
                map.clear();
                map.extend(self.rows.iter().flat_map(|r| self.columns.iter().map(move |c| values[from + r + c])));
                ranks.rank(map, rows, columns)
            }? as u64;
        }
        Some(sum)
    }
}
