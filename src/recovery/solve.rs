//! The least squares of one layer: a ridge that what is set aside chooses, and outputs that an activation cuts off let
//! go.

use ndarray::Array2;
use rayon::prelude::*;

use crate::matrix::{Regression, Right, Solution};

/// Ridges as a part of the mean of the diagonal, of which the samples set aside choose.
const RIDGES: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];

/// The ridge where nothing is set aside: with many rows for each number in a patch, and with few.
const USUAL: [f64; 2] = [1e-2, 1e-1];

/// Rows for each number in a patch that are many.
const MANY: usize = 4;

/// One group of a layer.
pub(super) struct LayerPart<'p> {
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// What the pruned network adds to the output.
    pub sum: Option<Vec<f32>>,
    pub prior: &'p [f32],
    pub scale: &'p [f32],
    pub shift: &'p [f32],
    /// Outputs that make a difference.
    pub active: Vec<bool>,
}

/// Solutions of all groups with one ridge.
pub(super) fn solve_parts(
    mut parts: Vec<LayerPart>,
    width: usize,
    solved: usize,
    intercept: bool,
    clamp: Option<((f32, f32), usize)>,
) -> Option<Vec<(Solution, Vec<f64>)>> {
    // Centring works in place, on rows that stay where they are.
    let xs: Vec<Vec<f32>> = parts.iter_mut().map(|p| std::mem::take(&mut p.x)).collect();
    let mut xs = xs;
    let fits: Vec<Regression> =
        xs.par_iter_mut().with_max_len(1).map(|x| Regression::new(x, width, solved, intercept)).collect();
    let right = |(fit, part): (&Regression, &LayerPart)| fit.right(&part.y, part.scale.len(), intercept);
    let rights: Vec<Right> = fits.par_iter().zip(&parts).with_max_len(1).map(right).collect();
    let plain = |ridge: f64| -> Vec<Solution> {
        let one = |((fit, part), right): ((&Regression, &LayerPart), &Right)| {
            let found = fit.ridge(ridge).and_then(|r| fit.solve(&r, right, part.prior));
            found.unwrap_or_else(|| as_it_was(part, width, solved, intercept))
        };
        fits.par_iter().zip(&parts).zip(&rights).with_max_len(1).map(one).collect()
    };
    let held_out = fits.first().is_some_and(|f| f.held_out() > 0);
    let ridge = if held_out {
        let error = |ridge: &f64| -> f64 {
            let each = plain(*ridge);
            each.iter().zip(&fits).zip(&parts).map(|((s, f), p)| f.error_held_out(s, &p.y, p.scale)).sum()
        };
        let errors: Vec<(f64, f64)> = RIDGES.iter().map(|r| (error(r), *r)).collect();
        errors.into_iter().filter(|e| e.0.is_finite()).min_by(|a, b| a.0.total_cmp(&b.0)).map(|e| e.1)?
    } else {
        USUAL[usize::from(solved < MANY * width)]
    };
    let mut found = plain(ridge);
    if let Some((range, repeats)) = clamp {
        let targets: Vec<Vec<f32>> = parts.iter().map(LayerPart::before_activation).collect();
        let all = fits.par_iter().zip(&mut parts).zip(&mut found).zip(&targets).with_max_len(1);
        all.for_each(|(((fit, part), solution), target)| {
            let Some(ridge) = fit.ridge(ridge) else { return };
            for _ in 0..repeats {
                let given = fit.predict(solution);
                part.let_go(&given, target, range);
                match fit.solve(&ridge, &fit.right(&part.y, part.scale.len(), intercept), part.prior) {
                    Some(better) => *solution = better,
                    None => return,
                }
            }
        });
    }
    let addends = |(s, f): (Solution, &Regression)| {
        let addends = f.addends(&s);
        (s, addends)
    };
    Some(found.into_iter().zip(&fits).map(addends).collect())
}

/// The weights as they were, where the inputs tell nothing.
fn as_it_was(part: &LayerPart, width: usize, solved: usize, intercept: bool) -> Solution {
    let outputs = part.scale.len();
    let mean = |o: usize| part.y.iter().skip(o).step_by(outputs).take(solved).map(|v| f64::from(*v)).sum::<f64>();
    Solution {
        weights: Array2::from_shape_fn((width, outputs), |(i, o)| f64::from(part.prior[o * width + i])),
        constants: (0..outputs).map(|o| if intercept { mean(o) / solved.max(1) as f64 } else { 0.0 }).collect(),
    }
}

impl LayerPart<'_> {
    /// What an output of the layer comes to in front of the activation, in the pruned network.
    fn behind(&self, i: usize, y: f32) -> f32 {
        let o = i % self.scale.len();
        self.scale[o] * y + self.shift[o] + self.sum.as_ref().map_or(0.0, |s| s[i])
    }

    /// What the activation is given in the original.
    fn before_activation(&self) -> Vec<f32> {
        self.y.iter().enumerate().map(|(i, y)| self.behind(i, *y)).collect()
    }

    /// Makes y what the layer ought to give: the original's values, but where the activation cuts them off, whatever
    /// is cut off alike.
    fn let_go(&mut self, given: &[f32], target: &[f32], (low, high): (f32, f32)) {
        let outputs = self.scale.len();
        // What is set aside is not solved with.
        for i in 0..given.len().min(self.y.len()) {
            let o = i % outputs;
            if !self.active[o] {
                continue;
            }
            let z = self.behind(i, given[i]);
            let wanted = match target[i] {
                t if t <= low => z.min(low),
                t if t >= high => z.max(high),
                t => t,
            };
            self.y[i] = (wanted - self.shift[o] - self.sum.as_ref().map_or(0.0, |s| s[i])) / self.scale[o];
        }
    }
}
