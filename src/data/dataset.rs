use bytes::Bytes;

use super::image::Image;
use super::{Label, Result};
use crate::runtime::Tensor;

/// Samples that can be read in any order, from any thread.
pub trait Dataset: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes, by index; numbers where the data set has no names, nothing where it has no classes.
    fn classes(&self) -> &[String];

    /// What sample `index` is called in messages: a file, a key, a row.
    fn name(&self, index: usize) -> String;

    /// Reads sample `index`, not yet decoded.
    ///
    /// # Errors
    /// When it cannot be read. Others may still be readable.
    fn sample(&self, index: usize) -> Result<Sample>;
}

/// One sample as its data set has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What a model is asked.
    pub content: Content,
    /// What it ought to answer.
    pub target: Label,
}

/// What a model is asked, before preprocessing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// An image file: JPEG, PNG, BMP or WebP.
    Encoded(Bytes),
    /// Pixels.
    Image(Image),
    /// Tensors without the axis that counts samples, by input name. Those without a name are for the inputs that
    /// no other is for, in order.
    Tensors(Vec<(String, Tensor)>),
    /// Token ids and what belongs to them, by input name, all of one length.
    Tokens(Vec<(String, Vec<i64>)>),
}

/// Names for classes that have none.
pub(super) fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| i.to_string()).collect()
}

/// SamplePart of a data set.
pub(super) struct Subset {
    pub whole: Box<dyn Dataset>,
    /// Indices into the whole.
    pub indices: Vec<usize>,
}

impl Subset {
    fn at(&self, index: usize) -> usize {
        // Behind the end stays behind the end, for the whole to refuse.
        self.indices.get(index).copied().unwrap_or(usize::MAX)
    }
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn classes(&self) -> &[String] {
        self.whole.classes()
    }

    fn name(&self, index: usize) -> String {
        self.whole.name(self.at(index))
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        self.whole.sample(self.at(index))
    }
}
