//! What the layers that read a group lose as its channels go, if what is left makes up for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;

use super::collect::moments;
use super::consumers::Consumer;
use super::error::Result;
use super::layers::Layer;
use super::source::Calibration;
use crate::algebra::NOT_HERE;
use crate::analysis::{Analysis, NodeId};
use crate::matrix::{Elimination, Moments, Reader, eliminate, inverse};
use crate::ops::Role;

/// Shares of a group at which its readers are kept as they then are.
pub const SHARES: [f64; 2] = [0.3, 0.7];

/// Bytes of moments that wait for the rest of a group.
const WAITING: u64 = 512 << 20;

/// Bytes of what is made of moments for groups that are settled together.
const PREPARED: u64 = 512 << 20;

/// A scale below this part of the largest counts as this part.
const IDLE: f32 = 1e-4;

/// What is lost as channels of a group go in some order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorCurve {
    /// All channels in the order in which they go.
    pub order: Vec<u32>,
    /// What is lost once so many have gone, from 0 to all but one: a share of the mean square that the readers give,
    /// the mean over readers.
    pub errors: Vec<f64>,
    /// The readers at some points.
    pub points: Vec<Point>,
}

/// The readers of a group once some of its channels have gone, by least squares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Channels gone.
    pub gone: usize,
    /// For each reader (an index into the layers), its weight in full shape as [`Consumer::weight`] gives it, with
    /// zeros where channels have gone, and what is added to each of its outputs.
    pub readers: Vec<(usize, Vec<f32>, Vec<f32>)>,
}

impl ErrorCurve {
    /// A score for each channel: what is lost once it has gone, too.
    pub fn scores(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.order.len()];
        // Without the last one, everything is lost.
        let all = self.errors.last().map_or(1.0, |e| e.max(1.0) * 1.001);
        for (k, c) in self.order.iter().enumerate() {
            out[*c as usize] = self.errors.get(k + 1).copied().unwrap_or(all);
        }
        out
    }
}

/// The curves of all groups, each in the order that `orders` gives it, or else in that of backward elimination; `None`
/// for groups that no layer reads. `layers` are those of the model.
///
/// # Errors
/// When the data or the runtime fails, or an activation is not finite.
pub fn curves(
    a: &Analysis,
    layers: &[Layer],
    orders: Option<&[Vec<u32>]>,
    calibration: &Calibration,
) -> Result<Vec<Option<ErrorCurve>>> {
    let readers: Vec<Vec<usize>> = (0..a.groups.len()).map(|g| readers(a, layers, g)).collect();
    let used: BTreeSet<usize> = readers.iter().flatten().copied().collect();
    let by_node: BTreeMap<NodeId, usize> = used.iter().map(|l| (layers[*l].consumer.node, *l)).collect();
    let consumers: Vec<Consumer> = used.iter().map(|l| layers[*l].consumer.clone()).collect();
    let mut out: Vec<Option<ErrorCurve>> = vec![None; a.groups.len()];
    let mut open: BTreeSet<usize> = (0..a.groups.len()).filter(|g| !readers[*g].is_empty()).collect();
    let mut known: BTreeMap<usize, Vec<Moments>> = BTreeMap::new();
    let mut settle = |known: &mut BTreeMap<usize, Vec<Moments>>| {
        let ready: Vec<usize> =
            open.iter().copied().filter(|g| readers[*g].iter().all(|l| known.contains_key(l))).collect();
        let mut rest = ready.as_slice();
        while let Some(first) = rest.first() {
            // Layers that read several groups are prepared once, for as many groups as there is room.
            let mut needed: BTreeSet<usize> = readers[*first].iter().copied().collect();
            let mut n = 1;
            while let Some(next) = rest.get(n) {
                let more: BTreeSet<usize> = needed.iter().chain(&readers[*next]).copied().collect();
                let bytes = more.iter().filter_map(|l| known.get(l)).flatten().map(|m| Moments::bytes(m.width()) * 4);
                if bytes.sum::<u64>() > PREPARED {
                    break;
                }
                (needed, n) = (more, n + 1);
            }
            let prepared: BTreeMap<usize, Vec<Centred>> = needed
                .into_iter()
                .collect::<Vec<_>>()
                .into_par_iter()
                .with_max_len(1)
                .filter_map(|l| Some((l, known.get(&l)?.iter().map(Centred::of).collect::<Option<_>>()?)))
                .collect();
            let (now, later) = rest.split_at(n);
            let order = |g: usize| orders.map(|o| o[g].as_slice());
            let found: Vec<Option<ErrorCurve>> = now
                .par_iter()
                .with_max_len(1)
                .map(|g| curve(a, layers, *g, &readers[*g], order(*g), &prepared))
                .collect();
            for (g, curve) in now.iter().zip(found) {
                open.remove(g);
                out[*g] = curve;
            }
            rest = later;
        }
        known.retain(|l, _| open.iter().any(|g| readers[*g].contains(l)));
    };
    moments(a, &consumers, calibration, &mut |consumer, moments| {
        if let Some(l) = by_node.get(&consumer.node) {
            known.insert(*l, moments.to_vec());
        }
        let bytes: u64 = known.values().flatten().map(|m| Moments::bytes(m.width())).sum();
        if bytes > WAITING {
            settle(&mut known);
        }
        Ok(())
    })?;
    settle(&mut known);
    Ok(out)
}

