//! Second moments of vectors: Σ x·xᵀ, with a constant 1 as the last entry of every x.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, s};

/// Rows of a block: only blocks on and below the diagonal are computed.
const BLOCK: usize = 96;

/// Σ x·xᵀ over vectors x of `width` numbers and a constant 1.
#[derive(Debug, Clone)]
pub struct Moments {
    size: usize,
    /// Size × size, row-major; above the diagonal only within its blocks.
    sums: Vec<f32>,
    /// Vectors added.
    count: usize,
}

impl Moments {
    /// Nothing added yet.
    pub fn new(width: usize) -> Moments {
        let size = width + 1;
        Moments { size, sums: vec![0.0; size * size], count: 0 }
    }

    /// Bytes that moments of such vectors take.
    pub fn bytes(width: usize) -> u64 {
        (width as u64 + 1).pow(2) * 4
    }

    /// Adds vectors, one per row of `rows`: each is `width` numbers and a 1.
    pub fn add(&mut self, rows: &[f32]) {
        let (size, n) = (self.size, rows.len() / self.size);
        let Ok(x) = ArrayView2::from_shape((n, size), &rows[..n * size]) else { return };
        let Ok(mut sums) = ArrayViewMut2::from_shape((size, size), &mut self.sums) else { return };
        for from in (0..size).step_by(BLOCK) {
            let to = (from + BLOCK).min(size);
            let (own, before) = (x.slice(s![.., from..to]), x.slice(s![.., ..to]));
            general_mat_mul(1.0, &own.t(), &before, 1.0, &mut sums.slice_mut(s![from..to, ..to]));
        }
        self.count += n;
    }

    /// Adds the vectors of other moments of the same width.
    pub fn merge(&mut self, other: &Moments) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += b);
        self.count += other.count;
    }

    /// Numbers in a vector, without the constant.
    pub fn width(&self) -> usize {
        self.size - 1
    }

    /// Vectors added.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Σ x_i·x_j; index [`width`](Self::width) is the constant 1.
    pub fn get(&self, i: usize, j: usize) -> f32 {
        self.sums[i.max(j) * self.size + i.min(j)]
    }

    /// Gram matrix of the shares that channels have in W·x.
    ///
    /// `weight` is W by rows of `width` numbers; `channel` gives the channel of each entry of x, or a number not
    /// below `channels` where it has none. Returns ⟨Z_c, Z_d⟩ = Σ over entries i of c and j of d of
    /// (Σ x_i·x_j)·(WᵀW)_ij, row-major and symmetric.
    pub fn shares(&self, weight: &[f32], channel: &[u32], channels: usize) -> Vec<f64> {
        let n = self.width();
        let mut gram = vec![0.0; channels * channels];
        let rows = weight.len() / n.max(1);
        let Ok(w) = ArrayView2::from_shape((rows, n), &weight[..rows * n]) else { return gram };
        let mut product = ndarray::Array2::<f32>::zeros((BLOCK.min(n.max(1)), n));
        for from in (0..n).step_by(BLOCK) {
            let to = (from + BLOCK).min(n);
            let mut block = product.slice_mut(s![..to - from, ..to]);
            general_mat_mul(1.0, &w.slice(s![.., from..to]).t(), &w.slice(s![.., ..to]), 0.0, &mut block);
            for (i, row) in (from..to).zip(block.outer_iter()) {
                let c = channel[i] as usize;
                if c >= channels {
                    continue;
                }
                let sums = &self.sums[i * self.size..=i * self.size + i];
                let to = &mut gram[c * channels..(c + 1) * channels];
                for (j, (s, p)) in sums.iter().zip(row).enumerate() {
                    if let Some(g) = to.get_mut(channel[j] as usize) {
                        // Entries above the diagonal are those below it: twice, but for the diagonal itself.
                        *g += f64::from(*s) * f64::from(*p) * if i == j { 0.5 } else { 1.0 };
                    }
                }
            }
        }
        for c in 0..channels {
            for d in 0..=c {
                let sum = gram[c * channels + d] + gram[d * channels + c];
                (gram[c * channels + d], gram[d * channels + c]) = (sum, sum);
            }
        }
        gram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_shares_by_hand() {
        // Two vectors of three numbers; numbers 0 and 1 are channel 0, number 2 is channel 1.
        let mut m = Moments::new(3);
        m.add(&[1.0, 2.0, 3.0, 1.0, 0.0, -1.0, 1.0, 1.0]);
        assert_eq!((m.get(0, 0), m.get(1, 2), m.get(3, 1), m.get(3, 3)), (1.0, 5.0, 1.0, 2.0));
        // W of two rows: shares of channel 0 are (1·1 + 2·0, 1·0 + 2·2) = (1, 4), then (0, −2); of channel 1
        // (3, 3), then (1, 1).
        let w = [1.0, 0.0, 1.0, 0.0, 2.0, 1.0];
        assert_eq!(m.shares(&w, &[0, 0, 1], 2), [1.0 + 16.0 + 4.0, 15.0 - 2.0, 15.0 - 2.0, 18.0 + 2.0]);
        assert_eq!(m.shares(&w, &[u32::MAX, u32::MAX, 0], 1), [20.0]);
    }

    #[test]
    fn blocks_agree_with_one_sum() {
        let n = 2 * BLOCK + 5;
        let row: Vec<f32> = (0..n).map(|i| ((i * 7919) % 13) as f32 - 6.0).chain([1.0]).collect();
        let mut m = Moments::new(n);
        m.add(&row);
        m.add(&row);
        for (i, j) in [(0, n - 1), (n - 1, 0), (BLOCK, BLOCK - 1), (n, n), (2 * BLOCK, 17)] {
            assert_eq!(m.get(i, j), 2.0 * row[i] * row[j]);
        }
        let w: Vec<f32> = (0..n).map(|i| (i % 5) as f32 - 2.0).collect();
        let channel: Vec<u32> = (0..n as u32).map(|i| i % 3).collect();
        let share =
            |c: u32| -> f64 { (0..n).filter(|&i| channel[i] == c).map(|i| f64::from(w[i]) * f64::from(row[i])).sum() };
        let gram = m.shares(&w, &channel, 3);
        for (k, g) in gram.iter().enumerate() {
            assert!((g - 2.0 * share(k as u32 / 3) * share(k as u32 % 3)).abs() < 1e-3 * g.abs().max(1.0));
        }
    }
}
