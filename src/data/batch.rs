//! What a model is given at once, and what it ought to answer.

use crate::runtime::Tensor;

/// Samples that go through a model together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// The model's inputs by name; the first axis counts the samples. A model that fixes that axis gets the last
    /// batch filled up with copies of its last sample: rows behind [`Batch::len`] answer nothing.
    pub inputs: Vec<(String, Tensor)>,
    /// One for each sample, in order.
    pub targets: Vec<Label>,
    /// Name of each sample in its data set: a file, a key, an index.
    pub names: Vec<String>,
    /// Where each image lies in what the model sees, in order; empty where samples are no images.
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

    /// Its samples as batches of one; `None` where they do not stand along the first axis of every input.
    pub fn singles(&self) -> Option<Vec<Batch>> {
        let n = self.len();
        if self.inputs.is_empty() || self.inputs.iter().any(|(_, t)| t.shape().first() != Some(&n)) {
            return None;
        }
        let one = |i: usize| {
            let row = |(name, t): &(String, Tensor)| Some((name.clone(), t.rows(i..i + 1).ok()?));
            Some(Batch {
                inputs: self.inputs.iter().map(row).collect::<Option<_>>()?,
                targets: vec![self.targets[i].clone()],
                names: self.names.get(i).cloned().into_iter().collect(),
                frames: self.frames.get(i).copied().into_iter().collect(),
            })
        };
        (0..n).map(one).collect()
    }

    /// Batches of the same inputs as one; `None` where their shapes do not fit together, or there is none.
    pub fn joined(mut parts: Vec<Batch>) -> Option<Batch> {
        if parts.len() <= 1 {
            return parts.pop();
        }
        let inputs = (0..parts[0].inputs.len()).map(|i| {
            let tensors: Vec<&Tensor> = parts.iter().map(|p| Some(&p.inputs.get(i)?.1)).collect::<Option<_>>()?;
            Some((parts[0].inputs[i].0.clone(), Tensor::stacked(&tensors)?))
        });
        Some(Batch {
            inputs: inputs.collect::<Option<_>>()?,
            targets: parts.iter().flat_map(|p| p.targets.iter().cloned()).collect(),
            names: parts.iter().flat_map(|p| p.names.iter().cloned()).collect(),
            frames: parts.iter().flat_map(|p| p.frames.iter().copied()).collect(),
        })
    }
}

/// The label of one sample.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Label {
    /// The data set does not say.
    Unknown,
    /// Index of the class.
    Class(usize),
    /// Objects in an image.
    Boxes(Vec<BoundingBox>),
    /// Outputs that the model ought to give, by name.
    Outputs(Vec<(String, Tensor)>),
}

/// One object in an image, in pixels of the original.
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

/// How an image was laid into the model's input: `seen = original · scale + offset`, for x and y. A mirrored
/// image has a negative scale.
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
    /// An image as it is.
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
