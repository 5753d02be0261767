//! Silenced equals removed: the pruned model must give what the original gives with those channels at zero.

use std::path::Path;

use super::assembly::Assembly;
use super::clean;
use super::error::{Error, Result};
use super::surgery;
use super::weights::{Mode, Names, cut};
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::onnx::{Model, proto::ModelProto};
use crate::ops::dtype;
use crate::runtime::{self, Runtime, Session, SessionOptions, Tensor};

/// How to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Seed of the random input.
    pub seed: u64,
    /// Largest difference allowed, as a share of the largest output; more where activations are quantized.
    pub tolerance: f64,
    /// How sessions run.
    pub session: SessionOptions,
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions { seed: 0, tolerance: 1e-3, session: SessionOptions::default() }
    }
}

/// What rounding activations to few bits may add: the last digit of a float decides which step a value is rounded
/// to, and a step is about a hundredth of the range.
const ROUNDING: f64 = 0.05;

impl CheckOptions {
    /// The tolerance for a model.
    fn tolerance_for(&self, a: &Analysis) -> f64 {
        let rounded = |id: &Option<usize>| {
            id.is_some_and(|id| a.graph.constants[id].is_none() && dtype::is_quantized(a.facts.tensors[id].dtype))
        };
        let rounds = a.graph.outputs.iter().flatten().any(rounded);
        if rounds { self.tolerance.max(ROUNDING) } else { self.tolerance }
    }
}

/// What the check found.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Largest difference to what the silenced original gives, as a share of the largest output.
    pub difference: f64,
    /// Groups whose removed channels were silenced in the original.
    pub compared: usize,
    /// Groups that an operator mixes across, so that removing is not silencing: these were reordered instead, which
    /// must change nothing.
    pub mixed: usize,
    /// Shape and finiteness of every output were checked.
    pub outputs: usize,
}

/// Sessions and inputs of a check, left open so that latency can be measured on them.
pub struct Check {
    /// The original, possibly with channels silenced: as fast as the original.
    pub before: Box<dyn Session>,
    /// The pruned model as it lies on disk.
    pub after: Box<dyn Session>,
    /// What both were run on.
    pub inputs: Vec<(String, Tensor)>,
    /// What was found.
    pub verdict: Verdict,
}

/// The original with the channels that are not in `kept` set to zero in every weight.
///
/// # Errors
/// When a weight cannot be silenced.
pub fn silenced(a: &Analysis, kept: &Kept) -> Result<ModelProto> {
    let mut names = Names::of(a);
    let weights = cut(a, kept, Mode::Silence, &mut names)?;
    let mut proto = clean::copy_without_weights(a, &weights.replaced);
    if let Some(graph) = &mut proto.graph {
        let mut nodes: Vec<_> = a.graph.nodes().iter().map(|n| (*n).clone()).collect();
        for ((node, input), name) in weights.reads {
            if let Some(slot) = nodes.get_mut(node).and_then(|n| n.input.get_mut(input)) {
                *slot = name;
            }
        }
        let mut assembly = Assembly::new(&a.graph);
        nodes.into_iter().enumerate().for_each(|(i, n)| assembly.push(&a.graph, i, n));
        graph.node = assembly.main();
        graph.initializer.extend(weights.added);
        let ir = proto.ir_version.unwrap_or(0);
        clean::drop_dead(graph, ir);
    }
    Ok(proto)
}

/// Random inputs at the bound shapes.
///
/// # Errors
/// When an input has no known shape or a type that no random values exist for.
pub fn concrete_inputs(a: &Analysis, seed: u64) -> Result<Vec<(String, Tensor)>> {
    let mut out = Vec::new();
    for (i, v) in a.graph.free_inputs().iter().enumerate() {
        let fact = a.graph.id(v.name()).map(|id| (id, a.facts.tensors[id].dtype));
        let shape = fact.and_then(|(id, _)| a.facts.concrete(id, &a.facts.bindings));
        let (Some((_, dtype)), Some(shape)) = (fact, shape) else {
            let why = format!("input '{}' has no known shape (--shapes gives it one)", v.name());
            return Err(Error::Verification(why));
        };
        // Small integers are valid as tokens, masks and counts.
        out.push((v.name().to_owned(), Tensor::random(dtype, &shape, seed.wrapping_add(i as u64), 0..2)?));
    }
    Ok(out)
}