/// The layers that read a group through their weight.
fn readers(a: &Analysis, layers: &[Layer], group: usize) -> Vec<usize> {
    let reads = |l: &Layer| {
        let c = &l.consumer;
        let item =
            |i: &&crate::analysis::Item| i.role == Role::In && i.view == c.view && i.axis == c.contraction.in_axis;
        a.groups[group].items.iter().any(|i| item(&i))
    };
    (0..layers.len()).filter(|l| reads(&layers[*l])).collect()
}

fn curve(
    a: &Analysis,
    layers: &[Layer],
    group: usize,
    readers: &[usize],
    order: Option<&[u32]>,
    prepared: &BTreeMap<usize, Vec<Centred>>,
) -> Option<ErrorCurve> {
    let g = &a.groups[group];
    let mut parts = Vec::new();
    let mut means = Vec::new();
    let mut full = Vec::new();
    let mut scales = Vec::new();
    for l in readers {
        let (layer, c) = (&layers[*l], &layers[*l].consumer);
        let item = g.items.iter().find(|i| i.view == c.view && i.axis == c.contraction.in_axis)?;
        let unit = |i: usize| item.channel.get(i).copied().filter(|c| *c != NOT_HERE).unwrap_or(u32::MAX);
        let units: Vec<u32> = (0..c.width()).map(|e| unit(e / c.kernel)).collect();
        let weight = c.weight(a).ok()?;
        let largest = layer.after.scale.iter().fold(0.0f32, |m, s| m.max(s.abs()));
        let scale: Vec<f64> = (layer.after.scale.iter())
            .map(|s| f64::from(if s.abs() > IDLE * largest { *s } else { (IDLE * largest).max(f32::MIN_POSITIVE) }))
            .collect();
        let per_group = c.outputs / c.contraction.groups;
        for (k, m) in prepared.get(l)?.iter().enumerate() {
            let row = |o: usize| k * per_group + o;
            let weights = Array2::from_shape_fn((per_group, c.width()), |(o, e)| {
                scale[row(o)] * f64::from(weight[row(o) * c.width() + e])
            });
            means.push(&m.mean);
            let (covariance, inverse) = (Arc::clone(&m.covariance), Arc::clone(&m.inverse));
            parts.push(Reader { weights, covariance, inverse, units: units.clone(), layer: *l });
        }
        full.push(weight);
        scales.push(scale);
    }
    let mut at: Vec<usize> =
        SHARES.iter().map(|s| ((s * g.size as f64).round() as usize).clamp(1, g.size.max(2) - 1)).collect();
    at.dedup();
    let Elimination { order, errors, snapshots } = eliminate(parts, g.size, order, &at)?;
    let point = |s: crate::matrix::Snapshot| {
        let mut found = s.weights.iter().zip(&means);
        let mut out = Point { gone: s.gone, readers: Vec::new() };
        for ((l, old), scale) in readers.iter().zip(&full).zip(&scales) {
            let c = &layers[*l].consumer;
            let per_group = c.outputs / c.contraction.groups;
            let (mut weight, mut addend) = (Vec::with_capacity(old.len()), Vec::with_capacity(c.outputs));
            for k in 0..c.contraction.groups {
                let (new, mean) = found.next()?;
                for o in 0..per_group {
                    let row = k * per_group + o;
                    let from = weight.len();
                    weight.extend(new.row(o).iter().map(|w| (w / scale[row]) as f32));
                    let lost = old[from..].iter().zip(&weight[from..]).zip(mean.iter());
                    addend.push(lost.map(|((a, b), m)| f64::from(a - b) * m).sum::<f64>() as f32);
                }
            }
            out.readers.push((*l, weight, addend));
        }
        Some(out)
    };
    let points = snapshots.into_iter().map(point).collect::<Option<_>>()?;
    Some(ErrorCurve { order, errors, points })
}

/// What is known of the patches that one group of a layer reads.
struct Centred {
    mean: Vec<f64>,
    covariance: Arc<Array2<f64>>,
    inverse: Arc<Array2<f64>>,
}

impl Centred {
    fn of(m: &Moments) -> Option<Centred> {
        let (n, count) = (m.width(), m.count() as f64);
        if count == 0.0 {
            return None;
        }
        let mean: Vec<f64> = (0..n).map(|i| f64::from(m.get(n, i)) / count).collect();
        let covariance = Array2::from_shape_fn((n, n), |(i, j)| f64::from(m.get(i, j)) / count - mean[i] * mean[j]);
        let inverse = Arc::new(inverse(&covariance)?);
        Some(Centred { mean, covariance: Arc::new(covariance), inverse })
    }
}
