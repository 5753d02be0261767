//! Cholesky factors in f64, by blocks: most of the work is matrix products.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayViewMut2, Axis, s};

/// Columns that are factored at a time.
const BLOCK: usize = 64;

/// The matrix has an eigenvalue that is not positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("matrix is not positive definite")]
pub struct NotPositive;

/// L of A = L·Lᵀ.
#[derive(Debug, Clone)]
pub struct Cholesky(Array2<f64>);

impl Cholesky {
    /// Factors a symmetric matrix of which the lower triangle counts.
    ///
    /// # Errors
    /// [`NotPositive`], also for values that are not finite.
    pub fn new(a: Array2<f64>) -> Result<Cholesky, NotPositive> {
        // Rows are slices below.
        let mut a = if a.is_standard_layout() { a } else { a.as_standard_layout().into_owned() };
        let n = a.nrows();
        for from in (0..n).step_by(BLOCK) {
            let to = (from + BLOCK).min(n);
            small(&mut a.slice_mut(s![from..to, from..to]))?;
            let (mut above, mut below) = a.view_mut().split_at(Axis(0), to);
            let factor = above.slice_mut(s![from..to, from..to]);
            // Rows below: X·Lᵀ = A, column by column. By rows of Lᵀ, so that no sum runs across lanes.
            let width = to - from;
            let turned: Vec<f64> =
                (0..width).flat_map(|j| (0..width).map(move |k| (j, k))).map(|(j, k)| factor[[k, j]]).collect();
            for mut row in below.slice_mut(s![.., from..to]).outer_iter_mut() {
                let Some(row) = row.as_slice_mut() else { continue };
                for j in 0..width {
                    let (done, rest) = row.split_at_mut(j + 1);
                    let column = &turned[j * width..(j + 1) * width];
                    done[j] /= column[j];
                    let x = done[j];
                    rest.iter_mut().zip(&column[j + 1..]).for_each(|(r, l)| *r -= x * l);
                }
            }
            let panel = below.slice(s![.., from..to]).to_owned();
            general_mat_mul(-1.0, &panel, &panel.t(), 1.0, &mut below.slice_mut(s![.., to..]));
        }
        Ok(Cholesky(a))
    }

    /// Solves A·X = B in place.
    pub fn solve(&self, b: &mut Array2<f64>) {
        let (l, n) = (&self.0, self.0.nrows());
        for from in (0..n).step_by(BLOCK) {
            let to = (from + BLOCK).min(n);
            let (done, mut rest) = b.view_mut().split_at(Axis(0), from);
            let mut own = rest.slice_mut(s![..to - from, ..]);
            general_mat_mul(-1.0, &l.slice(s![from..to, ..from]), &done, 1.0, &mut own);
            for i in 0..to - from {
                for k in 0..i {
                    let factor = l[[from + i, from + k]];
                    let (before, mut row) = own.multi_slice_mut((s![k, ..], s![i, ..]));
                    row.zip_mut_with(&before, |r, v| *r -= factor * v);
                }
                own.row_mut(i).mapv_inplace(|v| v / l[[from + i, from + i]]);
            }
        }
        let mut to = n;
        while to > 0 {
            let from = (to - 1) / BLOCK * BLOCK;
            let (mut above, done) = b.view_mut().split_at(Axis(0), to);
            let mut own = above.slice_mut(s![from.., ..]);
            general_mat_mul(-1.0, &l.slice(s![to.., from..to]).t(), &done, 1.0, &mut own);
            for i in (0..to - from).rev() {
                for k in i + 1..to - from {
                    let factor = l[[from + k, from + i]];
                    let (after, mut row) = own.multi_slice_mut((s![k, ..], s![i, ..]));
                    row.zip_mut_with(&after, |r, v| *r -= factor * v);
                }
                own.row_mut(i).mapv_inplace(|v| v / l[[from + i, from + i]]);
            }
            to = from;
        }
    }
}

/// Factors a block in place.
fn small(a: &mut ArrayViewMut2<f64>) -> Result<(), NotPositive> {
    for j in 0..a.nrows() {
        let pivot = a[[j, j]] - (0..j).map(|k| a[[j, k]] * a[[j, k]]).sum::<f64>();
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(NotPositive);
        }
        a[[j, j]] = pivot.sqrt();
        for i in j + 1..a.nrows() {
            let done: f64 = (0..j).map(|k| a[[i, k]] * a[[j, k]]).sum();
            a[[i, j]] = (a[[i, j]] - done) / a[[j, j]];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_was_given() {
        for n in [1usize, 3, BLOCK, 2 * BLOCK + 7] {
            let r = Array2::from_shape_fn((n, n), |(i, j)| (((i * 31 + j * 17) % 23) as f64 - 11.0) / 11.0);
            let a = r.t().dot(&r) + Array2::<f64>::eye(n);
            let x = Array2::from_shape_fn((n, 2), |(i, j)| (i as f64 - 3.0) * (j as f64 + 1.0) / n as f64);
            let mut b = a.dot(&x);
            Cholesky::new(a).unwrap().solve(&mut b);
            assert!(b.iter().zip(&x).all(|(b, x)| (b - x).abs() < 1e-8), "{n}");
        }
    }

    #[test]
    fn refuses_what_has_no_factor() {
        assert!(Cholesky::new(Array2::from_elem((2, 2), 1.0)).is_err());
        assert!(Cholesky::new(Array2::from_elem((1, 1), f64::NAN)).is_err());
    }
}
