//! Calibration samples that are read once and gone through often, mixed, with a part set aside.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::store::{Room, Values};
use crate::data::{Batch, BatchSource, Label, Pass, SourceError};
use crate::onnx::proto::{GraphProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use crate::report::StandIn;
use crate::runtime::{Dim, IoInfo, Tensor};
use crate::statistics::{Error, Result};
use crate::tensor::DType;

/// One of so many samples is set aside: not for solving, but for choosing and for telling how good the result is.
const ASIDE: usize = 4;

/// With fewer samples none is set aside.
const ENOUGH: usize = 32;

/// Samples in memory or in temporary files.
pub struct Samples {
    /// Input tensors by name, with one value for each batch.
    pub(super) inputs: Vec<(String, Values)>,
    targets: Vec<Vec<Label>>,
    names: Vec<Vec<String>>,
    /// First batch of those set aside; the number of batches where there are none.
    aside: usize,
    pub(super) room: Room,
    /// What they are, where there is no data.
    pub stand_in: Option<StandIn>,
}

impl Samples {
    /// Reads all samples of a source for a model. Where samples can be told apart (they stand along the first axis of
    /// every input, and the model takes any number of them), they come in an order that the seed decides; otherwise
    /// batches do.
    ///
    /// # Errors
    /// When the data cannot be read or holds no sample.
    pub fn read(source: &dyn BatchSource, graph: &GraphProto, seed: u64, room: &Room) -> Result<Samples> {
        let infos = declared(graph);
        let fixed = infos.iter().any(|i| i.dims.as_ref().is_some_and(|d| matches!(d.first(), Some(Dim::Fixed(_)))));
        let mut parts: Vec<Batch> = Vec::new();
        let mut largest = 1;
        for batch in source.pass(&infos).map_err(Error::Data)? {
            let batch = batch.map_err(Error::Data)?;
            largest = largest.max(batch.len());
            if batch.is_empty() {
                continue;
            }
            match (!fixed).then(|| batch.singles()).flatten() {
                Some(singles) => parts.extend(singles),
                None => parts.push(batch),
            }
        }
        let count: usize = parts.iter().map(Batch::len).sum();
        if count == 0 {
            return Err(Error::Empty);
        }
        parts.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let aside = if count >= ENOUGH { parts.len() / ASIDE } else { 0 };
        let rest = parts.split_off(parts.len() - aside);
        let mut batches = joined(parts, largest);
        let first_aside = batches.len();
        batches.extend(joined(rest, largest));
        let mut inputs: Vec<(String, Values)> = Vec::new();
        let n = batches.len();
        for (k, batch) in batches.iter_mut().enumerate() {
            for (name, tensor) in std::mem::take(&mut batch.inputs) {
                let at = inputs.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
                    inputs.push((name, Values::new(n, room)));
                    inputs.len() - 1
                });
                inputs[at].1.put(k, tensor)?;
            }
        }
        let (targets, names) = batches.into_iter().map(|b| (b.targets, b.names)).unzip();
        Ok(Samples { inputs, targets, names, aside: first_aside, room: room.clone(), stand_in: None })
    }

    /// Number of batches.
    pub fn batches(&self) -> usize {
        self.targets.len()
    }

    /// Batches that are solved with.
    pub fn solved(&self) -> std::ops::Range<usize> {
        0..self.aside
    }

    /// Batches that results are told of: those set aside, or all where there are none.
    pub fn told(&self) -> std::ops::Range<usize> {
        if self.aside < self.batches() { self.aside..self.batches() } else { 0..self.batches() }
    }

    /// Whether some were set aside.
    pub fn has_aside(&self) -> bool {
        self.aside < self.batches()
    }

    /// Samples in some batches.
    pub fn count(&self, batches: std::ops::Range<usize>) -> usize {
        self.targets[batches].iter().map(Vec::len).sum()
    }

    /// Rows of the inputs in a batch, those that it was filled up with included.
    pub fn filled(&self, batch: usize) -> usize {
        let shape = self.inputs.first().and_then(|(_, v)| v.form(batch)).map(|f| f.1);
        shape.and_then(|s| s.first().copied()).unwrap_or(0)
    }

    /// Name of the first sample of a batch.
    pub fn name(&self, batch: usize) -> &str {
        self.names[batch].first().map_or("", String::as_str)
    }

    /// What the model ought to answer to the samples of a batch.
    pub fn targets(&self, batch: usize) -> &[Label] {
        &self.targets[batch]
    }

    /// Some of the batches as a source of their own.
    pub fn part(&self, batches: std::ops::Range<usize>) -> BatchRange<'_> {
        BatchRange { samples: self, batches }
    }
}

