//! Least squares: the layers that read a group take over what its lost channels gave.
//!
//! For a layer W that meets patches x, of which the part k stays and r goes, the new weight is W_k + D with
//! D = argmin Σ ‖W_r·x_r − D·x_k‖² + ridge·‖D‖². All of it follows from the second moments of x on the original model.

use std::collections::{BTreeMap, HashMap};

use ndarray::Array2;

use super::error::Result;
use super::replace::Initializers;
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::matrix::{Cholesky, Moments};
use crate::onnx::proto::{GraphProto, ModelProto};
use crate::statistics::{self, Calibration, Consumer, consumers};

/// Ridge as a part of the mean square of what stays. It pulls towards the weights as they were.
const RIDGE: f64 = 1e-3;

/// What was refitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refitted {
    /// Layers with new weights.
    pub layers: usize,
    /// Layers that read a group that shrank and keep their weights.
    pub left: usize,
}

/// Corrections of one layer.
struct Change {
    /// Output rows × surviving entries, of one group after the other; added to the weight.
    weight: Vec<f32>,
    /// Added to the bias, where there is one.
    bias: Option<Vec<f32>>,
}

/// The layers that use one weight.
#[derive(Default)]
struct Uses {
    /// The first, if all are alike.
    first: Option<Consumer>,
    /// Each in the pruned graph, with the input that is its bias.
    nodes: Vec<(usize, Option<usize>)>,
    unlike: bool,
    seen: usize,
    moments: Vec<Moments>,
}

impl Uses {
    fn add(&mut self, c: &Consumer, node: usize, bias: Option<usize>) {
        let first = self.first.get_or_insert_with(|| c.clone());
        let (a, b) = (&first.contraction, &c.contraction);
        let alike = (a.in_axis, a.out_axis, a.groups, a.weight) == (b.in_axis, b.out_axis, b.groups, b.weight);
        let as_first = self.nodes.first().is_none_or(|(_, b)| b.is_some() == bias.is_some());
        self.unlike |= !alike || a.scale != b.scale || !as_first;
        self.nodes.push((node, bias));
    }

    /// What all uses have seen, once the last has come.
    fn sum(&mut self, moments: &[Moments]) -> Option<Vec<Moments>> {
        self.seen += 1;
        match self.moments.is_empty() {
            true => self.moments = moments.to_vec(),
            false => self.moments.iter_mut().zip(moments).for_each(|(a, b)| a.merge(b)),
        }
        (self.seen == self.nodes.len()).then(|| std::mem::take(&mut self.moments))
    }

    fn bias(&self) -> Option<usize> {
        self.nodes.first()?.1
    }

    /// Whether nothing else reads the weight: a copy of its own would part what is one layer.
    fn is_whole(&self, graph: &GraphProto, initializers: &Initializers) -> bool {
        let Some(c) = &self.first else { return false };
        let names: Vec<Option<String>> =
            self.nodes.iter().map(|(n, _)| initializers.name(graph, (*n, c.contraction.weight))).collect();
        let one = names.iter().all(|n| *n == names[0]);
        let readers = names.first().cloned().flatten().map_or(0, |n| initializers.readers(&n));
        !self.unlike && one && readers <= self.nodes.len()
    }
}

/// Gives the layers of `pruned` that read groups with removed channels new weights, from the activations of the
/// original model on calibration data.
///
/// # Errors
/// When the data or the runtime fails.
pub fn refit(a: &Analysis, kept: &Kept, pruned: &mut ModelProto, calibration: &Calibration) -> Result<Refitted> {
    let terms = &a.relations.terms;
    let shrinks = |c: &Consumer| terms.shrinks(a.variants[c.variant].axes[c.contraction.in_axis], kept);
    let mut layers: Vec<Consumer> = consumers(a).into_iter().filter(shrinks).collect();
    let all = layers.len();
    let Some(graph) = &mut pruned.graph else { return Ok(Refitted::default()) };
    let at: HashMap<String, usize> =
        graph.node.iter().enumerate().filter_map(|(i, n)| Some((n.output.first()?.clone(), i))).collect();
    let place = |c: &Consumer| at.get(a.graph.nodes()[c.node].output.first()?).copied();
    layers.retain(|c| place(c).is_some());
    let mut initializers = Initializers::of(graph);
    let mut done = Refitted::default();
    let mut failed = None;
    let mut uses: BTreeMap<usize, Uses> = BTreeMap::new();
    for (c, node) in layers.iter().filter_map(|c| Some((c, place(c)?))) {
        let bias = c.contraction.bias.filter(|b| initializers.values(graph, &graph.node[node], *b).is_some());
        uses.entry(c.variant).or_default().add(c, node, bias);
    }
    statistics::moments(a, &layers, calibration, &mut |c, moments| {
        let Some(all) = uses.get_mut(&c.variant) else { return Ok(()) };
        // One layer that is used several times has one solution, for all that its uses see.
        let Some(moments) = all.sum(moments) else { return Ok(()) };
        if !all.is_whole(graph, &initializers) {
            return Ok(());
        }
        let Some(change) = solve(a, kept, c, &moments, all.bias().is_some())? else { return Ok(()) };
        match apply(graph, &mut initializers, all, &change) {
            Ok(true) => done.layers += all.nodes.len(),
            Ok(false) => {}
            Err(e) => failed = Some(e),
        }
        Ok(())
    })?;
    done.left = all - done.layers;
    failed.map_or(Ok(done), Err)
}

