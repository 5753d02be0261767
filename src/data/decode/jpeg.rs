//! JPEG files: the pixels of libjpeg-turbo, as Pillow, torchvision and OpenCV give them.

use libjpeg_turbo_rs::{DecodeLimits, Decoder, PixelFormat};

use super::check_size;
use crate::data::Limits;
use crate::data::image::Image;

/// Progressive files may repaint the whole image with every scan; more than this is no photograph.
const MOST_SCANS: usize = 512;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Image, String> {
    let bound = DecodeLimits { max_pixels: limits.pixels as u64, max_scans: MOST_SCANS, ..DecodeLimits::default() };
    let mut decoder = Decoder::new_with_limits(bytes, bound).map_err(|e| e.to_string())?;
    let header = decoder.header();
    let (width, height, channels) = (usize::from(header.width), usize::from(header.height), header.components.len());
    check_size(width, height, limits)?;
    let format = match channels {
        1 => PixelFormat::Grayscale,
        3 => PixelFormat::Rgb,
        n => return Err(format!("a JPEG image of {n} color channels (CMYK?) is not supported")),
    };
    decoder.set_output_format(format);
    let image = decoder.decode_image().map_err(|e| e.to_string())?;
    // The decoder fills in what is missing and says so; a truncated file is not a sample.
    if let Some(w) = image.warnings.first() {
        return Err(w.to_string());
    }
    let channels = if channels == 1 { 1 } else { 3 };
    Image::new(image.width, image.height, channels, image.data).ok_or_else(|| "it has no pixels".into())
}
