//! Runs of both models until everything has been told.

use std::collections::{BTreeMap, HashSet};

use super::branches::Branches;
use super::inputs::{Inputs, Maker, Style};
use super::models::{Models, shapes};
use super::sizes::{Checked, Sizes, note};
use super::tell::{Tell, tell};
use super::tolerance::{Distance, Tolerance, distance};
use crate::algebra::{Bindings, Kept};
use crate::analysis::Analysis;
use crate::rewriting::error::{Error, Result};
use crate::runtime::{self, Data, Tensor};

/// Contents of inputs that decide on sizes that are tried, at most.
const MOST_DECIDING: usize = 24;

/// Inputs are moved by this share of themselves to see what rounding may do,
const NUDGE: f64 = 1e-6;
/// and an output that differs by no more than so many times what that does is noise. The share is far below any
/// tolerance, so that only what is ill-conditioned is let off.
const NOISE: f64 = 8.0;

/// The runs of a check.
pub struct Trials<'c, 'a> {
    pub models: &'c mut Models,
    pub maker: &'c Maker<'a>,
    pub sizes: &'c Sizes<'a>,
    pub branches: &'c mut Branches,
    pub tolerance: Tolerance,
    /// Outputs that depend on what shrank.
    pub relevant: &'c HashSet<String>,
    /// What came of it so far.
    pub found: Tried,
}

/// What runs told.
#[derive(Default)]
pub struct Tried {
    /// What is told of each output.
    pub told: BTreeMap<String, Tell>,
    /// Largest difference.
    pub difference: f64,
    /// Sizes that were run.
    pub checked: Checked,
    /// The first inputs that the original took.
    pub first: Option<Inputs>,
    /// Kinds of inputs that were run.
    pub kinds: Vec<&'static str>,
    /// Why the original could not be run, where it could not.
    pub refused: Option<runtime::Error>,
    /// Inputs for which the masked original gives what is no number where the pruned model gives one.
    pub undefined: Option<Inputs>,
}

impl Trials<'_, '_> {
    /// Runs everything.
    ///
    /// # Errors
    /// [`Error::Verification`] when the models differ, [`Error::Runtime`] when a run does not end.
    pub fn run(&mut self, samples: Option<&Inputs>, usual: &Bindings) -> Result<()> {
        if let Some(samples) = samples {
            // What the data does not have is random.
            let mut inputs = self.maker.make(usual, Style::Ordinary, 0)?;
            for (name, tensor) in &mut inputs {
                if let Some((_, sample)) = samples.iter().find(|(n, _)| n == name) {
                    tensor.clone_from(sample);
                }
            }
            let other = self.maker.make(usual, Style::Ordinary, 1).ok();
            if self.trial(&inputs, other.as_ref())?.is_some() {
                self.found.kinds.push("data");
            }
        }
        let mut works = self.styles(usual)?;
        let style = works.unwrap_or(Style::Ordinary);
        for other in self.maker.deciding(usual).iter().take(MOST_DECIDING) {
            let inputs = self.maker.make_with(usual, style, 0, Some(other))?;
            let again = self.maker.make_with(usual, style, 1, Some(other)).ok();
            if self.trial(&inputs, again.as_ref())?.is_some() {
                works.get_or_insert(style);
            }
        }
        if works.is_none() {
            works = self.elsewhere()?;
        }
        works.map_or(Ok(()), |style| self.other_sizes(style))
    }

    /// All kinds of inputs until everything is told; the kind that tells most.
    fn styles(&mut self, usual: &Bindings) -> Result<Option<Style>> {
        let mut best: Option<(usize, Style)> = None;
        for style in Style::ALL {
            if let Some(told) = self.at(usual, style)? {
                self.found.kinds.push(style.name());
                if best.is_none_or(|(most, _)| told > most) {
                    best = Some((told, style));
                }
            }
            if self.all_told() || !self.maker.varies() && best.is_some() {
                break;
            }
        }
        Ok(best.map(|(_, style)| style))
    }

    /// The original does not run at the usual sizes: others may do.
    fn elsewhere(&mut self) -> Result<Option<Style>> {
        let mut all: Vec<Bindings> = self.sizes.small();
        all.extend(self.sizes.all_moved());
        all.extend(self.sizes.open.iter().flat_map(|o| self.sizes.moved(o)));
        for sizes in all.into_iter().take(8) {
            for style in [Style::Ordinary, Style::Ones] {
                if self.at(&sizes, style)?.is_some() {
                    self.found.kinds.push(style.name());
                    return Ok(Some(style));
                }
            }
        }
        Ok(None)
    }

