//! The steps of a pipeline: one file each, one line in [`Step`].
//!
//! Steps on pixels come first, then steps on numbers, as in every framework.

mod center_crop;
mod color;
mod letterbox;
mod normalize;
mod random_crop;
mod random_flip;
mod resize;
mod scale;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Frame;
use super::image::Image;

pub use center_crop::CenterCrop;
pub(super) use color::repeated;
pub use color::{Color, Order};
pub use letterbox::Letterbox;
pub use normalize::Normalize;
pub use random_crop::RandomCrop;
pub use random_flip::RandomFlip;
pub use resize::Resize;
pub use scale::Scale;

/// One step, as a pipeline file writes it: `kind` and the fields of that kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs)] // the variants name their step
pub enum Step {
    Resize(Resize),
    CenterCrop(CenterCrop),
    RandomCrop(RandomCrop),
    RandomFlip(RandomFlip),
    Letterbox(Letterbox),
    Color(Color),
    Scale(Scale),
    Normalize(Normalize),
}

/// What a step works on.
pub(super) enum Work<'a> {
    Pixels(&'a dyn Pixels),
    Numbers(&'a dyn Numbers),
}

impl Step {
    pub(super) fn work(&self) -> Work<'_> {
        match self {
            Step::Resize(s) => Work::Pixels(s),
            Step::CenterCrop(s) => Work::Pixels(s),
            Step::RandomCrop(s) => Work::Pixels(s),
            Step::RandomFlip(s) => Work::Pixels(s),
            Step::Letterbox(s) => Work::Pixels(s),
            Step::Color(s) => Work::Pixels(s),
            Step::Scale(s) => Work::Numbers(s),
            Step::Normalize(s) => Work::Numbers(s),
        }
    }
}

/// An image, and where it lies in the original.
pub(super) struct Shot {
    pub image: Image,
    pub frame: Frame,
}

/// A step on pixels.
pub(super) trait Pixels {
    /// What is wrong with its fields, if anything.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Changes an image.
    fn apply(&self, shot: Shot, rng: &mut ChaCha8Rng) -> Result<Shot, String>;
}

/// A step on numbers: each value by itself.
pub(super) trait Numbers {
    /// What is wrong with its fields, if anything.
    fn check(&self) -> Result<(), String>;

    /// How many channels it is made for, if it is not for any number.
    fn channels(&self) -> Option<usize> {
        None
    }

    /// Changes a value of a channel.
    fn apply(&self, value: f32, channel: usize) -> f32;
}

/// A size: one number for both sides, or `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// Both sides.
    Square(usize),
    /// Height and width.
    Sides([usize; 2]),
}

/// Larger sides are mistakes.
const LARGEST: usize = 1 << 15;

impl Size {
    /// Height and width.
    pub fn sides(self) -> [usize; 2] {
        match self {
            Size::Square(n) => [n, n],
            Size::Sides(s) => s,
        }
    }

    fn check(self) -> Result<(), String> {
        let [h, w] = self.sides();
        let fits = |n| (1..=LARGEST).contains(&n);
        if fits(h) && fits(w) { Ok(()) } else { Err(format!("size {h} x {w} is not between 1 and {LARGEST}")) }
    }
}

/// Rounds halves to even, as Python does.
fn round(x: f64) -> isize {
    x.round_ties_even() as isize
}

const GONE: &str = "nothing of the image is left";
