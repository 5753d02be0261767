use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{GONE, Pixels, Shot};
use crate::data::image::Image;

/// Which channels an image has, and in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Color {
    /// The channels that come out.
    pub order: Order,
}

/// Order of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Red, green, blue. Grey is repeated.
    Rgb,
    /// Blue, green, red, as OpenCV reads images. Grey is repeated.
    Bgr,
    /// One channel of brightness, with Pillow's weights (ITU-R 601).
    Grey,
}

impl Pixels for Color {
    fn apply(&self, mut shot: Shot, _: &mut ChaCha8Rng) -> Result<Shot, String> {
        shot.image = match (self.order, shot.image.channels()) {
            (Order::Rgb, 3) | (Order::Grey, 1) => shot.image,
            (Order::Rgb | Order::Bgr, 1) => repeated(&shot.image).ok_or(GONE)?,
            (Order::Bgr, _) => {
                shot.image.pixels_mut().chunks_exact_mut(3).for_each(<[u8]>::reverse);
                shot.image
            }
            (Order::Grey, _) => grey(&shot.image).ok_or(GONE)?,
            (Order::Rgb, n) => return Err(format!("{n} channels are not a colour")),
        };
        Ok(shot)
    }
}

/// Grey as three equal channels.
pub fn repeated(image: &Image) -> Option<Image> {
    let pixels = image.pixels().iter().flat_map(|v| [*v; 3]).collect();
    Image::new(image.width(), image.height(), 3, pixels)
}

fn grey(image: &Image) -> Option<Image> {
    let (pixels, _) = image.pixels().as_chunks::<3>();
    let bright = |[r, g, b]: &[u8; 3]| {
        ((u32::from(*r) * 19595 + u32::from(*g) * 38470 + u32::from(*b) * 7471 + 0x8000) >> 16) as u8
    };
    Image::new(image.width(), image.height(), 1, pixels.iter().map(bright).collect())
}
