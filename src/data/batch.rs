//! What a model is given at once, and what it ought to answer.

use crate::runtime::Tensor;

/// Samples that go through a model together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The model's inputs by name; the first axis counts the samples.
    pub inputs: Vec<(String, Tensor)>,
    /// One for each sample, in order.
    pub targets: Vec<Target>,
    /// Name of each sample in its data set: a file, a key, an index.
    pub names: Vec<String>,
}

impl Batch {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
}

/// The right answer for one sample.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// The data set does not say.
    Unknown,
    /// Index of the class.
    Class(usize),
    /// Objects in a picture.
    Boxes(Vec<BoundingBox>),
    /// Outputs that the model ought to give, by name.
    Outputs(Vec<(String, Tensor)>),
}

/// One object in a picture, in pixels of the original.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Left, top, width, height.
    pub xywh: [f32; 4],
    /// Index of the class.
    pub class: usize,
    /// Whether it is a crowd that no detection must match (COCO's `iscrowd`).
    pub crowd: bool,
}
