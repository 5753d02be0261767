//! From batches to what criteria and least squares need.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::consumers::{Consumer, consumers};
use super::error::{Error, NOT_FINITE, Result};
use super::maps::{Maps, maps};
use super::patches::{Lot, Reading, Sampler};
use super::source::Calibration;
use super::tap::{Tap, tapped};
use crate::analysis::{Analysis, Graph, TensorId};
use crate::data::Batch;
use crate::matrix::Moments;
use crate::ops::Role;
use crate::runtime::View;

/// Bytes of moments and activations that are held at once; more take several passes over the data.
const BUDGET: u64 = 1 << 30;

/// Samples that activations are counted for.
const USUAL_BATCH: u64 = 32;

/// A patch wider than this is not looked at: its moments alone would take this many bytes.
const WIDEST: u64 = 2 << 30;

/// What to collect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Gram matrices of the channels' shares in what reads them.
    pub grams: bool,
    /// Ranks of feature maps.
    pub ranks: bool,
}

/// What the data says of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupStatistics {
    /// ⟨Z_c, Z_d⟩ over sampled positions, C × C row-major and symmetric: Z_c is the share that channel c has in the
    /// outputs of the nodes that read the group, summed over these nodes. `None` where no node could be looked at.
    pub gram: Option<Vec<f64>>,
    /// What is lost once a channel has gone after all that go before it, if what is left makes up for it
    /// (see `curves`). `None` where no node could be looked at.
    pub errors: Option<Vec<f64>>,
    /// Σ of variance · ‖weights‖² over the numbers that a channel gives the nodes that read the group. `None` where
    /// no node could be looked at.
    pub variances: Option<Vec<f64>>,
    /// Mean rank of each channel's feature maps; `None` where maps have one row or one column.
    pub ranks: Option<Vec<f64>>,
}

/// Statistics of all groups.
///
/// # Errors
/// When the data or the runtime fails, or an activation is not finite.
pub fn collect(a: &Analysis, wanted: Wanted, calibration: &Calibration) -> Result<Vec<GroupStatistics>> {
    let mut out = vec![GroupStatistics::default(); a.groups.len()];
    if wanted.grams {
        // Which groups read a consumer's weight, and along which map.
        let mut readers: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (g, group) in a.groups.iter().enumerate() {
            for (i, item) in group.items.iter().enumerate().filter(|(_, i)| i.role == Role::In) {
                readers.entry(item.variant).or_default().push((g, i));
            }
        }
        let all = consumers(a);
        moments(a, &all, calibration, &mut |consumer, moments| {
            for &(g, i) in readers.get(&consumer.variant).into_iter().flatten() {
                let (group, item) = (&a.groups[g], &a.groups[g].items[i]);
                if item.axis == consumer.contraction.in_axis {
                    let gram = shares(a, consumer, moments, &item.channel, group.size)?;
                    add(&mut out[g].gram, gram);
                    let variances = variances(a, consumer, moments, &item.channel, group.size)?;
                    add(&mut out[g].variances, variances);
                }
            }
            Ok(())
        })?;
    }
    if wanted.ranks {
        for m in ranks(a, calibration)? {
            if let Some(means) = m.means() {
                add(&mut out[m.group].ranks, means);
            }
        }
    }
    Ok(out)
}

fn add(to: &mut Option<Vec<f64>>, more: Vec<f64>) {
    match to {
        Some(sums) => sums.iter_mut().zip(more).for_each(|(s, m)| *s += m),
        None => *to = Some(more),
    }
}

/// The Gram matrix of a group's shares in what one consumer gives.
fn shares(
    a: &Analysis,
    consumer: &Consumer,
    moments: &[Moments],
    channel: &[u32],
    channels: usize,
) -> Result<Vec<f64>> {
    let weight = consumer.weight(a)?;
    let entries: Vec<u32> = channel.iter().flat_map(|c| std::iter::repeat_n(*c, consumer.kernel)).collect();
    let rows = weight.len() / moments.len().max(1);
    let mut sum = vec![0.0; channels * channels];
    for (moments, weight) in moments.iter().zip(weight.chunks(rows.max(1))) {
        let own = moments.shares(weight, &entries, channels);
        sum.iter_mut().zip(own).for_each(|(s, g)| *s += g);
    }
    Ok(sum)
}

/// For each channel of a group Σ var(x)·‖W_x‖² over its entries x in the patches of one consumer.
fn variances(
    a: &Analysis,
    consumer: &Consumer,
    moments: &[Moments],
    channel: &[u32],
    channels: usize,
) -> Result<Vec<f64>> {
    let weight = consumer.weight(a)?;
    let (width, rows) = (consumer.width(), weight.len() / moments.len().max(1));
    let mut out = vec![0.0; channels];
    for (moments, weight) in moments.iter().zip(weight.chunks(rows.max(1))) {
        let count = moments.count().max(1) as f64;
        for e in 0..width {
            let Some(to) = channel.get(e / consumer.kernel).and_then(|c| out.get_mut(*c as usize)) else { continue };
            let mean = f64::from(moments.get(width, e)) / count;
            let variance = (f64::from(moments.get(e, e)) / count - mean * mean).max(0.0);
            let norm: f64 = weight.iter().skip(e).step_by(width).map(|w| f64::from(*w).powi(2)).sum();
            *to += variance * norm;
        }
    }
    Ok(out)
}

