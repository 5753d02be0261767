use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Pixels, Shot};

/// Mirrors an image, left to right, with a probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFlip {
    /// Probability, 0 to 1.
    #[serde(default = "half")]
    pub probability: f32,
}

fn half() -> f32 {
    0.5
}

impl Pixels for RandomFlip {
    fn check(&self) -> Result<(), String> {
        // NaN is in no range.
        match (0.0..=1.0).contains(&self.probability) {
            true => Ok(()),
            false => Err(format!("probability {} is not between 0 and 1", self.probability)),
        }
    }

    fn apply(&self, mut shot: Shot, rng: &mut ChaCha8Rng) -> Result<Shot, String> {
        if rng.random::<f32>() >= self.probability {
            return Ok(shot);
        }
        let (width, channels) = (shot.image.width(), shot.image.channels());
        for row in shot.image.pixels_mut().chunks_exact_mut(width * channels) {
            // Backwards as a whole, then each pixel forwards again.
            row.reverse();
            row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
        }
        shot.frame.then([-1.0, 1.0], [width as f32, 0.0]);
        Ok(shot)
    }
}
