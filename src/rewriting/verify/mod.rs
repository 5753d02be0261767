//! Masked equals removed: the pruned model must give what the original gives with those channels at zero.
//!
//! Both are run on several inputs, at more than one size of every open axis, until every output that depends on what
//! shrank has told something ([`tell`]); each element is compared on a scale of its own ([`tolerance`]). What no run
//! tells is said.

mod branches;
mod inner;
mod inputs;
mod masked;
mod models;
mod part;
mod sizes;
mod tell;
mod tolerance;
mod trials;
mod undefined;

use crate::tensor::DType;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::error::Result;
use crate::algebra::Kept;
use crate::analysis::{Analysis, TensorId};
use crate::onnx::{Model, proto::ModelProto};
use crate::runtime::{self, Device, Fill, Runtime, Session, SessionOptions};

pub use inputs::{Inputs, concrete_inputs, inputs_for_batch, likely_inputs};
pub use masked::masked;
pub use sizes::Checked;

use branches::Branches;
use inputs::Maker;
use models::{Models, shapes};
use sizes::Sizes;
use tolerance::Tolerance;
use trials::{Trials, relevant};

/// How to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Seed of the random inputs.
    pub seed: u64,
    /// Largest difference allowed, as a share of an element's scale; more where activations have few bits.
    pub tolerance: f64,
    /// How sessions run.
    pub session: SessionOptions,
    /// Inputs with contents of their own, by name.
    pub fills: Vec<(String, Fill)>,
    /// Inputs from data, which are run first.
    pub samples: Option<Inputs>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        let session = SessionOptions::default();
        CheckOptions { seed: 0, tolerance: 1e-3, session, fills: Vec::new(), samples: None }
    }
}

/// What rounding activations to few bits may add: the last digit of a float decides which step a value is rounded
/// to, and a step is about a hundredth of the range.
const ROUNDING: f64 = 0.05;
/// The same for floats of 16 bits, and for devices that multiply with as few.
const HALF: f64 = 4e-3;
const BRAIN: f64 = 0.03;

impl CheckOptions {
    /// The tolerance for a model.
    fn tolerance_for(&self, a: &Analysis) -> Tolerance {
        let computed = |id: &Option<TensorId>| id.filter(|id| a.graph.constants[*id].is_none());
        let any = |is: &dyn Fn(DType) -> bool| {
            a.graph.outputs.iter().flatten().filter_map(computed).any(|id| is(a.facts.tensors[id].dtype))
        };
        let at_least = [
            (ROUNDING, any(&DType::is_quantized)),
            (BRAIN, any(&|t| t == DType::Bfloat16)),
            (HALF, any(&|t| t == DType::Float16) || self.session.device != Device::Cpu),
        ];
        match at_least.iter().find(|(_, holds)| *holds) {
            Some((share, _)) => Tolerance { share: self.tolerance.max(*share), coarse: true },
            None => Tolerance { share: self.tolerance, coarse: false },
        }
    }
}

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Largest difference to what the masked original gives, as a share of the element's scale.
    pub difference: f64,
    /// Groups whose removed channels were masked in the original.
    pub compared: usize,
    /// Groups that an operator mixes across, so that removing is not masking: these were reordered instead, which
    /// must change nothing.
    pub mixed: usize,
    /// Outputs that were compared.
    pub outputs: usize,
    /// Sizes of open axes that were run.
    pub sizes: Checked,
    /// Kinds of inputs that were run.
    pub inputs: Vec<&'static str>,
    /// Outputs that depend on what shrank and told nothing, with the reason.
    pub unchecked_outputs: BTreeMap<String, &'static str>,
    /// Groups within branches that did not run.
    pub unchecked_groups: Vec<String>,
    /// Types of operators that the runtime does not know: compared was what they read.
    pub before_operators: Vec<String>,
}

/// Whether the check said anything.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The models agree, as far as the verdict says.
    Same(Verdict),
    /// Nothing was told: why.
    Nothing(String),
}

/// Sessions and inputs of a check, left open so that latency can be measured on them.
pub struct Check {
    /// The original, possibly with channels masked, as fast as the original; and the pruned model as it lies on
    /// disk. `None` where the runtime can only run parts of them.
    pub sessions: Option<(Box<dyn Session>, Box<dyn Session>)>,
    /// What both can be run on.
    pub inputs: Inputs,
    /// What was found.
    pub found: Found,
}