/// Some batches.
pub struct BatchRange<'s> {
    samples: &'s Samples,
    batches: std::ops::Range<usize>,
}

impl BatchSource for BatchRange<'_> {
    fn pass(&self, _: &[IoInfo]) -> std::result::Result<Pass<'_>, SourceError> {
        Ok(Pass::new(self.batches.clone().map(|k| {
            let of = |(name, values): &(String, Values)| Ok((name.clone(), Tensor::clone(&**values.get(k)?)));
            Ok(Batch {
                inputs: self.samples.inputs.iter().map(of).collect::<std::io::Result<_>>()?,
                targets: self.samples.targets[k].clone(),
                names: self.samples.names[k].clone(),
                frames: Vec::new(),
            })
        })))
    }

    fn count(&self) -> Option<usize> {
        Some(self.samples.count(self.batches.clone()))
    }
}

/// What a graph declares of the inputs that it must be given.
pub(super) fn declared(graph: &GraphProto) -> Vec<IoInfo> {
    let given = |v: &&ValueInfoProto| !graph.initializer.iter().any(|t| t.name() == v.name());
    let info = |v: &ValueInfoProto| {
        let tensor = v.r#type.as_ref().and_then(|t| match t.value.as_ref()? {
            type_proto::Value::TensorType(t) => Some(t),
            _ => None,
        });
        let dim = |d: &crate::onnx::proto::tensor_shape_proto::Dimension| match &d.value {
            Some(dimension::Value::DimValue(n)) => usize::try_from(*n).map_or(Dim::Unknown, Dim::Fixed),
            Some(dimension::Value::DimParam(name)) if !name.is_empty() => Dim::Symbol(name.clone()),
            _ => Dim::Unknown,
        };
        IoInfo {
            name: v.name().to_owned(),
            dtype: tensor.map_or(DType::Undefined, |t| DType::of(t.elem_type())),
            dims: tensor.and_then(|t| Some(t.shape.as_ref()?.dim.iter().map(dim).collect())),
        }
    };
    graph.input.iter().filter(given).map(info).collect()
}

/// Neighbours of equal shapes joined to batches of at most `most` samples.
fn joined(parts: Vec<Batch>, most: usize) -> Vec<Batch> {
    let mut out: Vec<Vec<Batch>> = Vec::new();
    for part in parts {
        let fits = |last: &Vec<Batch>| {
            let alike = |((n, a), (m, b)): (&(String, Tensor), &(String, Tensor))| {
                n == m && a.dtype() == b.dtype() && a.shape().get(1..) == b.shape().get(1..)
            };
            let same = last[0].inputs.len() == part.inputs.len() && last[0].inputs.iter().zip(&part.inputs).all(alike);
            // What a batch of fixed size was filled up with would stand between samples.
            let whole = |b: &Batch| b.len() == 1 && b.inputs.iter().all(|(_, t)| t.shape().first() == Some(&1));
            last.len() < most && same && whole(&part) && last.iter().all(whole)
        };
        match out.last_mut() {
            Some(last) if fits(last) => last.push(part),
            _ => out.push(vec![part]),
        }
    }
    out.into_iter().filter_map(Batch::joined).collect()
}
