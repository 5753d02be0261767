//! Numerical rank of many small f32 matrices.
//!
//! The rank is the number of singular values above σ_max·max(rows, columns)·ε, ε of f32. Those of A are the roots of
//! the eigenvalues of AᵀA, and of these only their number above a shift is asked for: that is the number of positive
//! pivots of AᵀA − τ²·I (Sylvester). In f64 the product is exact to 1e-16·σ_max², the shift is 1e-14·σ_max² and more,
//! so squaring costs no digit that matters.

/// Pivots this many times the shift are taken one by one, largest first; what is left is looked at more closely.
const SAFE: f64 = 1e3;

/// Relative change of σ_max² at which it is known well enough: the tolerance follows it by half as much.
const SETTLED: f64 = 1e-5;

/// The tolerance relative to the largest singular value.
pub fn rank_tolerance(rows: usize, columns: usize) -> f64 {
    rows.max(columns) as f64 * f64::from(f32::EPSILON)
}

/// Computes ranks; keeps its buffers.
#[derive(Default)]
pub struct Ranks {
    /// The map in f64, its shorter side along rows.
    map: Vec<f64>,
    gram: Vec<f64>,
    vectors: [Vec<f64>; 2],
}

impl Ranks {
    /// Rank of the row-major matrix `a`, 0 for one without values; `None` where a value is not finite.
    pub fn rank(&mut self, a: &[f32], rows: usize, columns: usize) -> Option<usize> {
        let (n, m) = (rows.min(columns), rows.max(columns));
        if n == 0 || a.len() != rows * columns {
            return Some(0);
        }
        self.load(a, rows, columns);
        self.square(n, m);
        let top = self.largest(n);
        if top <= 0.0 {
            return Some(0);
        }
        if !top.is_finite() {
            return None;
        }
        let shift = top * rank_tolerance(rows, columns).powi(2);
        (0..n).for_each(|i| self.gram[i * n + i] -= shift);
        Some(positive(&mut self.gram, n, shift))
    }

    /// Copies the matrix so that each of its `m` long-side positions is a row of `n` values.
    fn load(&mut self, a: &[f32], rows: usize, columns: usize) {
        self.map.clear();
        if rows >= columns {
            self.map.extend(a.iter().map(|&v| f64::from(v)));
        } else {
            self.map.extend((0..columns).flat_map(|c| (0..rows).map(move |r| f64::from(a[r * columns + c]))));
        }
    }

    /// Lower triangle of the sum of the rows' outer products.
    fn square(&mut self, n: usize, m: usize) {
        self.gram.clear();
        self.gram.resize(n * n, 0.0);
        let mut from = 0;
        while from < m {
            // Four rows at a time: the triangle is loaded and stored a quarter as often.
            let block = &self.map[from * n..(from + 4).min(m) * n];
            if let [a, b, c, d] = block.chunks_exact(n).collect::<Vec<_>>()[..] {
                for i in 0..n {
                    let (x, y, z, w) = (a[i], b[i], c[i], d[i]);
                    let g = &mut self.gram[i * n..i * n + i + 1];
                    for ((((g, a), b), c), d) in g.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                        *g += (x * a + y * b) + (z * c + w * d);
                    }
                }
            } else {
                for row in block.chunks_exact(n) {
                    for i in 0..n {
                        let x = row[i];
                        self.gram[i * n..i * n + i + 1].iter_mut().zip(row).for_each(|(g, v)| *g += x * v);
                    }
                }
            }
            from += 4;
        }
        for i in 0..n {
            for j in 0..i {
                self.gram[j * n + i] = self.gram[i * n + j];
            }
        }
    }

    /// Largest eigenvalue of the square, by power iteration.
    fn largest(&mut self, n: usize) -> f64 {
        let [x, y] = &mut self.vectors;
        // No symmetry that a map may have, so that no eigenvector is missed.
        x.clear();
        x.extend((0..n).map(|i| 1.0 + (i as f64 * 0.618_033_988_749_894_9).fract()));
        y.clear();
        y.resize(n, 0.0);
        let mut top = 0.0;
        for _ in 0..200 {
            y.fill(0.0);
            // By columns of a symmetric matrix: no sum across lanes.
            for (row, &v) in self.gram.chunks_exact(n).zip(x.iter()) {
                y.iter_mut().zip(row).for_each(|(y, g)| *y += v * g);
            }
            let (mut xx, mut xy) = (0.0, 0.0);
            for (x, y) in x.iter().zip(y.iter()) {
                xx += x * x;
                xy += x * y;
            }
            let now = xy / xx;
            if now.is_nan() || now <= 0.0 || (now - top).abs() <= SETTLED * now {
                return now;
            }
            top = now;
            let scale = 1.0 / now;
            x.iter_mut().zip(y.iter()).for_each(|(x, y)| *x = y * scale);
        }
        top
    }
}