    /// Every open size once more with another number.
    fn other_sizes(&mut self, style: Style) -> Result<()> {
        let styles = if style == Style::Ones { vec![style] } else { vec![style, Style::Ones] };
        if let Some(moved) = self.sizes.all_moved() {
            self.any(&moved, &styles)?;
        }
        for o in &self.sizes.open {
            if self.found.checked.get(&o.name).is_some_and(|n| n.len() > 1) {
                continue;
            }
            for moved in self.sizes.moved(o) {
                if self.any(&moved, &styles)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The first of some kinds of inputs that runs and tells something.
    fn any(&mut self, sizes: &Bindings, styles: &[Style]) -> Result<bool> {
        for style in styles {
            if self.at(sizes, *style)?.is_some_and(|told| told > 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn at(&mut self, sizes: &Bindings, style: Style) -> Result<Option<usize>> {
        let inputs = match self.maker.make(sizes, style, 0) {
            Ok(inputs) => inputs,
            Err(e) if *sizes == self.sizes.usual() => return Err(e),
            // Inputs that were given have one size only.
            Err(_) => return Ok(None),
        };
        let other = self.maker.make(sizes, style, 1).ok().filter(|_| self.maker.varies());
        self.trial(&inputs, other.as_ref())
    }

    /// Runs all models; the number of outputs that told something, `None` where the original could not be run.
    fn trial(&mut self, inputs: &Inputs, other: Option<&Inputs>) -> Result<Option<usize>> {
        let (expected, mut values) = match self.models.expected(inputs) {
            Ok(done) => done,
            Err(e @ (runtime::Error::Timeout { .. } | runtime::Error::Device { .. })) => return Err(e.into()),
            Err(e) => {
                self.found.refused.get_or_insert(e);
                return Ok(None);
            }
        };
        let mut tells = 0;
        let got = self.models.got(inputs)?;
        let got = self.models.inner.told(got);
        match self.models.unknown.is_empty() {
            true => shapes_agree(&expected, &got, inputs)?,
            false => shapes_agree(&self.models.inner.narrow(expected.clone())?, &got, inputs)?,
        }
        let reordered = self.models.reordered(inputs)?.map(|all| self.models.inner_reordered.told(all));
        let second = other.and_then(|o| self.models.expected(o).ok()).map(|(outputs, _)| outputs);
        let silent = self.models.silent(inputs);
        let inner = if reordered.is_some() { &self.models.inner_reordered } else { &self.models.inner };
        let narrow = |all: Option<Inputs>| all.map(|all| inner.narrow(all)).transpose();
        let (second, silent) = (narrow(second)?, narrow(silent)?);
        let expected = inner.narrow(expected)?;
        let target = match &reordered {
            Some(reordered) => {
                shapes_agree(&expected, reordered, inputs)?;
                reordered
            }
            None => &got,
        };
        let mut nudged = None;
        for (k, ((name, e), (_, g))) in expected.iter().zip(target).enumerate() {
            let find = |all: &'_ Option<Inputs>| all.as_ref().and_then(|all| all.get(k)).map(|(_, t)| t.clone());
            let (second, silent) = (find(&second), find(&silent));
            let found = distance(e, g, [second.as_ref(), silent.as_ref()], self.tolerance);
            if found.share.is_finite()
                && found.share > self.tolerance.share
                && self.is_noise(k, (e, g), inputs, &mut nudged)
            {
                self.found.told.entry(name.clone()).or_insert(Tell::Noise);
                continue;
            }
            if found.share > self.tolerance.share {
                if !found.expected.is_finite() && found.got.is_finite() {
                    self.found.undefined = Some(inputs.clone());
                }
                return Err(differs(name, e, &found, inputs));
            }
            self.found.difference = self.found.difference.max(found.share);
            let told = tell(e, second.as_ref(), silent.as_ref());
            tells += usize::from(told.tells() && self.relevant.contains(name));
            let known = self.found.told.entry(name.clone()).or_insert(told);
            *known = (*known).max(told);
        }
        values.extend(inputs.iter().cloned());
        self.branches.note(&values);
        if tells > 0 {
            note(&mut self.found.checked, &self.sizes.open, inputs);
        }
        self.found.first.get_or_insert_with(|| inputs.clone());
        Ok(Some(tells))
    }

    /// Whether an output moves as far when the inputs move by their last digits: then it is what is left of larger
    /// numbers, and tells nothing.
    fn is_noise(
        &mut self,
        k: usize,
        (expected, got): (&Tensor, &Tensor),
        inputs: &Inputs,
        nudged: &mut Option<Option<Inputs>>,
    ) -> bool {
        let models = &mut self.models;
        let nudged = nudged.get_or_insert_with(|| {
            let outputs = models.expected(&nudge(inputs)).ok()?.0;
            let inner = if models.mixes() { &models.inner_reordered } else { &models.inner };
            inner.narrow(outputs).ok()
        });
        let Some((_, other)) = nudged.as_ref().and_then(|all| all.get(k)) else { return false };
        let apart = |t: &Tensor| {
            let far = |(a, b): (f64, &f64)| if a == *b { 0.0 } else { (a - b).abs() };
            t.to_f64_vec().into_iter().zip(&expected.to_f64_vec()).map(far).fold(0.0, f64::max)
        };
        let (noise, difference) = (apart(other), apart(got));
        noise.is_finite() && difference <= NOISE * noise
    }

    fn all_told(&self) -> bool {
        let told = |name: &String| self.found.told.get(name) == Some(&Tell::All);
        !self.found.told.is_empty() && self.relevant.iter().all(told) && self.branches.unchecked().is_empty()
    }
}

/// Inputs with every float moved up or down by its last digits.
fn nudge(inputs: &Inputs) -> Inputs {
    let by = |i: usize| if (i * 7 + i / 3).is_multiple_of(2) { 1.0 + NUDGE } else { 1.0 - NUDGE };
    let one = |(name, t): &(String, Tensor)| {
        let moved = match t.data() {
            Data::F32(v) => {
                Tensor::new(t.shape(), v.iter().enumerate().map(|(i, x)| x * by(i) as f32).collect::<Vec<_>>())
            }
            Data::F64(v) => Tensor::new(t.shape(), v.iter().enumerate().map(|(i, x)| x * by(i)).collect::<Vec<_>>()),
            _ => Ok(t.clone()),
        };
        (name.clone(), moved.unwrap_or_else(|_| t.clone()))
    };
    inputs.iter().map(one).collect()
}

fn differs(name: &str, e: &Tensor, d: &Distance, inputs: &Inputs) -> Error {
    let on = shapes(inputs);
    let what = match d.share.is_finite() && e.dtype().is_real() {
        true => format!(", a difference of {:.1e} of its scale", d.share),
        false => String::new(),
    };
    Error::Verification(format!(
        "output '{name}' differs from the masked original: element {} is {:.6e} instead of {:.6e}{what} (on {on})",
        d.element, d.got, d.expected
    ))
}

/// Names, shapes and types are the same, and what was finite still is.
fn shapes_agree(expected: &Inputs, got: &Inputs, inputs: &Inputs) -> Result<()> {
    let refuse = |why: String| Err(Error::Verification(format!("{why} (on {})", shapes(inputs))));
    if expected.len() != got.len() {
        return refuse(format!("{} outputs instead of {}", got.len(), expected.len()));
    }
    for ((name, e), (other, g)) in expected.iter().zip(got) {
        if name != other || e.shape() != g.shape() || e.dtype() != g.dtype() {
            return refuse(format!(
                "output '{name}' of shape {:?} became '{other}' of shape {:?}",
                e.shape(),
                g.shape()
            ));
        }
        if let (Some((at, value)), None) = (g.first_non_finite(), e.first_non_finite()) {
            return refuse(format!("output '{name}' is {value} at element {at}"));
        }
    }
    Ok(())
}

/// Outputs that depend on what shrank, by name; what only sizes make does not.
pub fn relevant(a: &Analysis, kept: &Kept) -> HashSet<String> {
    let g = &a.graph;
    let mut reads = g.per_node(false);
    for group in a.groups.iter().filter(|group| kept.contains_key(&group.atom)) {
        for at in group.items.iter().flat_map(|item| &a.views[item.view].uses) {
            reads[at.node] = true;
        }
    }
    let mut tainted = g.per_tensor(false);
    for (i, own) in reads.enumerate() {
        let hit = *own || g.inputs[i].iter().flatten().chain(&g.captured[i]).any(|id| tainted[*id]);
        for id in g.outputs[i].iter().flatten().filter(|id| hit && a.facts.tensors[**id].value.is_none()) {
            tainted[*id] = true;
        }
    }
    // Names within subgraphs do no harm: no output has one.
    g.tensors().filter(|id| tainted[*id]).map(|id| g.name(id).to_owned()).collect()
}
