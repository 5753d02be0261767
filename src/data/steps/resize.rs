use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{GONE, Pixels, Shot, Size};
use crate::data::resample::{self, Interpolation};

/// Scales an image. One number is the length of the shorter side, the other side follows; `[height, width]` ignores
/// the aspect ratio. As torchvision's `Resize` of a PIL image, to the bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Shorter side, or height and width.
    pub size: Size,
    /// How pixels in between are made.
    #[serde(default)]
    pub interpolation: Interpolation,
}

impl Pixels for Resize {
    fn check(&self) -> Result<(), String> {
        self.size.check()
    }

    fn apply(&self, mut shot: Shot, _: &mut ChaCha8Rng) -> Result<Shot, String> {
        let (w, h) = (shot.image.width(), shot.image.height());
        let [height, width] = match self.size {
            Size::Sides(sides) => sides,
            Size::Square(n) if w <= h => [n * h / w, n],
            Size::Square(n) => [n, n * w / h],
        };
        // A strip one pixel wide would become a giant.
        Size::Sides([height, width]).check()?;
        shot.image = resample::resize(&shot.image, width, height, self.interpolation).ok_or(GONE)?;
        shot.frame.then([width as f32 / w as f32, height as f32 / h as f32], [0.0; 2]);
        Ok(shot)
    }
}
