//! From batches to what criteria and least squares need.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::consumers::{Consumer, consumers};
use super::error::{Error, NOT_FINITE, Result};
use super::key::{AnyKey, GroupStatistics};
use super::maps::{Maps, maps};
use super::patches::{Lot, Reading, Sampler};
use super::probe::{ActivationProbe, with_probes};
use super::readers::GroupReader;
use super::source::Calibration;
use super::table::{Pass, Statistic, line};
use crate::analysis::{Analysis, Graph, TensorId, ViewId};
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

/// Statistics of all groups: those of `wanted` that a pass over the data measures by moments or feature maps.
///
/// # Errors
/// When the data or the runtime fails, or an activation is not finite.
pub fn collect(a: &Analysis, wanted: &[&dyn AnyKey], calibration: &Calibration) -> Result<Vec<GroupStatistics>> {
    let mut out = vec![GroupStatistics::default(); a.groups.len()];
    let lines: Vec<&Statistic> = wanted.iter().filter_map(|key| line(*key)).collect();
    let by_moments: Vec<_> = lines
        .iter()
        .filter_map(|l| match l.pass {
            Pass::Moments(reduce) => Some((l.key.name(), reduce)),
            _ => None,
        })
        .collect();
    if !by_moments.is_empty() {
        let readers = readers(a);
        moments(a, &consumers(a), calibration, &mut |consumer, moments| {
            for &(g, i) in readers.get(&consumer.view).into_iter().flatten() {
                let (group, item) = (&a.groups[g], &a.groups[g].items[i]);
                if item.axis == consumer.contraction.in_axis {
                    let (channel, channels) = (&item.channel[..], group.size);
                    let reader = GroupReader { analysis: a, consumer, moments, channel, channels };
                    for (name, reduce) in &by_moments {
                        out[g].add(name, reduce(&reader)?);
                    }
                }
            }
            Ok(())
        })?;
    }
    let by_maps: Vec<_> = lines
        .iter()
        .filter_map(|l| match l.pass {
            Pass::Maps(reduce) => Some((l.key.name(), reduce)),
            _ => None,
        })
        .collect();
    if !by_maps.is_empty() {
        for m in ranks(a, calibration)? {
            for (name, reduce) in &by_maps {
                if let Some(numbers) = reduce(&m) {
                    out[m.group].add(name, numbers);
                }
            }
        }
    }
    Ok(out)
}

/// Which groups read a weight, by its view: the group and its item.
fn readers(a: &Analysis) -> BTreeMap<ViewId, Vec<(usize, usize)>> {
    let mut readers: BTreeMap<ViewId, Vec<(usize, usize)>> = BTreeMap::new();
    for (g, group) in a.groups.iter().enumerate() {
        for (i, item) in group.items.iter().enumerate().filter(|(_, i)| i.role == Role::In) {
            readers.entry(item.view).or_default().push((g, i));
        }
    }
    readers
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
    let data: Vec<TensorId> = readings.iter().map(|r| r.data).collect();
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
    let data: Vec<TensorId> = all.iter().map(|m| m.data).collect();
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
    fn of(&self, id: TensorId) -> Result<(&[usize], Cow<'_, [f32]>)> {
        let view = self.outputs.get(self.graph.name(id)).ok_or_else(|| self.wrong(id, "is missing".to_owned()))?;
        let values = view.floats().ok_or_else(|| self.wrong(id, "holds no floats".to_owned()))?;
        Ok((view.shape(), values))
    }

    fn wrong(&self, id: TensorId, why: String) -> Error {
        let sample = self.batch.names.first().cloned().unwrap_or_default();
        Error::Activation { tensor: self.graph.name(id).to_owned(), sample, why }
    }
}

type Visit<'v> = dyn FnMut(&Tensors, Lot) -> Result<()> + 'v;

fn each_batch(a: &Analysis, data: &[TensorId], calibration: &Calibration, visit: &mut Visit) -> Result<()> {
    let mut ids = data.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    let model = with_probes(&a.graph.model, ids.iter().map(|id| a.graph.name(*id)))?;
    let mut probe = ActivationProbe::open(&model, calibration)?;
    probe.run(&mut |batch, outputs, before| {
        let outputs = outputs.iter().map(|(n, view)| (*n, view)).collect();
        let filled = batch.inputs.first().and_then(|(_, t)| t.shape().first().copied()).unwrap_or(0);
        visit(&Tensors { graph: &a.graph, outputs, batch }, Lot { samples: batch.len(), filled, before })
    })?;
    Ok(())
}
