use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{GONE, Pixels, Shot, Size, round};

/// Cuts out the middle. An image that is too small gets a black rim. As torchvision's `CenterCrop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// Both sides, or height and width.
    pub size: Size,
}

impl Pixels for CenterCrop {
    fn check(&self) -> Result<(), String> {
        self.size.check()
    }

    fn apply(&self, mut shot: Shot, _: &mut ChaCha8Rng) -> Result<Shot, String> {
        let [height, width] = self.size.sides();
        let corner = |inner: usize, outer: usize| {
            // First the rim, half of it before the image, then the cut: two roundings.
            let rim = inner.saturating_sub(outer) / 2;
            let padded = outer.max(inner);
            round((padded as f64 - inner as f64) / 2.0) - rim as isize
        };
        let (left, top) = (corner(width, shot.image.width()), corner(height, shot.image.height()));
        shot.image = shot.image.cut([left, top], [width, height], 0).ok_or(GONE)?;
        shot.frame.then([1.0; 2], [-left as f32, -top as f32]);
        Ok(shot)
    }
}