/// The correction of a layer; `None` where nothing can be solved.
fn solve(
    a: &Analysis,
    kept: &Kept,
    c: &Consumer,
    moments: &[Moments],
    with_bias: bool,
) -> statistics::Result<Option<Change>> {
    let terms = &a.relations.terms;
    let axes = &a.variants[c.variant].axes;
    let positions = |axis: usize, n: usize| -> Vec<usize> {
        terms.kept_positions(axes[axis], kept).unwrap_or_else(|| (0..n).collect())
    };
    let (inputs, outputs) = (positions(c.contraction.in_axis, c.inputs), positions(c.contraction.out_axis, c.outputs));
    let mut stays = vec![false; c.inputs];
    inputs.iter().for_each(|i| stays[*i] = true);
    let entries = |stay: bool| -> Vec<usize> { (0..c.width()).filter(|e| stays[e / c.kernel] == stay).collect() };
    let (gone, mut stay) = (entries(false), entries(true));
    let surviving = stay.len();
    if with_bias {
        // The constant 1.
        stay.push(c.width());
    }
    let weight = c.weight(a)?;
    let per_group = c.outputs / c.contraction.groups;
    let mut change = Change { weight: Vec::new(), bias: with_bias.then(Vec::new) };
    for (g, m) in moments.iter().enumerate() {
        let rows: Vec<usize> = outputs.iter().copied().filter(|o| o / per_group == g).collect();
        let lost =
            Array2::from_shape_fn((gone.len(), rows.len()), |(j, o)| f64::from(weight[rows[o] * c.width() + gone[j]]));
        let cross = Array2::from_shape_fn((stay.len(), gone.len()), |(i, j)| f64::from(m.get(stay[i], gone[j])));
        let mut square = Array2::from_shape_fn((stay.len(), stay.len()), |(i, j)| f64::from(m.get(stay[i], stay[j])));
        let mean = (0..surviving).map(|i| square[[i, i]]).sum::<f64>() / surviving.max(1) as f64;
        // Nothing to rebuild from.
        if mean.is_nan() || mean <= 0.0 {
            return Ok(None);
        }
        (0..surviving).for_each(|i| square[[i, i]] += RIDGE * mean);
        let mut x = cross.dot(&lost);
        let Ok(factor) = Cholesky::new(square) else { return Ok(None) };
        factor.solve(&mut x);
        if x.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        for column in x.columns() {
            change.weight.extend(column.iter().take(surviving).map(|v| *v as f32));
            if let Some(bias) = &mut change.bias {
                bias.push(column[surviving] as f32);
            }
        }
    }
    Ok(Some(change))
}

fn apply(graph: &mut GraphProto, initializers: &mut Initializers, uses: &Uses, change: &Change) -> Result<bool> {
    let (Some(c), Some((node, _))) = (&uses.first, uses.nodes.first().copied()) else { return Ok(false) };
    let input = c.contraction.weight;
    let Some(mut values) = initializers.values(graph, &graph.node[node], input) else { return Ok(false) };
    if values.len() != change.weight.len() || c.contraction.scale == 0.0 {
        return Ok(false);
    }
    // Rows are outputs; a matrix may be stored the other way round.
    let turned = c.contraction.out_axis == 1;
    let rows = change.bias.as_ref().map_or(0, Vec::len);
    let width = if turned { stored_rows(graph, node, input).unwrap_or(1) } else { 1 };
    let outputs = values.len() / width.max(1);
    for (k, v) in change.weight.iter().enumerate() {
        let at = if turned { k % width * outputs + k / width } else { k };
        values[at] += v / c.contraction.scale;
    }
    if let Some(add) = &change.bias {
        let mut biases: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for (node, bias) in &uses.nodes {
            let Some((name, b)) = bias.and_then(|b| Some((initializers.name(graph, (*node, b))?, b))) else {
                return Ok(false);
            };
            biases.entry(name).or_default().push((*node, b));
        }
        let mut new = Vec::new();
        for places in biases.into_values() {
            let (node, b) = places[0];
            let Some(mut values) = initializers.values(graph, &graph.node[node], b).filter(|v| v.len() == rows) else {
                return Ok(false);
            };
            values.iter_mut().zip(add).for_each(|(v, a)| *v += a);
            new.push((places, values));
        }
        for (places, values) in new {
            initializers.replace(graph, &places, &values)?;
        }
    }
    let places: Vec<(usize, usize)> = uses.nodes.iter().map(|(n, _)| (*n, input)).collect();
    initializers.replace(graph, &places, &values)
}

fn stored_rows(graph: &GraphProto, node: usize, input: usize) -> Option<usize> {
    let name = graph.node.get(node)?.input.get(input)?;
    let t = graph.initializer.iter().find(|t| t.name() == name)?;
    usize::try_from(*t.dims.first()?).ok()
}
