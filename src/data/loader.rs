use std::collections::VecDeque;
use std::sync::Arc;

use super::ahead::Ahead;
use super::dataset::Dataset;
use super::fit::fixed_batch;
use super::guard::guarded;
use super::pipeline::Preprocess;
use super::prepare::{Prepared, Preparer, assemble};
use super::source::Epoch;
use super::split::shuffled;
use super::{Batch, Error, Limits, Result};
use crate::runtime::IoInfo;

/// Samples that a thread prepares in one go.
const BLOCK: usize = 16;
/// Samples that are tried before a data set counts as unreadable.
const TRIES: usize = 16;

/// How samples become batches.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderOptions {
    /// Samples in a batch; a model that fixes its batch size gets that size instead.
    pub batch: usize,
    /// Seed of everything random: which samples, their order, random steps.
    pub seed: u64,
    /// Use this many samples, chosen by the seed; all if `None`.
    pub samples: Option<usize>,
    /// Another order in every epoch; the order of the data set otherwise.
    pub shuffle: bool,
    /// Threads that decode ahead; one per core if `None`.
    pub threads: Option<usize>,
    /// Leave out a last batch that is not full.
    pub drop_last: bool,
    /// Share of the samples that may be bad, 0 to 1.
    pub max_bad: f64,
    /// How large images may be.
    pub limits: Limits,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        LoaderOptions {
            batch: 32,
            seed: 0,
            samples: None,
            shuffle: false,
            threads: None,
            drop_last: false,
            max_bad: 0.01,
            limits: Limits::default(),
        }
    }
}

/// A sample that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSample {
    /// Its name in the data set.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Reads a data set in batches, as often as wanted. The batches depend on the seed only, never on the threads.
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    preparer: Arc<Preparer>,
    inputs: Vec<IoInfo>,
    options: LoaderOptions,
    /// Seed of the order in which they come, where that changes.
    order_seed: u64,
    /// The samples used, in the order of the data set.
    chosen: Arc<[usize]>,
    /// Samples in a batch, and whether the model wants exactly as many.
    batch: (usize, bool),
}

impl Loader {
    /// Plans reading for a model with these inputs, and tries it on the first sample that can be read. Images need
    /// a `preprocess`.
    ///
    /// # Errors
    /// [`Error::Fit`] when the data does not fit the model, [`Error::Pipeline`], and what reading a sample may give.
    pub fn new(
        dataset: impl Into<Arc<dyn Dataset>>,
        preprocess: Option<&Preprocess>,
        inputs: &[IoInfo],
        options: LoaderOptions,
    ) -> Result<Self> {
        let dataset = dataset.into();
        let mut chosen: Vec<usize> = (0..dataset.len()).collect();
        if let Some(n) = options.samples.filter(|n| *n < chosen.len()) {
            chosen = shuffled(dataset.len(), options.seed);
            chosen.truncate(n);
            chosen.sort_unstable();
        }
        let fixed = fixed_batch(inputs)?;
        let batch = (fixed.unwrap_or(options.batch).max(1), fixed.is_some());
        let mut last = Error::fit("there is no sample to look at");
        for &index in chosen.iter().take(TRIES) {
            let unforeseen = || Err(Error::sample(dataset.name(index), "reading it failed in an unforeseen way"));
            let sample = match guarded(|| dataset.sample(index)).unwrap_or_else(unforeseen) {
                Ok(sample) => sample,
                Err(e) => {
                    last = e;
                    continue;
                }
            };
            let preparer = Preparer::new(preprocess, inputs, &sample.content, &options.limits, options.seed)?;
            // A sample that is broken tells nothing; one that does not fit tells of all the others.
            match prepared(&preparer, &*dataset, index, 0) {
                Err(e @ Error::Fit { .. }) => return Err(e),
                Err(e) => last = e,
                Ok(_) => {
                    let (preparer, inputs, chosen) = (Arc::new(preparer), inputs.to_vec(), chosen.into());
                    let order_seed = options.seed;
                    return Ok(Loader { dataset, preparer, inputs, options, order_seed, chosen, batch });
                }
            }
        }
        Err(last)
    }

    /// Samples in an epoch, bad ones included.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Samples in a full batch.
    pub fn batch(&self) -> usize {
        self.batch.0
    }

