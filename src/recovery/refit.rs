//! Least squares against the original: each layer of a pruned network is solved again, in the order in which they run,
//! so that what the layers before it still get wrong is made up for as far as it can be.
//!
//! Inputs are patches of the pruned network as refitted so far, targets are the original's outputs at the same
//! positions. Where a layer ends a residual block, the target is the original's sum less what the pruned network's
//! other summand gives. Where only a Relu or Clip follows, what it cuts off in the original need not be met.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::flow::Flow;
use super::samples::Samples;
use super::segments::{Network, Runner};
use super::solve::{LayerPart, solve_parts};
use super::store::Values;
use super::write::{Addends, LayerPlace, write};
use crate::algebra::Kept;
use crate::analysis::{Analysis, TensorId};
use crate::job::Unit;
use crate::matrix::Solution;
use crate::onnx::Model;
use crate::rewriting::{Initializers, Result};
use crate::statistics::{self, Layer, Lot, Reading, Sampler, layers};

/// Rows of a regression: positions of all samples together.
const ROWS: usize = 16384;

/// Numbers that the rows of a regression hold at most.
const NUMBERS: usize = 48 << 20;

/// How often outputs that an activation cuts off are let go, where nothing else is said.
const REPEATS: usize = 4;

/// A scale below this part of the largest one makes no difference to what follows.
const IDLE: f32 = 1e-4;

/// What was refitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refitted {
    /// Layers with new weights.
    pub layers: usize,
    /// Layers whose input has changed and that keep their weights.
    pub left: usize,
}

/// How regressions are made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Seed of sampled positions.
    pub seed: u64,
    /// Rows of a regression.
    pub rows: usize,
    /// Samples that are solved with, and samples set aside that are looked at; all if `None`.
    pub samples: Option<usize>,
    /// How often outputs that an activation cuts off are let go.
    pub repeats: usize,
}

/// Batches that are looked at: the last of those that are solved with, and the first of those set aside.
fn looked_at(samples: &Samples, options: Options) -> Range<usize> {
    let (solved, mut from, mut to) = (samples.solved(), samples.solved().end, samples.solved().end);
    let enough = |range: Range<usize>| options.samples.is_some_and(|n| samples.count(range) >= n);
    while from > 0 && !enough(from..solved.end) {
        from -= 1;
    }
    while to < samples.batches() && !enough(solved.end..to) {
        to += 1;
    }
    from..to
}

impl Options {
    /// As many rows as pay.
    pub fn new(seed: u64) -> Options {
        Options { seed, rows: ROWS, samples: None, repeats: REPEATS }
    }
}

/// Both networks, on all batches that were looked at, after the last layer, and what was done.
pub struct Walked<'a> {
    /// The original.
    pub original: Network<'a>,
    /// The pruned network with its new weights.
    pub pruned: Network<'a>,
    /// What was done.
    pub refitted: Refitted,
}