/// Runs the pruned file against the masked original.
///
/// # Errors
/// [`Error::Verification`](super::Error::Verification) when the pruned model cannot be run where the original can, an
/// output is missing, has another shape, is not finite where the original's is, or differs;
/// [`Error::Runtime`](super::Error::Runtime) when the original cannot be opened or a run does not end.
pub fn verify(
    a: &Analysis,
    kept: &Kept,
    pruned: &Path,
    runtime: &dyn Runtime,
    options: &CheckOptions,
) -> Result<Check> {
    let maker = Maker::new(a, options.seed, &options.fills)?;
    let mut plain: Kept = a
        .groups
        .iter()
        .filter(|g| !g.flags.mixed)
        .filter_map(|g| kept.get(&g.atom).map(|k| (g.atom, k.clone())))
        .collect();
    let sizes = Sizes::of(a);
    let mut branches = Branches::of(a, kept);
    let (models, relevant, found) = loop {
        let mut models = Models::open(a, (kept, &plain), pruned, &branches, runtime, &options.session)?;
        let relevant = comparable(a, kept, &models);
        let mut trials = Trials {
            models: &mut models,
            maker: &maker,
            sizes: &sizes,
            branches: &mut branches,
            tolerance: options.tolerance_for(a),
            relevant: &relevant,
            found: trials::Tried::default(),
        };
        let done = trials.run(options.samples.as_ref(), &a.facts.bindings);
        let found = trials.found;
        let Err(e) = done else { break (models, relevant, found) };
        // Silence may make what no channel makes, a quotient or a logarithm of zeros: such groups are reordered
        // instead.
        let undefined = match &found.undefined {
            Some(inputs) => undefined::groups(a, &plain, inputs, runtime, &options.session)?,
            None => HashSet::new(),
        };
        if undefined.is_empty() {
            return Err(e);
        }
        plain.retain(|atom, _| !undefined.contains(atom));
        branches = Branches::of(a, kept);
    };
    let trials::Tried { told, difference, checked, first, kinds, refused, .. } = found;
    let whole = models.unknown.is_empty();
    let unknown: Vec<String> = models.unknown.iter().cloned().collect();
    let Some(inputs) = first else {
        let why = refused.map_or_else(|| "it has no outputs".to_owned(), |e| e.reason());
        let inputs = maker.make(&a.facts.bindings, inputs::Style::Ordinary, 0)?;
        let on = if inputs.is_empty() { String::new() } else { format!(" on {}", shapes(&inputs)) };
        let found = Found::Nothing(format!("{} cannot run the original model{on} ({why})", runtime.name()));
        return Ok(Check { sessions: None, inputs, found });
    };
    let silent = |name: &String| told.get(name).filter(|t| !t.tells()).map(|t| (name.clone(), t.why()));
    let unchecked_outputs: BTreeMap<String, &'static str> = relevant.iter().filter_map(silent).collect();
    let unchecked_groups = branches.unchecked();
    let (compared, mixed) = checked_groups(a, kept, &plain, &unchecked_groups);
    let verdict = Verdict {
        difference,
        compared,
        mixed,
        outputs: told.len() - unchecked_outputs.len(),
        sizes: checked,
        inputs: kinds,
        unchecked_outputs,
        unchecked_groups,
        before_operators: unknown,
    };
    let found = match nothing_told(&verdict, relevant.len(), runtime.name()) {
        Some(why) => Found::Nothing(why),
        None => Found::Same(verdict),
    };
    let Models { before, after, .. } = models;
    Ok(Check { sessions: whole.then_some((before, after)), inputs, found })
}

/// How many groups were masked and how many reordered, of those that a run reached.
fn checked_groups(a: &Analysis, kept: &Kept, plain: &Kept, unchecked: &[String]) -> (usize, usize) {
    let shrunk = a.groups.iter().filter(|g| kept.contains_key(&g.atom) && unchecked.contains(&g.name));
    let (masked, reordered): (Vec<_>, Vec<_>) = shrunk.partition(|g| plain.contains_key(&g.atom));
    (plain.len() - masked.len(), kept.len() - plain.len() - reordered.len())
}

/// The outputs that depend on what shrank, as far as they can be compared.
fn comparable(a: &Analysis, kept: &Kept, models: &Models) -> HashSet<String> {
    let outputs: HashSet<String> = models.after.outputs().iter().map(|o| o.name.clone()).collect();
    let mut relevant: HashSet<String> = relevant(a, kept).intersection(&outputs).cloned().collect();
    if relevant.is_empty() {
        relevant = outputs;
    }
    relevant.retain(|name| models.inner.tells(name));
    relevant
}

/// Why a check that ran says nothing.
fn nothing_told(v: &Verdict, relevant: usize, runtime: &str) -> Option<String> {
    if v.unchecked_outputs.len() == relevant {
        if relevant == 0 {
            let unknown = v.before_operators.join(", ");
            return Some(format!("{runtime} does not know {unknown}, and nothing is computed before"));
        }
        let one = |(name, why): (&String, &&str)| format!("output '{name}' {why}");
        let all: Vec<String> = v.unchecked_outputs.iter().map(one).collect();
        return Some(format!("{} on any input that was tried ({})", all.join(", "), v.inputs.join("; ")));
    }
    (v.compared + v.mixed == 0).then(|| {
        let groups = v.unchecked_groups.join(", ");
        format!("the branches that hold what was pruned ({groups}) did not run on any input that was tried")
    })
}

/// What stays, but with all channels of the groups that are not `plain`, in another order.
///
/// Means and norms over channels do not depend on their order, so a model in which every place that carries a group
/// is reordered alike gives what it gave. A place that was missed, or mapped wrongly, shows.
fn reordered(a: &Analysis, kept: &Kept, plain: &Kept) -> Kept {
    let order = |g: &crate::analysis::Group| {
        let n = g.size as u32;
        // Neither ascending nor its own inverse, so that a reordering applied twice or backwards shows too.
        (0..n).map(|c| (c + n / 3 + 1) % n).collect::<Vec<u32>>().into()
    };
    let of = |g: &crate::analysis::Group| {
        let k = kept.get(&g.atom)?;
        Some((g.atom, if plain.contains_key(&g.atom) { k.clone() } else { order(g) }))
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

/// Opens the original.
///
/// # Errors
/// When the runtime refuses it.
pub fn open_original(a: &Analysis, runtime: &dyn Runtime, options: &SessionOptions) -> Result<Box<dyn Session>> {
    open(a, a.graph.model.proto.clone(), runtime, options)
}