/// Collects the moments of the patches that each consumer's weight meets (one for each group of a grouped
/// convolution) and hands them over one by one, in several passes over the data where they would take too much memory.
/// Consumers whose patches are too wide are left out.
///
/// # Errors
/// When the data or the runtime fails, an activation is not finite, or `done` fails.
pub fn moments(
    a: &Analysis,
    consumers: &[Consumer],
    calibration: &Calibration,
    done: &mut dyn FnMut(&Consumer, &[Moments]) -> Result<()>,
) -> Result<()> {
    let mut readings: BTreeMap<Reading, Vec<&Consumer>> = BTreeMap::new();
    for c in consumers {
        readings.entry(Reading::of(c)).or_default().push(c);
    }
    let bytes = |r: &Reading| Moments::bytes(r.width()) * r.groups() as u64;
    readings.retain(|r, _| bytes(r) <= WIDEST);
    for pass in passes(readings.into_iter().collect(), |(r, _)| bytes(r) + activation_bytes(a, r.data)) {
        let readings: Vec<&Reading> = pass.iter().map(|(r, _)| r).collect();
        for ((_, consumers), moments) in pass.iter().zip(one_pass(a, &readings, calibration)?) {
            for c in consumers {
                done(c, &moments)?;
            }
        }
    }
    Ok(())
}

/// Cuts a list into passes over the data that stay within the budget, or hold one item.
fn passes<T>(items: Vec<T>, bytes: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let mut out: Vec<Vec<T>> = Vec::new();
    let mut total = 0;
    for item in items {
        let own = bytes(&item);
        total += own;
        match out.last_mut() {
            Some(last) if total <= BUDGET => last.push(item),
            _ => {
                total = own;
                out.push(vec![item]);
            }
        }
    }
    out
}

/// Bytes of a tensor in a batch of usual size.
fn activation_bytes(a: &Analysis, id: TensorId) -> u64 {
    let shape = a.facts.concrete(id, &a.facts.bindings).unwrap_or_default();
    shape.iter().fold(4 * USUAL_BATCH, |n, d| n.saturating_mul(*d as u64))
}

fn one_pass(a: &Analysis, readings: &[&Reading], calibration: &Calibration) -> Result<Vec<Vec<Moments>>> {
    let mut sums: Vec<Vec<Moments>> = readings.iter().map(|r| vec![Moments::new(r.width()); r.groups()]).collect();
    let sampler = Sampler { seed: calibration.seed, positions: calibration.positions };
    let data: Vec<usize> = readings.iter().map(|r| r.data).collect();
    each_batch(a, &data, calibration, &mut |tensors, lot| {
        let added = readings.par_iter().zip(&mut sums).with_max_len(1).map(|(reading, sums)| {
            let (shape, values) = tensors.of(reading.data)?;
            let patches =
                reading.gather(&values, shape, lot, sampler).map_err(|why| tensors.wrong(reading.data, why))?;
            if patches.iter().flatten().any(|v| !v.is_finite()) {
                return Err(tensors.wrong(reading.data, NOT_FINITE.to_owned()));
            }
            patches.iter().zip(sums).for_each(|(rows, sums)| sums.add(rows));
            Ok(())
        });
        added.collect::<Vec<Result<()>>>().into_iter().collect()
    })?;
    Ok(sums)
}

fn ranks(a: &Analysis, calibration: &Calibration) -> Result<Vec<Maps>> {
    let mut out = Vec::new();
    for mut pass in passes(maps(a), |m| activation_bytes(a, m.data)) {
        ranks_of(a, &mut pass, calibration)?;
        out.append(&mut pass);
    }
    Ok(out)
}

fn ranks_of(a: &Analysis, all: &mut [Maps], calibration: &Calibration) -> Result<()> {
    let data: Vec<usize> = all.iter().map(|m| m.data).collect();
    each_batch(a, &data, calibration, &mut |tensors, lot| {
        for m in &mut *all {
            let (shape, values) = tensors.of(m.data)?;
            m.add(&values, shape, lot).map_err(|why| tensors.wrong(m.data, why))?;
        }
        Ok(())
    })
}

/// The tensors of one batch.
struct Tensors<'b> {
    graph: &'b Graph,
    outputs: BTreeMap<&'b str, &'b View<'b>>,
    batch: &'b Batch,
}

impl Tensors<'_> {
    /// Shape and values.
    fn of(&self, id: usize) -> Result<(&[usize], Cow<'_, [f32]>)> {
        let view = self.outputs.get(self.graph.name(id)).ok_or_else(|| self.wrong(id, "is missing".to_owned()))?;
        let values = view.floats().ok_or_else(|| self.wrong(id, "holds no floats".to_owned()))?;
        Ok((view.shape(), values))
    }

    fn wrong(&self, id: usize, why: String) -> Error {
        let sample = self.batch.names.first().cloned().unwrap_or_default();
        Error::Activation { tensor: self.graph.name(id).to_owned(), sample, why }
    }
}

type Visit<'v> = dyn FnMut(&Tensors, Lot) -> Result<()> + 'v;

fn each_batch(a: &Analysis, data: &[usize], calibration: &Calibration, visit: &mut Visit) -> Result<()> {
    let mut ids = data.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    let model = tapped(&a.graph.model, ids.iter().map(|id| a.graph.name(*id)))?;
    let mut tap = Tap::open(&model, calibration)?;
    tap.run(&mut |batch, outputs, before| {
        let outputs = outputs.iter().map(|(n, view)| (*n, view)).collect();
        let filled = batch.inputs.first().and_then(|(_, t)| t.shape().first().copied()).unwrap_or(0);
        visit(&Tensors { graph: &a.graph, outputs, batch }, Lot { samples: batch.len(), filled, before })
    })?;
    Ok(())
}
