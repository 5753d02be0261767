//! What the errors of one group cost at the output: the network with that group smaller and its readers solved for it,
//! everything else as it was, against the original.

use std::collections::HashMap;
use std::sync::Arc;

use super::quality::{loss, outputs};
use super::samples::Samples;
use super::segments::{Network, Runner};
use super::write::{Addends, LayerPlace, write};
use crate::algebra::Kept;
use crate::analysis::{Analysis, AxisKind};
use crate::job::Unit;
use crate::onnx::Model;
use crate::ops::Role;
use crate::planning::{Curve, Limit};
use crate::rewriting::{self, Result};
use crate::statistics::{self, ErrorCurve, Layer, Point};

/// Samples that losses are measured on.
pub const SAMPLES: usize = 64;

/// Shares of a group whose loss is measured where no layer reads it through a weight.
const SHARES: [f64; 2] = [0.3, 0.7];

/// The curve of each group that may shrink. `found` are the errors of its readers; a group without any is taken in the
/// order of its scores, and its channels are masked.
///
/// The runner's job is told how many candidates of how many are done.
///
/// # Errors
/// When a candidate cannot be run.
#[allow(clippy::too_many_arguments)] // each is a part of the question
pub fn output_losses(
    a: &Analysis,
    limits: &[Limit],
    layers: &[Layer],
    found: &[Option<ErrorCurve>],
    scores: &[Vec<f64>],
    samples: &Samples,
    runner: Runner,
) -> Result<Vec<Curve>> {
    let mut end = 1;
    while end < samples.solved().end && samples.count(0..end) < SAMPLES {
        end += 1;
    }
    let batches = 0..end;
    let mut main = Network::new(&a.graph.model, samples, batches.clone(), runner);
    let wanted = outputs(&mut main.clone(), samples, batches.clone())?;
    let open = |g: &usize| limits[*g].least < a.groups[*g].size;
    let node = |l: usize| main.node_of(a.graph.name(layers[l].output)).unwrap_or(usize::MAX);
    // The first reader of each group, so that the network need not run behind it twice.
    let first = |c: &ErrorCurve| c.points.first()?.readers.iter().map(|r| r.0).min_by_key(|l| node(*l));
    let mut by_reader: Vec<(usize, usize, &ErrorCurve)> = (0..a.groups.len())
        .filter(open)
        .filter_map(|g| found[g].as_ref().and_then(|c| Some((g, first(c)?, c))))
        .collect();
    by_reader.sort_by_key(|(g, l, _)| (node(*l), *g));
    let rest: Vec<usize> = (0..a.groups.len()).filter(open).filter(|g| by_reader.iter().all(|r| r.0 != *g)).collect();
    let of = by_reader.iter().map(|r| r.2.points.len()).sum::<usize>() + rest.len() * SHARES.len();
    let mut done = 0;
    let mut ask = || {
        done += 1;
        runner.job.progress(done - 1, Some(of), Unit::Candidates).map_err(statistics::Error::from)
    };
    let mut out = vec![Curve::default(); a.groups.len()];
    for (g, reader, curve) in by_reader {
        main.advance(&[a.graph.name(layers[reader].consumer.data)])?;
        let mut measured = Vec::new();
        for point in &curve.points {
            ask()?;
            let mut branch = main.clone();
            altered(a, layers, point, &mut branch)?;
            let given = outputs(&mut branch, samples, batches.clone())?;
            measured.push((point.gone, loss(&given, &wanted)));
        }
        out[g] = Curve::new(curve.order.clone(), &curve.errors, &measured, is_stream(a, g));
    }
    for g in rest {
        let (size, atom) = (a.groups[g].size, a.groups[g].atom);
        let mut order: Vec<u32> = (0..size as u32).collect();
        order.sort_by(|x, y| scores[g][*x as usize].total_cmp(&scores[g][*y as usize]).then(x.cmp(y)));
        let mut measured = Vec::new();
        for share in SHARES {
            ask()?;
            let gone = ((share * size as f64).round() as usize).clamp(1, size.max(2) - 1);
            let mut stay = order[gone..].to_vec();
            stay.sort_unstable();
            let proto = rewriting::masked(a, &Kept::from([(atom, Arc::from(stay))]))?;
            let model = Model { proto, external: a.graph.model.external.clone(), ..Model::default() };
            let mut network = Network::new(&model, samples, batches.clone(), runner);
            let given = outputs(&mut network, samples, batches.clone())?;
            measured.push((gone, loss(&given, &wanted)));
        }
        let total: f64 = scores[g].iter().map(|s| s.max(0.0)).sum::<f64>().max(f64::MIN_POSITIVE);
        let mut sum = 0.0;
        let mut errors = vec![0.0];
        for c in &order[..size - 1] {
            sum += scores[g][*c as usize].max(0.0) / total;
            errors.push(sum);
        }
        out[g] = Curve::new(order, &errors, &measured, is_stream(a, g));
    }
    runner.job.progress(of, Some(of), Unit::Candidates).map_err(statistics::Error::from)?;
    Ok(out)
}

/// Whether several layers read a group, or write it into one residual stream.
fn is_stream(a: &Analysis, g: usize) -> bool {
    let group = &a.groups[g];
    let with = |role: Role| {
        let uses = group.items.iter().filter(|i| i.role == role).map(|i| a.views[i.view].uses.len());
        uses.sum::<usize>()
    };
    with(Role::In) > 1 || group.kind == AxisKind::Conv && with(Role::Out) > 1
}

/// Gives the readers of a group the weights of a point.
fn altered(a: &Analysis, layers: &[Layer], point: &Point, network: &mut Network) -> Result<()> {
    let places: HashMap<usize, LayerPlace> =
        point.readers.iter().filter_map(|(l, ..)| Some((*l, LayerPlace::of(a, &layers[*l], network)?))).collect();
    for (l, weight, addend) in &point.readers {
        if let Some(place) = places.get(l) {
            write(&mut network.graph, &layers[*l], place, weight, Some(Addends::More(addend)))?;
        }
    }
    Ok(())
}
