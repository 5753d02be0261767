//! Least squares with an intercept and a pull towards given weights: products in f32, sums of blocks of them in f64.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::cholesky::Cholesky;

/// Rows whose products are summed in f32; a block of them stays in a core's cache.
const ROWS: usize = 256;

/// Columns of a block.
const COLUMNS: usize = 128;

/// Inputs of a regression, centred, and their second moments.
pub struct Regression<'x> {
    /// Rows × (width + 1); the last column is not looked at.
    x: &'x [f32],
    width: usize,
    /// Rows that are solved with; those behind them are held out.
    solved: usize,
    rows: usize,
    means: Vec<f64>,
    /// Of the rows that are solved with; the lower triangle counts.
    square: Array2<f64>,
    /// Mean of the diagonal.
    scale: f64,
}

/// A weight for each output and input, and a constant for each output.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Width × outputs.
    pub weights: Array2<f64>,
    /// What an output is when every input is at its mean.
    pub constants: Vec<f64>,
}

/// Outputs as a regression sees them.
#[derive(Debug, Clone)]
pub struct Right {
    /// Width × outputs.
    cross: Array2<f64>,
    constants: Vec<f64>,
}

/// A ridge with its factor, to solve for other outputs.
pub struct Ridge(Cholesky, f64);

impl<'x> Regression<'x> {
    /// Takes rows of `width` numbers and one more that is not looked at. With an intercept inputs are centred, in
    /// place, by the means of the first `solved` rows.
    pub fn new(x: &'x mut [f32], width: usize, solved: usize, intercept: bool) -> Regression<'x> {
        let stride = width + 1;
        let rows = x.len() / stride;
        let solved = solved.min(rows);
        let mut means = vec![0.0; width];
        if intercept && solved > 0 {
            for row in x.chunks_exact(stride).take(solved) {
                means.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*v));
            }
            means.iter_mut().for_each(|m| *m /= solved as f64);
            x.par_chunks_exact_mut(stride).with_min_len(ROWS).for_each(|row| {
                row.iter_mut().zip(&means).for_each(|(v, m)| *v -= *m as f32);
            });
        }
        let mut out = Regression { x, width, solved, rows, means, square: Array2::zeros((width, width)), scale: 0.0 };
        let starts: Vec<usize> = (0..width).step_by(COLUMNS).collect();
        let blocks: Vec<Array2<f64>> = starts
            .par_iter()
            .with_max_len(1)
            .map(|from| {
                let to = (from + COLUMNS).min(width);
                let mut sum = Array2::<f64>::zeros((to - from, to));
                let mut part = Array2::<f32>::zeros((to - from, to));
                for rows in out.blocks(0, solved) {
                    let (own, before) = (rows.slice(s![.., *from..to]), rows.slice(s![.., ..to]));
                    general_mat_mul(1.0, &own.t(), &before, 0.0, &mut part);
                    sum.zip_mut_with(&part, |s, p| *s += f64::from(*p));
                }
                sum
            })
            .collect();
        for (from, block) in starts.iter().zip(blocks) {
            let (height, to) = block.dim();
            out.square.slice_mut(s![*from..from + height, ..to]).assign(&block);
        }
        out.scale = out.square.diag().sum() / width.max(1) as f64;
        out
    }

    /// Rows from one to another, in blocks.
    fn blocks(&self, from: usize, to: usize) -> impl Iterator<Item = ArrayView2<'_, f32>> {
        let stride = self.width + 1;
        (from..to).step_by(ROWS).filter_map(move |r| {
            let end = (r + ROWS).min(to);
            let all = ArrayView2::from_shape((end - r, stride), &self.x[r * stride..end * stride]).ok()?;
            Some(all.slice_move(s![.., ..self.width]))
        })
    }

    /// Mean of the diagonal of the second moments; 0 where inputs tell nothing.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Factors the moments with a ridge of so many times the mean of their diagonal; `None` where that has none.
    pub fn ridge(&self, ridge: f64) -> Option<Ridge> {
        let add = ridge * self.scale;
        let mut square = self.square.clone();
        square.diag_mut().mapv_inplace(|v| v + add);
        (add > 0.0 && add.is_finite()).then(|| Cholesky::new(square).ok().map(|c| Ridge(c, add)))?
    }

    /// What solutions for outputs y (rows × outputs) need of them. Constants are their means, or 0 without an
    /// intercept.
    pub fn right(&self, y: &[f32], outputs: usize, intercept: bool) -> Right {
        let mut constants = vec![0.0; outputs];
        if intercept {
            for row in y.chunks_exact(outputs.max(1)).take(self.solved) {
                constants.iter_mut().zip(row).for_each(|(c, v)| *c += f64::from(*v));
            }
            constants.iter_mut().for_each(|c| *c /= self.solved.max(1) as f64);
        }
        // Inputs are centred: what is constant in y does not count.
        Right { cross: self.cross(y, outputs), constants }
    }

    /// Weights pulled towards `prior` (outputs × width); `None` where they are not finite.
    pub fn solve(&self, ridge: &Ridge, right: &Right, prior: &[f32]) -> Option<Solution> {
        let (mut weights, constants) = (right.cross.clone(), right.constants.clone());
        let prior = ArrayView2::from_shape((constants.len(), self.width), prior).ok()?;
        weights.zip_mut_with(&prior.t(), |w, p| *w += ridge.1 * f64::from(*p));
        ridge.0.solve(&mut weights);
        let finite = weights.iter().chain(&constants).all(|v| v.is_finite());
        finite.then_some(Solution { weights, constants })
    }

    /// Xᵀ·Y over the rows that are solved with.
    fn cross(&self, y: &[f32], outputs: usize) -> Array2<f64> {
        let starts: Vec<usize> = (0..self.width).step_by(COLUMNS).collect();
        let blocks: Vec<Array2<f64>> = starts
            .par_iter()
            .with_max_len(1)
            .map(|from| {
                let to = (from + COLUMNS).min(self.width);
                let mut sum = Array2::<f64>::zeros((to - from, outputs));
                let mut part = Array2::<f32>::zeros((to - from, outputs));
                for (k, rows) in self.blocks(0, self.solved).enumerate() {
                    let at = k * ROWS * outputs;
                    let Ok(y) = ArrayView2::from_shape((rows.nrows(), outputs), &y[at..at + rows.nrows() * outputs])
                    else {
                        continue;
                    };
                    general_mat_mul(1.0, &rows.slice(s![.., *from..to]).t(), &y, 0.0, &mut part);
                    sum.zip_mut_with(&part, |s, p| *s += f64::from(*p));
                }
                sum
            })
            .collect();
        let mut out = Array2::zeros((self.width, outputs));
        for (from, block) in starts.iter().zip(blocks) {
            out.slice_mut(s![*from..from + block.nrows(), ..]).assign(&block);
        }
        out
    }

    /// What a solution gives for the rows that are solved with: rows × outputs.
    pub fn predict(&self, solution: &Solution) -> Vec<f32> {
        self.predict_rows(solution, 0..self.solved)
    }

    fn predict_rows(&self, solution: &Solution, Range { start: from, end: to }: Range<usize>) -> Vec<f32> {
        let outputs = solution.constants.len();
        let weights = solution.weights.mapv(|v| v as f32);
        let mut out = vec![0.0; (to - from) * outputs];
        let blocks: Vec<ArrayView2<f32>> = self.blocks(from, to).collect();
        out.par_chunks_mut((ROWS * outputs).max(1)).zip(blocks).with_max_len(1).for_each(|(out, rows)| {
            for row in out.chunks_exact_mut(outputs) {
                row.iter_mut().zip(&solution.constants).for_each(|(o, c)| *o = *c as f32);
            }
            if let Ok(mut out) = ndarray::ArrayViewMut2::from_shape((rows.nrows(), outputs), out) {
                general_mat_mul(1.0, &rows, &weights, 1.0, &mut out);
            }
        });
        out
    }

    /// Squared error on the rows held out, each output weighed by its square in `scale`.
    pub fn error_held_out(&self, solution: &Solution, y: &[f32], scale: &[f32]) -> f64 {
        let outputs = solution.constants.len().max(1);
        let got = self.predict_rows(solution, self.solved..self.rows);
        let wanted = y[self.solved * outputs..].chunks_exact(outputs);
        let row = |(g, w): (&[f32], &[f32])| -> f64 {
            g.iter().zip(w).zip(scale).map(|((g, w), s)| f64::from((g - w) * s).powi(2)).sum()
        };
        got.chunks_exact(outputs).zip(wanted).map(row).sum()
    }

    /// Rows held out.
    pub fn held_out(&self) -> usize {
        self.rows - self.solved
    }

    /// Rows that are solved with.
    pub fn solved(&self) -> usize {
        self.solved
    }

    /// The addend of each output where inputs are as they were given, not centred.
    pub fn addends(&self, solution: &Solution) -> Vec<f64> {
        let shift = |o: usize| -> f64 { self.means.iter().zip(solution.weights.column(o)).map(|(m, w)| m * w).sum() };
        solution.constants.iter().enumerate().map(|(o, c)| c - shift(o)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of three numbers and a 1, and y = 2·a − b + 5 in the first output, c in the second.
    fn sample(rows: usize) -> (Vec<f32>, Vec<f32>) {
        let mut state = 9u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32
        };
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let [a, b, c] = [draw() + 3.0, draw(), draw() - 1.0];
            x.extend([a, b, c, 1.0]);
            y.extend([2.0 * a - b + 5.0, c]);
        }
        (x, y)
    }

    #[test]
    fn weights_and_addends_are_found_again() {
        let (mut x, y) = sample(3000);
        let given = x.clone();
        let fit = Regression::new(&mut x, 3, 2000, true);
        let found = fit.solve(&fit.ridge(1e-9).unwrap(), &fit.right(&y, 2, true), &[0.0; 6]).unwrap();
        let wanted = [2.0, 0.0, -1.0, 0.0, 0.0, 1.0];
        assert!(found.weights.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
        let addends = fit.addends(&found);
        assert!((addends[0] - 5.0).abs() < 1e-2 && addends[1].abs() < 1e-2, "{addends:?}");
        assert!(fit.predict(&found).iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-3));
        assert!(fit.error_held_out(&found, &y, &[1.0, 1.0]) < 1e-4);
        // A strong ridge leaves the weights that it is pulled to.
        let prior = [0.5, 0.5, 0.5, 0.0, 0.0, 1.0];
        let found = fit.solve(&fit.ridge(1e9).unwrap(), &fit.right(&y, 2, true), &prior).unwrap();
        assert!((found.weights[[0, 0]] - 0.5).abs() < 1e-4 && (found.weights[[2, 1]] - 1.0).abs() < 1e-4);
        assert!(fit.error_held_out(&found, &y, &[1.0, 1.0]) > 1.0);
        // Without an intercept the same rows cannot give the 5.
        let mut x = given;
        let fit = Regression::new(&mut x, 3, 3000, false);
        let found = fit.solve(&fit.ridge(1e-9).unwrap(), &fit.right(&y, 2, false), &[0.0; 6]).unwrap();
        assert_eq!((found.constants.clone(), fit.held_out()), (vec![0.0; 2], 0));
        assert!((found.weights[[2, 1]] - 1.0).abs() < 1e-3);
    }

    #[test]
    fn any_number_of_threads_gives_the_same() {
        let width = COLUMNS + 7;
        let on = |threads: usize| {
            let mut x: Vec<f32> = (0..2500 * (width + 1)).map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0).collect();
            let y: Vec<f32> = (0..2500 * 3).map(|i| ((i * 31) % 17) as f32).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let fit = Regression::new(&mut x, width, 2000, true);
                fit.solve(&fit.ridge(1e-2).unwrap(), &fit.right(&y, 3, true), &vec![0.0; 3 * width]).unwrap()
            })
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn inputs_that_tell_nothing_have_no_solution() {
        let mut x = vec![0.0; 40];
        let fit = Regression::new(&mut x, 3, 10, true);
        assert!(fit.ridge(1e-2).is_none() && fit.scale() == 0.0);
    }
}
