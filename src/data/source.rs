//! Where batches come from: one ordered pass, or epochs in another order each.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Batch, DataOrigin};
use crate::runtime::IoInfo;

/// What went wrong in a data set.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A sample that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name in the data set.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// The epoch of a training run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch, from 0.
    pub number: u64,
}

impl Epoch {
    /// 0 to `count` in the order of this epoch; seed, number and count decide alone.
    pub fn order(self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed ^ self.number.rotate_left(32)));
        order
    }
}

/// Gives batches of samples, as often as wanted.
pub trait BatchSource: Send + Sync {
    /// All samples for a model with these inputs, always in the same order.
    ///
    /// # Errors
    /// When the data cannot be opened or does not fit the inputs; each batch may fail by itself.
    fn pass(&self, inputs: &[IoInfo]) -> Result<Pass<'_>, SourceError>;

    /// All samples in the order of an epoch, which is the same whenever it is asked for. Unless a source says better,
    /// its batches stay as they are, are held in memory and change places.
    ///
    /// # Errors
    /// As [`pass`](Self::pass).
    fn epoch(&self, inputs: &[IoInfo], epoch: Epoch) -> Result<Pass<'_>, SourceError> {
        let mut all: Vec<Option<Batch>> = self.pass(inputs)?.map(|b| b.map(Some)).collect::<Result<_, _>>()?;
        let order = epoch.order(all.len());
        Ok(Pass::new(order.into_iter().filter_map(move |i| all.get_mut(i)?.take().map(Ok))))
    }

    /// What it is called in reports.
    fn name(&self) -> String {
        self.origin().map_or_else(|| "data".to_owned(), |o| o.path.clone())
    }

    /// Names of the classes; nothing where the data has none.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// Where the data comes from, for reports.
    fn origin(&self) -> Option<&DataOrigin> {
        None
    }

    /// Number of samples in a pass, if it is known; those that turn out to be bad included.
    fn count(&self) -> Option<usize> {
        None
    }
}

/// Gives batches, and knows what it had to leave out.
trait Walk {
    fn next(&mut self) -> Option<Result<Batch, SourceError>>;

    fn left_out(&self) -> Vec<LeftOut> {
        Vec::new()
    }
}

struct Plain<I>(I);

impl<I: Iterator<Item = Result<Batch, SourceError>>> Walk for Plain<I> {
    fn next(&mut self) -> Option<Result<Batch, SourceError>> {
        self.0.next()
    }
}

#[cfg(feature = "data")]
impl Walk for super::Batches {
    fn next(&mut self) -> Option<Result<Batch, SourceError>> {
        Iterator::next(self).map(|batch| batch.map_err(Into::into))
    }

    fn left_out(&self) -> Vec<LeftOut> {
        self.bad().iter().map(|b| LeftOut { name: b.name.clone(), why: b.why.clone() }).collect()
    }
}

/// One walk over the data.
pub struct Pass<'s>(Box<dyn Walk + 's>);

impl<'s> Pass<'s> {
    /// A walk that leaves nothing out.
    pub fn new(batches: impl Iterator<Item = Result<Batch, SourceError>> + 's) -> Self {
        Pass(Box::new(Plain(batches)))
    }

    /// The samples that were left out so far.
    pub fn left_out(&self) -> Vec<LeftOut> {
        self.0.left_out()
    }
}

#[cfg(feature = "data")]
impl From<super::Batches> for Pass<'_> {
    fn from(batches: super::Batches) -> Self {
        Pass(Box::new(batches))
    }
}

impl Iterator for Pass<'_> {
    type Item = Result<Batch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// Batches held in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemory(pub Vec<Batch>);