/// Gives the layers of `pruned`, which is the model of `a` with only `kept` channels, new weights. The runner's job
/// is told how many layers of how many are done.
///
/// # Errors
/// When the data or the runtime fails, or an activation is not finite.
pub fn refit<'r>(
    a: &Analysis,
    kept: &Kept,
    pruned: &mut Model,
    samples: &Samples,
    runner: Runner<'r>,
    options: Options,
) -> Result<Walked<'r>> {
    let before = Model { proto: pruned.proto.clone(), ..Model::default() };
    let small = Analysis::new(&before, &Vec::new())?;
    let all = looked_at(samples, options);
    let mut walked = Walked {
        original: Network::new(&a.graph.model, samples, all.clone(), runner),
        pruned: Network::new(pruned, samples, all, runner),
        refitted: Refitted::default(),
    };
    let flow = Flow::new(a.graph.proto());
    let differs = flow.differs(a, kept);
    let (originals, smalls) = (layers(a), layers(&small));
    let node_of = |l: &Layer| flow.maker(a.graph.name(l.output));
    let mut is_layer = vec![false; differs.len()];
    originals.iter().filter_map(node_of).for_each(|i| is_layer[i] = true);
    // Layers that are not done yet: nothing behind them is known.
    let mut open = vec![false; differs.len()];
    let mut queue: Vec<&Layer> = Vec::new();
    for node in flow.order(&is_layer) {
        let Some(layer) = originals.iter().find(|l| node_of(l) == Some(node)) else { continue };
        let input = a.graph.name(layer.consumer.data);
        if flow.maker(input).is_some_and(|i| differs[i]) {
            open[node] = true;
            queue.push(layer);
        }
    }
    let of = queue.len();
    for (done, layer) in queue.into_iter().enumerate() {
        runner.job.progress(done, Some(of), Unit::Layers).map_err(statistics::Error::from)?;
        let Some(node) = node_of(layer) else { continue };
        let name = a.graph.name(layer.output);
        let known = |r: &str| flow.ancestors(r).iter().zip(&open).all(|(above, open)| !above || !open);
        let fit = smalls
            .iter()
            .find(|l| small.graph.name(l.output) == name)
            .and_then(|l| Fit::new(a, kept, &small, layer, l, &walked.pruned, known));
        let done = match fit {
            Some(fit) => fit.solve_and_apply(&mut walked, samples, options)?,
            None => false,
        };
        open[node] = false;
        walked.refitted.layers += usize::from(done);
        walked.refitted.left += usize::from(!done);
    }
    runner.job.progress(of, Some(of), Unit::Layers).map_err(statistics::Error::from)?;
    pruned.proto.graph = Some(walked.pruned.graph.clone());
    Ok(walked)
}

/// A layer of the pruned network that is to be solved.
struct Fit<'f> {
    layer: &'f Layer,
    reading: Reading,
    place: LayerPlace,
    /// The outputs of the original that are left.
    channels: Vec<usize>,
    input: &'f str,
    output: &'f str,
    /// What is added to the output, if both networks know it.
    sum: Option<&'f str>,
    clamp: Option<(f32, f32)>,
    /// Outputs × width, as they are.
    prior: Vec<f32>,
}

/// Rows of all samples: those that are solved with, then those set aside.
#[derive(Default)]
struct Rows {
    /// For each group, rows of a patch and a 1.
    x: Vec<Vec<f32>>,
    /// What the original gives.
    y: Vec<f32>,
    /// What is added to it in the original, and in the pruned network.
    sums: Option<[Vec<f32>; 2]>,
    /// Rows that are solved with.
    solved: usize,
}

/// The tensors of both networks that a layer's rows are taken from.
struct Given<'g> {
    x: &'g Values,
    y: &'g Values,
    sums: Option<[&'g Values; 2]>,
}

