/// A picture of bytes: rows from the top, pixels from the left, channels side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// Joins sizes and pixels; `None` when they do not fit, or a size is 0.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Option<Self> {
        let count = width.checked_mul(height)?.checked_mul(channels)?;
        (count > 0 && count == pixels.len()).then_some(Picture { width, height, channels, pixels })
    }

    /// A picture whose pixel (x, y), channel c is `value(x, y, c)`.
    #[cfg(test)]
    pub fn made(width: usize, height: usize, channels: usize, value: impl Fn(usize, usize, usize) -> u8) -> Self {
        let at = |i: usize| value(i / channels % width, i / channels / width, i % channels);
        Picture { width, height, channels, pixels: (0..width * height * channels).map(at).collect() }
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

    /// The part of `width` x `height` pixels whose corner is at (`left`, `top`), which may lie outside: what is not
    /// in the picture gets the value `fill`. `None` for an empty part.
    pub fn cut(&self, [left, top]: [isize; 2], [width, height]: [usize; 2], fill: u8) -> Option<Self> {
        let count = width.checked_mul(height)?.checked_mul(self.channels)?;
        let mut cut = Picture::new(width, height, self.channels, vec![fill; count])?;
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