    /// Names of the classes, as [`Dataset::classes`].
    pub fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    /// From now on epochs come in another order each, which depends on `seed`; which samples they have stays.
    pub fn reshuffle(&mut self, seed: u64) {
        self.options.shuffle = true;
        self.order_seed = seed;
    }

    /// Reads all batches from the start.
    pub fn batches(&self) -> Batches {
        self.epoch(0)
    }

    /// Reads all batches of an epoch; another one has other random steps, and another order if shuffled.
    pub fn epoch(&self, epoch: u64) -> Batches {
        let order: Arc<[usize]> = match self.options.shuffle {
            false => Arc::clone(&self.chosen),
            true => {
                let order = Epoch { seed: self.order_seed, number: epoch }.order(self.chosen.len());
                order.iter().filter_map(|i| self.chosen.get(*i).copied()).collect()
            }
        };
        let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = self.options.threads.unwrap_or_else(cores);
        // Two batches ahead, and enough for every thread to have work.
        let depth = (2 * self.batch.0).div_ceil(BLOCK).max(2 * threads);
        let (dataset, preparer) = (Arc::clone(&self.dataset), Arc::clone(&self.preparer));
        let count = order.len();
        let work = move |block: usize| -> Vec<Result<Prepared>> {
            let part = order.iter().skip(block * BLOCK).take(BLOCK);
            part.map(|i| prepared(&preparer, &*dataset, *i, epoch)).collect()
        };
        Batches {
            ahead: Ahead::new(count.div_ceil(BLOCK), threads, depth, work),
            waiting: VecDeque::new(),
            inputs: self.inputs.clone(),
            batch: self.batch,
            drop_last: self.options.drop_last,
            allowed: (self.options.max_bad.clamp(0.0, 1.0) * count as f64) as usize,
            seen: 0,
            bad: Vec::new(),
            ended: false,
        }
    }
}

/// Reads and prepares a sample; a panic in a decoder makes it a bad one.
fn prepared(preparer: &Preparer, dataset: &dyn Dataset, index: usize, epoch: u64) -> Result<Prepared> {
    let name = dataset.name(index);
    let work = || preparer.prepare(dataset.sample(index)?, name.clone(), index, epoch);
    guarded(work).unwrap_or_else(|| Err(Error::sample(name, "decoding it failed in an unforeseen way")))
}

/// The batches of an epoch, in a fixed order; decoding runs ahead.
pub struct Batches {
    ahead: Ahead<Vec<Result<Prepared>>>,
    waiting: VecDeque<Prepared>,
    inputs: Vec<IoInfo>,
    batch: (usize, bool),
    drop_last: bool,
    allowed: usize,
    seen: usize,
    bad: Vec<BadSample>,
    ended: bool,
}

impl Batches {
    /// The samples left out so far.
    pub fn bad(&self) -> &[BadSample] {
        &self.bad
    }

    fn take_in(&mut self, block: Vec<Result<Prepared>>) -> Result<()> {
        for result in block {
            self.seen += 1;
            let error = match result {
                Ok(sample) => {
                    self.waiting.push_back(sample);
                    continue;
                }
                Err(error) => error,
            };
            self.bad.push(match error {
                Error::Sample { name, why } => BadSample { name, why },
                other => BadSample { name: format!("number {}", self.seen), why: other.to_string() },
            });
            if self.bad.len() > self.allowed {
                let first = self.bad.first().map(|b| format!("{}: {}", b.name, b.why)).unwrap_or_default();
                let (bad, seen, allowed) = (self.bad.len(), self.seen, self.allowed);
                return Err(Error::TooManyBad { bad, seen, allowed, first });
            }
        }
        Ok(())
    }

    fn gather(&mut self) -> Result<Option<Batch>> {
        let (size, exact) = self.batch;
        while self.waiting.len() < size {
            let Some(block) = self.ahead.next() else { break };
            self.take_in(block)?;
        }
        let count = self.waiting.len().min(size);
        if count == 0 || count < size && self.drop_last {
            return Ok(None);
        }
        let samples = self.waiting.drain(..count).collect();
        assemble(samples, &self.inputs, if exact { size } else { count }).map(Some)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.ended {
            return None;
        }
        let next = self.gather().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