impl<'f> Fit<'f> {
    /// `None` where the layer cannot be solved or given new weights.
    fn new(
        a: &Analysis,
        kept: &Kept,
        small: &'f Analysis,
        original: &Layer,
        layer: &'f Layer,
        network: &Network,
        known: impl Fn(&str) -> bool,
    ) -> Option<Fit<'f>> {
        let c = &layer.consumer;
        let place = LayerPlace::of(small, layer, network)?;
        // A weight of several layers stays one.
        if Initializers::of(&network.graph).is_shared(&network.graph.node[place.node], c.contraction.weight) {
            return None;
        }
        let axis = a.views[original.consumer.view].axes[original.consumer.contraction.out_axis];
        let channels = a.relations.terms.kept_positions(axis, kept);
        let channels = channels.unwrap_or_else(|| (0..original.consumer.outputs).collect());
        let name = |id: Option<TensorId>, of: &'f Analysis| id.map(|id| of.graph.name(id));
        let sum = name(layer.after.sum, small);
        let same = original.after.sum.map(|id| a.graph.name(id)) == sum;
        let sum = sum.filter(|r| same && known(r));
        // What is cut off depends on all that is added.
        let clamp = layer.after.clamp.filter(|_| sum.is_some() || layer.after.sum.is_none());
        let prior = c.weight(small).ok()?;
        (channels.len() == c.outputs && prior.len() == c.outputs * c.width() && !prior.is_empty()).then(|| Fit {
            layer,
            reading: Reading::of(c),
            place,
            channels,
            input: small.graph.name(c.data),
            output: small.graph.name(layer.output),
            sum,
            clamp,
            prior,
        })
    }

    /// Answers whether the layer has new weights.
    fn solve_and_apply(&self, walked: &mut Walked, samples: &Samples, options: Options) -> Result<bool> {
        walked.pruned.advance(&self.sum.into_iter().chain([self.input]).collect::<Vec<_>>())?;
        walked.original.advance(&self.sum.into_iter().chain([self.output]).collect::<Vec<_>>())?;
        let rows = self.rows(walked, samples, options)?;
        if rows.solved == 0 {
            return Ok(false);
        }
        let Some(solutions) = self.solve(rows, options.repeats) else { return Ok(false) };
        self.apply(&mut walked.pruned, &solutions)
    }

    fn width(&self) -> usize {
        self.layer.consumer.width()
    }

    fn rows(&self, walked: &Walked, samples: &Samples, options: Options) -> Result<Rows> {
        let (groups, outputs) = (self.reading.groups(), self.channels.len());
        let most = NUMBERS / (groups * (self.width() + 1) + 4 * outputs);
        let wanted = options.rows.min(most).max(1);
        let all = walked.pruned.batches();
        let split = samples.solved().end;
        let solved = enough(samples, all.start..split, wanted);
        let aside = enough(samples, split..all.end, wanted / 3 + 1);
        let positions = wanted.div_ceil(samples.count(solved.clone()).max(1));
        let sampler = Sampler { seed: options.seed, positions };
        let (original, pruned) = (&walked.original, &walked.pruned);
        let sums = match self.sum {
            Some(name) => Some([original.values(name)?, pruned.values(name)?]),
            None => None,
        };
        let given = Given { x: pruned.values(self.input)?, y: original.values(self.output)?, sums };
        let parts: Vec<Result<Rows>> = solved
            .clone()
            .chain(aside)
            .collect::<Vec<_>>()
            .into_par_iter()
            .with_max_len(1)
            .map(|k| self.batch(&given, samples, k, sampler))
            .collect();
        let parts = parts.into_iter().collect::<Result<Vec<Rows>>>()?;
        let room = |g: usize| Vec::with_capacity(parts.iter().map(|p| p.x[g].len()).sum());
        let mut out = Rows { x: (0..groups).map(room).collect(), ..Rows::default() };
        for (k, part) in parts.into_iter().enumerate() {
            out.x.iter_mut().zip(part.x).for_each(|(all, own)| all.extend(own));
            out.solved += if k < solved.len() { part.y.len() / outputs } else { 0 };
            out.y.extend(part.y);
            match (&mut out.sums, part.sums) {
                (Some(all), Some(own)) => all.iter_mut().zip(own).for_each(|(all, own)| all.extend(own)),
                (all, own) => *all = own,
            }
        }
        Ok(out)
    }

    /// The rows of one batch.
    fn batch(&self, given: &Given, samples: &Samples, k: usize, sampler: Sampler) -> Result<Rows> {
        let lot = Lot { samples: samples.count(k..k + 1), filled: samples.filled(k), before: samples.count(0..k) };
        let wrong = |tensor: &str, why: String| statistics::Error::Activation {
            tensor: tensor.to_owned(),
            sample: samples.name(k).to_owned(),
            why,
        };
        let outputs = |of: &Values, name: &str, channels: &[usize]| -> Result<Vec<f32>> {
            let tensor = of.get(k).map_err(statistics::Error::from)?;
            let values = super::floats(&tensor).ok_or_else(|| wrong(name, "holds no floats".to_owned()))?;
            let rows = self.reading.outputs(&values, tensor.shape(), channels, lot, sampler);
            let rows = rows.map_err(|why| wrong(name, why))?;
            match rows.iter().all(|v| v.is_finite()) {
                true => Ok(rows),
                false => Err(wrong(name, "holds NaN or infinite values".to_owned()).into()),
            }
        };
        let all: Vec<usize> = (0..self.channels.len()).collect();
        let tensor = given.x.get(k).map_err(statistics::Error::from)?;
        let values = super::floats(&tensor).ok_or_else(|| wrong(self.input, "holds no floats".to_owned()))?;
        let x = self.reading.gather(&values, tensor.shape(), lot, sampler).map_err(|why| wrong(self.input, why))?;
        if x.iter().flatten().any(|v| !v.is_finite()) {
            return Err(wrong(self.input, "holds NaN or infinite values".to_owned()).into());
        }
        let y = outputs(given.y, self.output, &self.channels)?;
        if x.iter().any(|x| x.len() * self.channels.len() != y.len() * (self.width() + 1)) {
            return Err(wrong(self.output, "has other positions than its layer's input".to_owned()).into());
        }
        let sums = match (given.sums, self.sum) {
            (Some([original, pruned]), Some(name)) => {
                Some([outputs(original, name, &self.channels)?, outputs(pruned, name, &all)?])
            }
            _ => None,
        };
        Ok(Rows { x, y, sums, solved: 0 })
    }

    /// A solution for each group.
    fn solve(&self, mut rows: Rows, repeats: usize) -> Option<Vec<(Solution, Vec<f64>)>> {
        let outputs = self.channels.len();
        let scale = &self.layer.after.scale;
        let idle = scale.iter().fold(0.0f32, |m, s| m.max(s.abs())) * IDLE;
        let active = |o: usize| scale[o].abs() > idle;
        if let Some([original, pruned]) = &rows.sums {
            for (i, y) in rows.y.iter_mut().enumerate().filter(|(i, _)| active(i % outputs)) {
                *y += (original[i] - pruned[i]) / scale[i % outputs];
            }
        }
        let (groups, per_group) = (self.reading.groups(), outputs / self.reading.groups());
        let column = |values: &[f32], g: usize| -> Vec<f32> {
            if groups == 1 {
                return values.to_vec();
            }
            values.chunks_exact(outputs).flat_map(|row| &row[g * per_group..(g + 1) * per_group]).copied().collect()
        };
        let intercept = self.place.intercept.is_some();
        let parts: Vec<LayerPart> = std::mem::take(&mut rows.x)
            .into_par_iter()
            .enumerate()
            .with_max_len(1)
            .map(|(g, x)| {
                let own = g * per_group..(g + 1) * per_group;
                LayerPart {
                    x,
                    y: column(&rows.y, g),
                    sum: rows.sums.as_ref().map(|[_, pruned]| column(pruned, g)),
                    prior: &self.prior[own.start * self.width()..own.end * self.width()],
                    scale: &scale[own.clone()],
                    shift: &self.layer.after.shift[own.clone()],
                    active: own.map(active).collect(),
                }
            })
            .collect();
        drop(rows.y);
        let clamp = self.clamp.map(|range| (range, repeats));
        solve_parts(parts, self.width(), rows.solved, intercept, clamp)
    }

    fn apply(&self, network: &mut Network, solutions: &[(Solution, Vec<f64>)]) -> Result<bool> {
        let columns = solutions.iter().flat_map(|(s, _)| s.weights.columns());
        let weight: Vec<f32> =
            columns.into_iter().flat_map(|w| w.iter().map(|v| *v as f32).collect::<Vec<_>>()).collect();
        let addends: Vec<f32> = solutions.iter().flat_map(|(_, a)| a).map(|v| *v as f32).collect();
        write(&mut network.graph, self.layer, &self.place, &weight, Some(Addends::All(&addends)))
    }
}

/// The first batches that hold so many samples, or all.
fn enough(samples: &Samples, batches: Range<usize>, wanted: usize) -> Range<usize> {
    let mut end = batches.start;
    while end < batches.end && samples.count(batches.start..end) < wanted {
        end += 1;
    }
    batches.start..end
}

/// The floats of a tensor.
pub(super) fn floats(tensor: &crate::runtime::Tensor) -> Option<Cow<'_, [f32]>> {
    use crate::runtime::Data;
    match tensor.data() {
        Data::F32(v) => Some(Cow::Borrowed(v)),
        Data::F16(_) | Data::BF16(_) | Data::F64(_) => {
            Some(tensor.to_f64_vec().into_iter().map(|v| v as f32).collect())
        }
        _ => None,
    }
}