/// Number of positive eigenvalues of the symmetric n×n matrix of which the lower triangle is given.
fn positive(g: &mut [f64], n: usize, shift: f64) -> usize {
    let mut column = [0.0; 64];
    let mut spill = Vec::new();
    let column: &mut [f64] = if n <= column.len() {
        &mut column
    } else {
        spill.resize(n, 0.0);
        &mut spill
    };
    for k in 0..n {
        let (mut best, mut at) = (f64::NEG_INFINITY, k);
        for i in k..n {
            if g[i * n + i] > best {
                (best, at) = (g[i * n + i], i);
            }
        }
        if best <= SAFE * shift {
            return k + positive_rest(g, n, k);
        }
        swap(g, n, k, at);
        for i in k + 1..n {
            column[i] = g[i * n + k];
        }
        for i in k + 1..n {
            let factor = column[i] / best;
            let row = &mut g[i * n + k + 1..i * n + i + 1];
            row.iter_mut().zip(&column[k + 1..]).for_each(|(g, c)| *g -= factor * c);
        }
    }
    n
}

/// The same for the block from `k` on, with the largest entry as pivot (Bunch and Parlett).
fn positive_rest(g: &mut [f64], n: usize, mut k: usize) -> usize {
    let mut count = 0;
    while k < n {
        let (mut diagonal, mut at) = (0.0f64, k);
        let (mut outside, mut pair) = (0.0f64, (k, k));
        for i in k..n {
            if g[i * n + i].abs() > diagonal.abs() {
                (diagonal, at) = (g[i * n + i], i);
            }
            for j in k..i {
                if g[i * n + j].abs() > outside {
                    (outside, pair) = (g[i * n + j].abs(), (i, j));
                }
            }
        }
        if diagonal == 0.0 && outside == 0.0 {
            return count;
        }
        // All that is left is negative, and surely so.
        if (k..n).all(|i| {
            let around: f64 = (k..n).filter(|j| *j != i).map(|j| g[i.max(j) * n + i.min(j)].abs()).sum();
            g[i * n + i] + around < 0.0
        }) {
            return count;
        }
        if diagonal.abs() >= 0.64 * outside {
            swap(g, n, k, at);
            count += usize::from(diagonal > 0.0);
            for i in k + 1..n {
                let factor = g[i * n + k] / diagonal;
                for j in k + 1..=i {
                    g[i * n + j] -= factor * g[j * n + k];
                }
            }
            k += 1;
        } else {
            // A block of two with a negative determinant: one eigenvalue of each sign.
            swap(g, n, k, pair.1);
            swap(g, n, k + 1, pair.0);
            let (a, b, c) = (g[k * n + k], g[(k + 1) * n + k], g[(k + 1) * n + k + 1]);
            let determinant = a * c - b * b;
            for i in k + 2..n {
                let (x, y) = (g[i * n + k], g[i * n + k + 1]);
                let (p, q) = ((c * x - b * y) / determinant, (a * y - b * x) / determinant);
                for j in k + 2..=i {
                    g[i * n + j] -= p * g[j * n + k] + q * g[j * n + k + 1];
                }
            }
            count += 1;
            k += 2;
        }
    }
    count
}