impl BatchSource for InMemory {
    fn pass(&self, _: &[IoInfo]) -> Result<Pass<'_>, SourceError> {
        Ok(Pass::new(self.0.iter().cloned().map(Ok)))
    }

    /// Samples change places, also between batches, whose sizes stay. Where they cannot be told apart (an input does
    /// not have them along its first axis), batches do.
    fn epoch(&self, _: &[IoInfo], epoch: Epoch) -> Result<Pass<'_>, SourceError> {
        let singles: Option<Vec<Vec<Batch>>> = self.0.iter().map(Batch::singles).collect();
        let Some(singles) = singles else {
            let order = epoch.order(self.0.len());
            return Ok(Pass::new(order.into_iter().filter_map(|i| self.0.get(i).cloned().map(Ok))));
        };
        let samples: Vec<Batch> = singles.into_iter().flatten().collect();
        let mut order = epoch.order(samples.len()).into_iter();
        let batch = move |size: usize| {
            let parts = order.by_ref().take(size).filter_map(|i| samples.get(i).cloned()).collect();
            Batch::joined(parts).ok_or_else(|| "samples of different shapes cannot go into one batch".into())
        };
        Ok(Pass::new(self.0.iter().map(Batch::len).filter(|n| *n > 0).map(batch)))
    }

    fn count(&self) -> Option<usize> {
        Some(self.0.iter().map(Batch::len).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Label;
    use crate::runtime::Tensor;

    fn source(sizes: &[usize]) -> InMemory {
        let mut next = 0;
        let batch = |n: &usize| {
            let of = next..next + n;
            next += n;
            Batch {
                inputs: vec![(
                    "x".to_owned(),
                    Tensor::new([*n, 1], of.clone().map(|i| i as f32).collect::<Vec<_>>()).unwrap(),
                )],
                targets: of.clone().map(Label::Class).collect(),
                names: of.map(|i| i.to_string()).collect(),
                frames: Vec::new(),
            }
        };
        InMemory(sizes.iter().map(batch).collect())
    }

    /// The samples in the order in which an epoch gives them, each with its input; and the sizes of the batches.
    fn seen(source: &dyn BatchSource, epoch: Epoch) -> (Vec<usize>, Vec<usize>) {
        let (mut samples, mut sizes) = (Vec::new(), Vec::new());
        for batch in source.epoch(&[], epoch).unwrap().map(Result::unwrap) {
            sizes.push(batch.len());
            let values = batch.inputs[0].1.to_f64_vec();
            for ((target, value), name) in batch.targets.iter().zip(values).zip(&batch.names) {
                let Label::Class(i) = target else { panic!("{target:?}") };
                assert_eq!((*i as f64, &i.to_string()), (value, name), "a sample stays whole");
                samples.push(*i);
            }
        }
        (samples, sizes)
    }

    #[test]
    fn epochs_are_permutations_that_seed_and_number_decide() {
        let source = source(&[4, 4, 3]);
        let all: Vec<usize> = (0..11).collect();
        let mut found = Vec::new();
        for (seed, number) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)] {
            let (order, sizes) = seen(&source, Epoch { seed, number });
            assert_eq!(seen(&source, Epoch { seed, number }).0, order, "the same again");
            assert_eq!(sizes, [4, 4, 3]);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, all);
            assert_ne!(order, all);
            assert!(!found.contains(&order), "another epoch has another order");
            found.push(order);
        }
        let plain: Vec<usize> =
            source.pass(&[]).unwrap().flat_map(|b| b.unwrap().names).map(|n| n.parse().unwrap()).collect();
        assert_eq!(plain, all);
    }

    #[test]
    fn a_source_of_passes_alone_has_epochs_of_batches() {
        struct Passes(InMemory);
        impl BatchSource for Passes {
            fn pass(&self, inputs: &[IoInfo]) -> Result<Pass<'_>, SourceError> {
                self.0.pass(inputs)
            }
        }
        let source = Passes(source(&[2; 6]));
        let (order, sizes) = seen(&source, Epoch { seed: 3, number: 1 });
        assert_eq!(sizes, [2; 6]);
        assert!(order.chunks(2).all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1));
        assert_ne!(order, (0..12).collect::<Vec<_>>());
        assert_eq!(seen(&source, Epoch { seed: 3, number: 1 }).0, order);
    }
}