/// Runs the pruned file against the silenced original.
///
/// # Errors
/// [`Error::Verification`] when an output is missing, has another shape, is not finite where the original's is, or
/// differs; [`Error::Runtime`] when a model cannot be run.
pub fn verify(
    a: &Analysis,
    kept: &Kept,
    pruned: &Path,
    runtime: &dyn Runtime,
    options: &CheckOptions,
) -> Result<Check> {
    let inputs = concrete_inputs(a, options.seed)?;
    let tolerance = options.tolerance_for(a);
    let plain: Kept = a
        .groups
        .iter()
        .filter(|g| !g.flags.mixed)
        .filter_map(|g| kept.get(&g.atom).map(|k| (g.atom, k.clone())))
        .collect();
    let mixed = kept.len() - plain.len();
    // Opening is mostly one thread's work: do both at once.
    let (after, before) = rayon::join(
        || runtime.open(pruned, &options.session),
        || open(a, silenced(a, &plain)?, runtime, &options.session),
    );
    let (mut after, mut before) = (after?, before?);
    let expected = before.run(&inputs)?;
    let got = after.run(&inputs)?;
    shapes_agree(&expected, &got)?;
    let difference = if mixed == 0 {
        compare(&expected, &got, tolerance)?
    } else {
        let proto = surgery::prune(a, &reordered(a, kept))?;
        let mut part = open(a, proto, runtime, &options.session)?;
        compare(&expected, &part.run(&inputs)?, tolerance)?
    };
    let verdict = Verdict { difference, compared: plain.len(), mixed, outputs: got.len() };
    Ok(Check { before, after, inputs, verdict })
}

/// What stays, but with all channels of the groups that an operator mixes across, in another order.
///
/// Means and norms over channels do not depend on their order, so a model in which every place that carries a group
/// is reordered alike gives what it gave. A place that was missed, or mapped wrongly, shows.
fn reordered(a: &Analysis, kept: &Kept) -> Kept {
    let order = |g: &crate::analysis::Group| {
        let n = g.size as u32;
        // Neither ascending nor its own inverse, so that a reordering applied twice or backwards shows too.
        (0..n).map(|c| (c + n / 3 + 1) % n).collect::<Vec<u32>>().into()
    };
    let of = |g: &crate::analysis::Group| {
        let k = kept.get(&g.atom)?;
        Some((g.atom, if g.flags.mixed { order(g) } else { k.clone() }))
    };
    a.groups.iter().filter_map(of).collect()
}

/// Opens what was made of a model.
///
/// # Errors
/// When the runtime refuses it.
pub fn open(
    a: &Analysis,
    proto: ModelProto,
    runtime: &dyn Runtime,
    options: &SessionOptions,
) -> Result<Box<dyn Session>> {
    let model = Model { proto, external: a.graph.model.external.clone(), ..Model::default() };
    Ok(runtime::open_model(runtime, model, options)?)
}

/// Opens the original: its file, where it has one.
///
/// # Errors
/// When the runtime refuses it.
pub fn open_original(a: &Analysis, runtime: &dyn Runtime, options: &SessionOptions) -> Result<Box<dyn Session>> {
    match &a.graph.model.path {
        Some(path) => Ok(runtime.open(path, options)?),
        None => open(a, a.graph.model.proto.clone(), runtime, options),
    }
}

type Outputs = [(String, Tensor)];

fn shapes_agree(expected: &Outputs, got: &Outputs) -> Result<()> {
    if expected.len() != got.len() {
        return Err(Error::Verification(format!("{} outputs instead of {}", got.len(), expected.len())));
    }
    for ((name, e), (other, g)) in expected.iter().zip(got) {
        if name != other || e.shape() != g.shape() || e.dtype() != g.dtype() {
            return Err(Error::Verification(format!(
                "output '{name}' of shape {:?} became '{other}' of shape {:?}",
                e.shape(),
                g.shape()
            )));
        }
        if let (Some((at, value)), None) = (g.first_non_finite(), e.first_non_finite()) {
            return Err(Error::Verification(format!("output '{name}' is {value} at element {at}")));
        }
    }
    Ok(())
}

fn compare(expected: &Outputs, got: &Outputs, tolerance: f64) -> Result<f64> {
    shapes_agree(expected, got)?;
    let mut worst = 0.0f64;
    for ((name, e), (_, g)) in expected.iter().zip(got) {
        let scale = e.max_abs().max(1e-12);
        let difference = e.max_abs_diff(g)? / scale;
        if difference.is_nan() || difference > tolerance {
            let why =
                format!("output '{name}' differs from the silenced original by {difference:.1e} of its largest value");
            return Err(Error::Verification(why));
        }
        worst = worst.max(difference);
    }
    Ok(worst)
}