/// Exchanges two indices k ≤ p of a symmetric matrix of which the lower triangle from row and column k on counts.
fn swap(g: &mut [f64], n: usize, k: usize, p: usize) {
    if k == p {
        return;
    }
    g.swap(k * n + k, p * n + p);
    for i in p + 1..n {
        g.swap(i * n + k, i * n + p);
    }
    for i in k + 1..p {
        g.swap(i * n + k, p * n + i);
    }
    for j in 0..k {
        g.swap(k * n + j, p * n + j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(rows: usize, columns: usize, a: &[f32]) -> usize {
        Ranks::default().rank(a, rows, columns).unwrap()
    }

    #[test]
    fn by_hand() {
        assert_eq!(rank(2, 2, &[1.0, 2.0, 2.0, 4.0]), 1);
        assert_eq!(rank(2, 2, &[1.0, 2.0, 2.0, 4.001]), 2);
        assert_eq!(rank(2, 3, &[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]), 2);
        assert_eq!(rank(3, 2, &[0.0; 6]), 0);
        assert_eq!(rank(1, 3, &[0.0, -1.0, 0.0]), 1);
        assert_eq!(rank(0, 3, &[]), 0);
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(Ranks::default().rank(&[wrong], 1, 1), None);
            assert_eq!(Ranks::default().rank(&[1.0, 0.0, 0.0, wrong], 2, 2), None);
            assert_eq!(Ranks::default().rank(&[0.0, wrong, 0.0, 0.0, 0.0, 0.0], 2, 3), None);
        }
        // Eigenvalues of both signs in every step: an antisymmetric matrix of full rank.
        #[rustfmt::skip]
        let odd = [0.0, 1.0, 2.0, 3.0,  -1.0, 0.0, 4.0, 5.0,  -2.0, -4.0, 0.0, 6.0,  -3.0, -5.0, -6.0, 0.0];
        assert_eq!(rank(4, 4, &odd), 4);
    }

    #[test]
    fn a_value_counts_above_the_tolerance_only() {
        for n in [4usize, 8, 33, 70] {
            let tolerance = rank_tolerance(n, n) as f32;
            let diagonal = |small: f32| {
                let mut a = vec![0f32; n * n];
                (0..n).for_each(|i| a[i * n + i] = if i % 2 == 0 { 3.0 } else { 3.0 * small });
                a
            };
            assert_eq!(rank(n, n, &diagonal(1.02 * tolerance)), n);
            assert_eq!(rank(n, n, &diagonal(0.98 * tolerance)), n.div_ceil(2));
        }
    }

    #[test]
    fn products_have_the_rank_of_their_factors() {
        let mut state = 7u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 23) as f32) - 1.0
        };
        for (rows, columns, r) in [(32, 32, 5), (16, 40, 16), (40, 16, 3), (8, 8, 7), (70, 65, 20)] {
            // Small integers, so that the product is exact.
            let a: Vec<f32> = (0..rows * r).map(|_| (draw() * 8.0).round()).collect();
            let b: Vec<f32> = (0..r * columns).map(|_| (draw() * 8.0).round()).collect();
            let product: Vec<f32> = (0..rows * columns)
                .map(|i| (0..r).map(|k| a[i / columns * r + k] * b[k * columns + i % columns]).sum())
                .collect();
            assert_eq!(rank(rows, columns, &product), r, "{rows}x{columns}");
        }
    }

    #[test]
    fn indefinite_blocks_are_counted() {
        // Eigenvalues ±10 − 1 and −5.
        let mut g = vec![-1.0, 0.0, 0.0, 10.0, -1.0, 0.0, 0.0, 0.0, -5.0];
        assert_eq!(positive(&mut g, 3, 1.0), 1);
        let mut g = vec![0.0, 0.0, 0.0, 0.0];
        assert_eq!(positive(&mut g, 2, 1.0), 0);
    }
}
