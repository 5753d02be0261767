use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{GONE, Pixels, Shot, Size};

/// Cuts out a part at random, with a rim around the image if asked for: `size = 32, padding = 4` is what CIFAR
/// networks are trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// Both sides, or height and width.
    pub size: Size,
    /// Width of the rim.
    #[serde(default)]
    pub padding: usize,
    /// Value of the rim.
    #[serde(default)]
    pub fill: u8,
}

impl Pixels for RandomCrop {
    fn check(&self) -> Result<(), String> {
        self.size.check()?;
        Size::Square(self.padding.max(1)).check()
    }

    fn apply(&self, mut shot: Shot, rng: &mut ChaCha8Rng) -> Result<Shot, String> {
        let [height, width] = self.size.sides();
        let rim = self.padding;
        let (w, h) = (shot.image.width() + 2 * rim, shot.image.height() + 2 * rim);
        if w < width || h < height {
            return Err(format!("{w} x {h} pixels, rim included, are fewer than the {width} x {height} to cut out"));
        }
        let top = rng.random_range(0..=h - height) as isize - rim as isize;
        let left = rng.random_range(0..=w - width) as isize - rim as isize;
        shot.image = shot.image.cut([left, top], [width, height], self.fill).ok_or(GONE)?;
        shot.frame.then([1.0; 2], [-left as f32, -top as f32]);
        Ok(shot)
    }
}
