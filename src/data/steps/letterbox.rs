use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{GONE, Pixels, Shot, Size, round};
use crate::data::resample::{self, Interpolation};

/// Scales an image until it fits, keeps its aspect ratio, and puts it into the middle of a grey ground, as YOLO
/// detectors want it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letterbox {
    /// Both sides, or height and width.
    pub size: Size,
    /// Value of the ground.
    #[serde(default = "grey")]
    pub fill: u8,
    /// How pixels in between are made.
    #[serde(default = "linear")]
    pub interpolation: Interpolation,
}

fn grey() -> u8 {
    114
}

fn linear() -> Interpolation {
    Interpolation::Linear
}

impl Letterbox {
    /// The usual one.
    pub fn new(size: Size) -> Self {
        Letterbox { size, fill: grey(), interpolation: linear() }
    }
}

impl Pixels for Letterbox {
    fn check(&self) -> Result<(), String> {
        self.size.check()
    }

    fn apply(&self, mut shot: Shot, _: &mut ChaCha8Rng) -> Result<Shot, String> {
        let [height, width] = self.size.sides();
        let (w, h) = (shot.image.width() as f64, shot.image.height() as f64);
        let ratio = (width as f64 / w).min(height as f64 / h);
        let inner = |side: f64, most: usize| (round(side * ratio).max(1) as usize).min(most);
        let (inner_w, inner_h) = (inner(w, width), inner(h, height));
        // A tenth less than the half: an odd pixel goes to the right and to the bottom.
        let edge = |outer: usize, inner: usize| round((outer - inner) as f64 / 2.0 - 0.1);
        let (left, top) = (edge(width, inner_w), edge(height, inner_h));
        let inner = resample::resize(&shot.image, inner_w, inner_h, self.interpolation).ok_or(GONE)?;
        shot.image = inner.cut([-left, -top], [width, height], self.fill).ok_or(GONE)?;
        let scale = [(inner_w as f64 / w) as f32, (inner_h as f64 / h) as f32];
        shot.frame.then(scale, [left as f32, top as f32]);
        Ok(shot)
    }
}
