/// An image of bytes: rows from the top, pixels from the left, channels side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Image {
    /// Joins sizes and pixels; `None` when they do not fit, or a size is 0.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Option<Self> {
        let count = width.checked_mul(height)?.checked_mul(channels)?;
        (count > 0 && count == pixels.len()).then_some(Image { width, height, channels, pixels })
    }

    /// An image whose pixel (x, y), channel c is `value(x, y, c)`.
    #[cfg(test)]
    pub fn made(width: usize, height: usize, channels: usize, value: impl Fn(usize, usize, usize) -> u8) -> Self {
        let at = |i: usize| value(i / channels % width, i / channels / width, i % channels);
        Image { width, height, channels, pixels: (0..width * height * channels).map(at).collect() }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Values per pixel: 1 is grey, 3 is red, green, blue.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All values, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All values, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The rows, each `width · channels` values.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.width * self.channels)
    }

    /// Rows and columns exchanged; `None` for pixels of other than 1 or 3 values.
    pub fn turned(&self) -> Option<Self> {
        let pixels = match self.channels {
            1 => turned::<1>(&self.pixels, self.width),
            3 => turned::<3>(&self.pixels, self.width),
            _ => return None,
        };
        Image::new(self.height, self.width, self.channels, pixels)
    }

    /// The part of `width` x `height` pixels whose corner is at (`left`, `top`), which may lie outside: what is not
    /// in the image gets the value `fill`. `None` for an empty part.
    pub fn cut(&self, [left, top]: [isize; 2], [width, height]: [usize; 2], fill: u8) -> Option<Self> {
        let count = width.checked_mul(height)?.checked_mul(self.channels)?;
        let mut cut = Image::new(width, height, self.channels, vec![fill; count])?;
        // The same columns for every row: where they start here and there, and how many there are.
        let (from, to) = (left.max(0) as usize, left.min(0).unsigned_abs());
        let columns = self.width.saturating_sub(from).min(width.saturating_sub(to));
        let c = self.channels;
        let rows = cut.pixels.chunks_exact_mut(width * c).enumerate();
        for (y, row) in rows {
            let source = usize::try_from(top + y as isize).ok().and_then(|y| self.rows().nth(y));
            let source = source.and_then(|s| s.get(from * c..(from + columns) * c));
            if let (Some(source), Some(target)) = (source, row.get_mut(to * c..(to + columns) * c)) {
                target.copy_from_slice(source);
            }
        }
        Some(cut)
    }
}

/// Columns of pixels of `C` values as rows, by squares that stay in the cache.
fn turned<const C: usize>(pixels: &[u8], width: usize) -> Vec<u8> {
    const SIDE: usize = 16;
    let mut out = vec![0; pixels.len()];
    let (from, _) = pixels.as_chunks::<C>();
    let (to, _) = out.as_chunks_mut::<C>();
    let height = from.len() / width.max(1);
    for (top, left) in (0..height).step_by(SIDE).flat_map(|top| (0..width).step_by(SIDE).map(move |left| (top, left))) {
        let bottom = (top + SIDE).min(height);
        for x in left..(left + SIDE).min(width) {
            let column = from[top * width + x..].iter().step_by(width);
            to[x * height + top..x * height + bottom].iter_mut().zip(column).for_each(|(to, from)| *to = *from);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (width, height, channels) in [(1, 1, 1), (5, 3, 3), (16, 33, 1), (40, 17, 3)] {
            let image = Image::made(width, height, channels, |x, y, c| (x * 7 + y * 50 + c) as u8);
            let turned = Image::made(height, width, channels, |x, y, c| (y * 7 + x * 50 + c) as u8);
            assert_eq!(image.turned(), Some(turned));
        }
        assert_eq!(Image::made(2, 2, 2, |_, _, _| 0).turned(), None);
    }
}
