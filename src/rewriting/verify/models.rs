//! The models of a check, opened.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::branches::Branches;
use super::inner::Inner;
use super::inputs::Inputs;
use super::part::{cut_before, unknown_operators};
use super::{masked, open, reordered};
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::onnx::{Model, proto::ModelProto};
use crate::rewriting::error::{Error, Result};
use crate::rewriting::surgery;
use crate::runtime::{self, Runtime, Session, SessionOptions, Tensor};

/// Sessions of a check.
pub struct Models {
    /// The original with the removed channels masked.
    pub before: Box<dyn Session>,
    /// The pruned model.
    pub after: Box<dyn Session>,
    /// With the groups in another order that an operator mixes across, where there are some.
    reordered: Option<Box<dyn Session>>,
    /// With all channels of all groups masked that lose some.
    silent: Option<Box<dyn Session>>,
    /// Outputs of `before` that are not the model's.
    taps: usize,
    /// Types of operators that the runtime does not know: the models end before them.
    pub unknown: BTreeSet<String>,
    /// What the pruned model has fewer channels of, where the models end early.
    pub inner: Inner,
    /// The same of the reordered model.
    pub inner_reordered: Inner,
}

/// A third copy of larger weights is not made.
const MOST_BYTES: u64 = 2 << 30;

impl Models {
    /// Opens them.
    ///
    /// # Errors
    /// [`Error::Runtime`] when the original cannot be opened, [`Error::Verification`] when only the pruned model
    /// cannot.
    pub fn open(
        a: &Analysis,
        (kept, plain): (&Kept, &Kept),
        pruned: &Path,
        branches: &Branches,
        runtime: &dyn Runtime,
        options: &SessionOptions,
    ) -> Result<Models> {
        let mut unknown = BTreeSet::new();
        loop {
            let mut original = masked(a, plain)?;
            let taps = match &mut original.graph {
                Some(graph) if unknown.is_empty() => branches.tap(graph)?,
                _ => 0,
            };
            // Opening is mostly one thread's work: do both at once.
            let (after, before) = rayon::join(
                || match unknown.is_empty() {
                    true => Ok(runtime.open(pruned, options)?),
                    false => {
                        let model = Model::load(pruned)?;
                        let proto = cut(model.proto.clone(), &unknown);
                        Ok(runtime::open_model(runtime, Model { proto, ..model }, options)?)
                    }
                },
                || open(a, cut(original, &unknown), runtime, options),
            );
            let before = match before {
                Ok(before) => before,
                Err(Error::Runtime(e)) => {
                    let more = a.graph.model.proto.graph.as_ref().map(|g| unknown_operators(g, &e)).unwrap_or_default();
                    if more.is_subset(&unknown) {
                        return Err(e.into());
                    }
                    unknown.extend(more);
                    continue;
                }
                Err(e) => return Err(e),
            };
            let after = after.map_err(|e: Error| only_pruned("opened", e))?;
            let also = |kept: &Kept, make: &dyn Fn(&Kept) -> Result<ModelProto>| -> Result<Box<dyn Session>> {
                open(a, cut(make(kept)?, &unknown), runtime, options)
            };
            let order = reordered(a, kept, plain);
            let reordered = match kept.len() == plain.len() {
                true => None,
                false => Some(also(&order, &|k| surgery::prune(a, k))?),
            };
            let inner = |kept: &Kept| match unknown.is_empty() {
                true => Inner::default(),
                false => Inner::of(a, kept, before.outputs().iter().map(|o| o.name.as_str())),
            };
            let (inner, inner_reordered) = (inner(kept), inner(&order));
            let nothing: Kept = kept.keys().map(|atom| (*atom, Arc::from(Vec::new()))).collect();
            let small = a.graph.model.file_bytes <= MOST_BYTES;
            let silent = if small { also(&nothing, &|k| masked(a, k)).ok() } else { None };
            return Ok(Models { before, after, reordered, silent, taps, unknown, inner, inner_reordered });
        }
    }

    /// What the original gives, and the values that decide on branches.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn expected(&mut self, inputs: &Inputs) -> runtime::Result<(Inputs, Inputs)> {
        let mut outputs = self.before.run(inputs)?;
        let values = outputs.split_off(outputs.len().saturating_sub(self.taps));
        Ok((outputs, values))
    }

    /// What the pruned model gives.
    ///
    /// # Errors
    /// [`Error::Verification`] when it cannot be run; the original can.
    pub fn got(&mut self, inputs: &Inputs) -> Result<Inputs> {
        self.after.run(inputs).map_err(|e| only_pruned(&format!("run on {}", shapes(inputs)), e.into()))
    }

    /// What the reordered model gives, where something is mixed.
    ///
    /// # Errors
    /// As [`Models::got`].
    pub fn reordered(&mut self, inputs: &Inputs) -> Result<Option<Inputs>> {
        let run =
            |session: &mut Box<dyn Session>| session.run(inputs).map_err(|e| only_pruned("run reordered", e.into()));
        self.reordered.as_mut().map(run).transpose()
    }

    /// Whether there is a reordered model.
    pub fn mixes(&self) -> bool {
        self.reordered.is_some()
    }

    /// What is left without all groups that lose channels; `None` where that cannot be run.
    pub fn silent(&mut self, inputs: &Inputs) -> Option<Inputs> {
        self.silent.as_mut()?.run(inputs).ok()
    }
}

/// Shapes of inputs, for messages.
pub fn shapes(inputs: &[(String, Tensor)]) -> String {
    let one = |(name, t): &(String, Tensor)| format!("{name} {:?}", t.shape());
    inputs.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn cut(mut proto: ModelProto, unknown: &BTreeSet<String>) -> ModelProto {
    if let Some(graph) = proto.graph.as_mut().filter(|_| !unknown.is_empty()) {
        cut_before(graph, unknown);
    }
    proto
}

/// What only the pruned model cannot do is a fault of it, unless it says nothing about the model.
fn only_pruned(what: &str, e: Error) -> Error {
    match e {
        Error::Runtime(runtime::Error::Timeout { .. } | runtime::Error::Device { .. }) => e,
        Error::Runtime(e) => {
            Error::Verification(format!("the pruned model cannot be {what}, the original can: {}", e.reason()))
        }
        e => e,
    }
}
