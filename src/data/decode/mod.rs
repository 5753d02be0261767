//! Image files to pixels. What decodes JPEG files is chosen by `benches/jpeg.rs`, and stands behind [`jpeg`] alone.

mod jpeg;

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits as ImageLimits};

use super::Limits;
use super::image::Image;

/// Decodes an image file. JPEG files give the pixels that libjpeg-turbo gives, to the bit; whatever the file says
/// of rotation is not applied, as in PIL. Grey images have one channel, all others three; transparency is dropped.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Image, String> {
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    if bytes.starts_with(b"\xff\xd8") {
        return jpeg::decode(bytes, limits);
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    if reader.format().is_none() {
        return Err("it is no image of a known format (JPEG, PNG, BMP, WebP)".into());
    }
    let mut bound = ImageLimits::default();
    bound.max_alloc = Some((limits.pixels as u64).saturating_mul(8));
    reader.limits(bound);
    // What it declares is looked at first: decoding would make room for it.
    let decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height, limits)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    let (channels, pixels) = match image {
        DynamicImage::ImageLuma8(p) => (1, p.into_raw()),
        DynamicImage::ImageRgb8(p) => (3, p.into_raw()),
        p if !p.color().has_color() => (1, p.into_luma8().into_raw()),
        p => (3, p.into_rgb8().into_raw()),
    };
    Image::new(width, height, channels, pixels).ok_or_else(|| "it has no pixels".into())
}

fn check_size(width: usize, height: usize, limits: &Limits) -> Result<(), String> {
    match width.checked_mul(height) {
        Some(n) if n <= limits.pixels => Ok(()),
        _ => Err(format!("{width} x {height} pixels are more than the {} allowed", limits.pixels)),
    }
}
