//! Drawn images with the statistics of photographs: dead leaves (Matheron 1968; Lee, Mumford and Huang 2001), shapes
//! of all sizes that lie one on another. Where there is no data, layers that have learned from photographs answer to
//! them much as they do to photographs, and to noise they do not.

use rand::Rng;

/// Leaves in an image.
const LEAVES: usize = 60;

/// Radii of the smallest and largest leaf, as parts of the shorter side. Their density falls with the third power, as
/// that of things at all distances does.
const RADII: (f64, f64) = (0.03, 0.6);

/// How far the channels of a colour lie apart.
const COLOUR: f64 = 0.15;

/// Points along each side of a pixel.
const FINE: usize = 2;

/// One image, channels × height × width, from 0 to 1.
pub fn dead_leaves(channels: usize, height: usize, width: usize, rng: &mut impl Rng) -> Vec<f32> {
    let (fine_height, fine_width) = (height * FINE, width * FINE);
    let side = fine_height.min(fine_width) as f64;
    let mut plane = vec![0u32; fine_height * fine_width];
    let mut colours = vec![colour(channels, rng)];
    for leaf in 1..=LEAVES as u32 {
        colours.push(colour(channels, rng));
        let shape = Shape::draw(fine_height as f64, fine_width as f64, side, rng);
        let (top, bottom) = shape.extent(shape.y, fine_height);
        let (left, right) = shape.extent(shape.x, fine_width);
        for y in top..bottom {
            let row = &mut plane[y * fine_width..(y + 1) * fine_width];
            for (x, point) in row.iter_mut().enumerate().take(right).skip(left) {
                if shape.covers(x as f64, y as f64) {
                    *point = leaf;
                }
            }
        }
    }
    let pixel = |(c, y, x): (usize, usize, usize)| {
        let points = (0..FINE).flat_map(|dy| (0..FINE).map(move |dx| (y * FINE + dy, x * FINE + dx)));
        let sum: f64 = points.map(|(y, x)| colours[plane[y * fine_width + x] as usize][c]).sum();
        (sum / (FINE * FINE) as f64) as f32
    };
    let places = |c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x)));
    (0..channels).flat_map(places).map(pixel).collect()
}

/// A brightness, and a little of its own for each channel.
fn colour(channels: usize, rng: &mut impl Rng) -> Vec<f64> {
    let brightness: f64 = rng.random();
    // The sum of four has nearly a normal distribution.
    let mut apart = || (0..4).map(|_| rng.random::<f64>() - 0.5).sum::<f64>() * 3f64.sqrt();
    (0..channels).map(|_| (brightness + if channels > 1 { COLOUR * apart() } else { 0.0 }).clamp(0.0, 1.0)).collect()
}

/// An ellipse or a rectangle.
struct Shape {
    y: f64,
    x: f64,
    radius: f64,
    /// Half its height, as a part of half its width.
    aspect: f64,
    turn: (f64, f64),
    round: bool,
}

impl Shape {
    fn draw(height: f64, width: f64, side: f64, rng: &mut impl Rng) -> Shape {
        let (small, large) = (RADII.0.powi(-2), RADII.1.powi(-2));
        let radius = side * (small - rng.random::<f64>() * (small - large)).powf(-0.5);
        let angle = rng.random::<f64>() * std::f64::consts::PI;
        Shape {
            y: rng.random::<f64>() * height,
            x: rng.random::<f64>() * width,
            radius,
            aspect: 0.3 + 0.7 * rng.random::<f64>(),
            turn: angle.sin_cos(),
            round: rng.random(),
        }
    }

    /// The pixels along one side that it may cover.
    fn extent(&self, middle: f64, most: usize) -> (usize, usize) {
        // The corners of a turned square lie farther out than its sides.
        let reach = self.radius * std::f64::consts::SQRT_2;
        (((middle - reach).floor().max(0.0) as usize).min(most), ((middle + reach).ceil().max(0.0) as usize).min(most))
    }

    fn covers(&self, x: f64, y: f64) -> bool {
        let ((sin, cos), dx, dy) = (self.turn, x - self.x, y - self.y);
        let (along, across) = (dx * cos + dy * sin, (dy * cos - dx * sin) / self.aspect);
        match self.round {
            true => along * along + across * across < self.radius * self.radius,
            false => along.abs().max(across.abs()) < self.radius,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn images_have_flat_parts_and_edges() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let image = dead_leaves(3, 32, 48, &mut rng);
        assert_eq!(image.len(), 3 * 32 * 48);
        assert!(image.iter().all(|v| (0.0..=1.0).contains(v)));
        let steps: Vec<f32> = image.chunks(48).flat_map(|row| row.windows(2).map(|w| (w[0] - w[1]).abs())).collect();
        let flat = steps.iter().filter(|s| **s == 0.0).count() as f64 / steps.len() as f64;
        assert!((0.4..0.95).contains(&flat), "{flat}");
        assert!(steps.iter().any(|s| *s > 0.3));
        // Neighbours are alike, far points are not.
        assert_ne!(image, dead_leaves(3, 32, 48, &mut rng));
        assert_eq!(image, dead_leaves(3, 32, 48, &mut ChaCha8Rng::seed_from_u64(1)));
    }

    #[test]
    fn grey_is_one_channel_and_tiny_images_are_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        assert_eq!(dead_leaves(1, 1, 1, &mut rng).len(), 1);
        assert_eq!(dead_leaves(2, 0, 4, &mut rng).len(), 0);
    }
}
