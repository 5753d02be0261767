//! What a model is given at once, and what it ought to answer.

use crate::runtime::Tensor;

/// Samples that go through a model together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// The model's inputs by name; the first axis counts the samples. A model that fixes that axis gets the last
    /// batch filled up with copies of its last sample: rows behind [`Batch::len`] answer nothing.
    pub inputs: Vec<(String, Tensor)>,
    /// One for each sample, in order.
    pub targets: Vec<Target>,
    /// Name of each sample in its data set: a file, a key, an index.
    pub names: Vec<String>,
    /// Where each picture lies in what the model sees, in order; empty where samples are no pictures.
    pub frames: Vec<Frame>,
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
    /// Area of its outline, where the data set gives one: COCO's small, medium and large go by it.
    pub area: Option<f32>,
}

/// How a picture was laid into the model's input: `seen = original · scale + offset`, for x and y. A mirrored
/// picture has a negative scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Width and height of the original in pixels.
    pub size: [usize; 2],
    /// Factors for x and y.
    pub scale: [f32; 2],
    /// Pixels to the right and downwards.
    pub offset: [f32; 2],
}

impl Frame {
    /// A picture as it is.
    pub fn whole(width: usize, height: usize) -> Self {
        Frame { size: [width, height], scale: [1.0; 2], offset: [0.0; 2] }
    }

    /// A point of the model's input in pixels of the original.
    pub fn original(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.offset[0]) / self.scale[0], (y - self.offset[1]) / self.scale[1]]
    }

    /// Applies `seen · scale + offset` after what happened so far.
    #[cfg(feature = "data")]
    pub(super) fn then(&mut self, scale: [f32; 2], offset: [f32; 2]) {
        for axis in 0..2 {
            self.scale[axis] *= scale[axis];
            self.offset[axis] = self.offset[axis] * scale[axis] + offset[axis];
        }
    }
}
